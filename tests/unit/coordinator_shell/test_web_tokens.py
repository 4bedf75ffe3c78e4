"""The token file of the operator's page, and the section that names it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from coordinator.config import read_config
from coordinator.errors import ConfigInvalid
from coordinator.token_file import TokenFileWrong, holder_of, read_tokens

TOKEN = "0123456789abcdef"


def token_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "tokens"
    path.write_text(text)
    path.chmod(mode)
    return path


def config(folder: Path, web: str) -> Path:
    path = folder / "coordinator.toml"
    path.write_text(f'[coordinator]\ndistrict = "d"\ndata_dir = "data"\n[web]\n{web}')
    return path


def test_tokens_plain_and_hashed_open_for_their_holders(tmp_path: Path) -> None:
    """A token in the clear and one by its hash are both known; another one is nobody's."""
    hashed = hashlib.sha256(b"the other one's token").hexdigest()
    text = f"# who may act\nanna {TOKEN}\n\nbo sha256:{hashed} # at night\n"
    tokens = read_tokens(token_file(tmp_path, text))

    assert holder_of(TOKEN, tokens) == "anna"
    assert holder_of("the other one's token", tokens) == "bo"
    assert holder_of(TOKEN + "0", tokens) == ""
    assert holder_of(f"sha256:{hashed}", tokens) == ""


@pytest.mark.parametrize(
    ("text", "mode", "wrong"),
    [
        (f"anna {TOKEN}\n", 0o640, "can be read by others"),
        (f"anna {TOKEN[:-1]}\n", 0o600, "tokens:1 has a token that can be guessed"),
        (f"anna {TOKEN}\nanna {TOKEN}1\n", 0o600, "tokens:2 names anna twice"),
        (f"{TOKEN}\n", 0o600, "tokens:1 is not a name and a token"),
        ("anna sha256:12\n", 0o600, "tokens:1 has no SHA-256"),
        ("# nobody\n", 0o600, "has no token"),
    ],
)
def test_a_token_file_that_protects_nothing_is_refused(
    tmp_path: Path, text: str, mode: int, wrong: str
) -> None:
    """Each way in which the file could let somebody in, or nobody, is told with its line."""
    with pytest.raises(TokenFileWrong, match=wrong) as caught:
        read_tokens(token_file(tmp_path, text, mode))

    assert caught.value.hint


def test_the_page_is_off_unless_it_has_an_address(tmp_path: Path) -> None:
    """Without a section there is no page; with one it is where the section says."""
    assert read_config(config(tmp_path, "")).web.listen == ""
    assert read_config(config(tmp_path, 'listen = "127.0.0.1:0"\n')).web.listen == "127.0.0.1:0"


def test_faults_of_the_section_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    """A page that others could reach and a token file that is not there: two problems."""
    path = config(tmp_path, 'listen = "0.0.0.0:8080"\ntoken_file = "nowhere"\n')

    with pytest.raises(ConfigInvalid) as caught:
        read_config(path)

    told = [(p.code, p.where.removeprefix(f"{path}:")) for p in caught.value.problems]
    assert told == [("CFG-010", "5"), ("CFG-005", "6")]
    assert "TLS is not configured" in str(caught.value)


def test_tokens_without_a_page_are_a_fault(tmp_path: Path) -> None:
    """A token file that nothing would ever ask for is told, not ignored."""
    tokens = token_file(tmp_path, f"anna {TOKEN}\n")

    with pytest.raises(ConfigInvalid, match="there is no page"):
        read_config(config(tmp_path, f'token_file = "{tokens}"\n'))
