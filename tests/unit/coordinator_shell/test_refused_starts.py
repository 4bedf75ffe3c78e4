"""Combinations that a coordinator refuses to start with: all at once, by code, line and hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.__main__ import main
from coordinator.config import read_config
from coordinator.errors import ConfigInvalid
from pilewise.cli.explain import pages

HEAD = '[coordinator]\ndistrict = "d"\ndata_dir = "data"\n'


def refused(folder: Path, text: str) -> list[tuple[str, str]]:
    """Code and message of everything wrong."""
    path = folder / "coordinator.toml"
    path.write_text(text)
    with pytest.raises(ConfigInvalid) as caught:
        read_config(path)
    for problem in caught.value.problems:
        assert problem.hint
        assert problem.where.startswith(f"{path}:")
        assert problem.code in pages()
    return [(problem.code, problem.message) for problem in caught.value.problems]


def secret(folder: Path, name: str, text: str, mode: int = 0o600) -> Path:
    """A file with a secret."""
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


def test_open_address_needs_tls_and_tokens(tmp_path: Path) -> None:
    """Without either, both are told at once."""
    found = refused(tmp_path, HEAD + 'listen = "0.0.0.0:50051"\n')

    assert [code for code, _ in found] == ["CFG-032", "CFG-010"]
    assert all("0.0.0.0" in message for _, message in found)


def test_agents_from_elsewhere_need_tokens_beside_them(tmp_path: Path) -> None:
    """Where only the agents' own address is open, an agent could call as an operator."""
    text = HEAD + '[tls]\nagents_listen = "0.0.0.0:50052"\n'

    found = refused(tmp_path, text)
    tokens = secret(tmp_path, "tokens", "anna 0123456789abcdef0123 operator.read\n")
    asked = refused(tmp_path, text + f'[identity]\ntoken_file = "{tokens}"\n')

    assert [message for code, message in found if code == "CFG-032"] == [
        "0.0.0.0 can be reached from other machines, and nobody there is asked who it is"
    ]
    assert "CFG-032" not in [code for code, _ in asked]


def test_another_time_is_for_loopback_only(tmp_path: Path) -> None:
    """Speed 60 beside an open address is refused; on loopback it is not."""
    slow = "[clock]\nspeed = 60.0\n"
    codes = [code for code, _ in refused(tmp_path, HEAD + 'listen = "10.1.2.3:0"\n' + slow)]
    path = tmp_path / "coordinator.toml"
    path.write_text(HEAD + slow)

    assert "CFG-016" in codes
    assert read_config(path).clock.speed == 60.0


def test_production_refuses_what_is_fine_on_a_bench(tmp_path: Path) -> None:
    """Unsigned models, nobody asked, piles of anybody and another clock: one line each."""
    text = HEAD + (
        "[security]\nproduction = true\n[models]\nallow_unsigned = true\n[clock]\nspeed = 2.0\n"
    )
    found = refused(tmp_path, text)

    assert [code for code, _ in found] == ["CFG-033"] * 4
    told = " ".join(message for _, message in found)
    for word in ("unsigned models", "who they are", "assigned", "real time"):
        assert word in told


def test_production_starts_with_what_it_asks_for(tmp_path: Path) -> None:
    """Tokens, assigned piles, signed models, real time."""
    tokens = secret(tmp_path, "tokens", "anna 0123456789abcdef0123 operator.read\n")
    path = tmp_path / "coordinator.toml"
    path.write_text(
        HEAD + "agent_open = false\n[security]\nproduction = true\n"
        f'[identity]\ntoken_file = "{tokens}"\n'
    )

    assert read_config(path).security.production


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
@pytest.mark.parametrize("key", ["identity.token_file", "web.token_file", "tls.key_file"])
def test_K2_secret_of_a_coordinator_that_others_may_read_is_refused(
    tmp_path: Path, key: str, mode: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Token files and the server's key: exit 3, the file and the chmod that mends it."""
    table, name = key.split(".")
    path = secret(tmp_path, "secret", "anna 0123456789abcdef0123 operator.read\n", mode)
    lines = [f"[{table}]", f'{name} = "{path}"']
    if table == "web":
        lines.append('listen = "127.0.0.1:0"')
    config = tmp_path / "coordinator.toml"
    config.write_text(HEAD + "\n".join(lines) + "\n")
    code = main(["-c", str(config), "--check"])
    told = capsys.readouterr().err

    assert code == 3
    assert f"chmod 600 {path}" in told
    assert "read by others" in told
