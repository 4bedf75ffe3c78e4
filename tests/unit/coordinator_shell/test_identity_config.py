"""What is wrong with the files and figures of `[identity]` is told at the start, all at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from identity_provider import IdentityProvider

from coordinator.config import read_config
from coordinator.errors import ConfigInvalid
from coordinator.key_set import KeySetWrong, read_keys


def config(folder: Path, **identity: Any) -> Path:
    """A configuration file with this section."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in identity.items()]
    path = folder / "coordinator.toml"
    path.write_text(
        '[coordinator]\ndistrict = "d"\ndata_dir = "data"\n[identity]\n' + "\n".join(lines) + "\n"
    )
    return path


def faults(path: Path) -> list[str]:
    """What is wrong with it, each with its line."""
    with pytest.raises(ConfigInvalid) as refused:
        read_config(path)
    problems = refused.value.problems
    return [f"{problem.where.rpartition(':')[2]} {problem.message}" for problem in problems]


def test_K2_a_token_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The start says which file, and what to do."""
    tokens = tmp_path / "tokens"
    tokens.write_text("anna 0123456789abcdef admin\n")
    tokens.chmod(0o644)

    [fault] = faults(config(tmp_path, token_file=str(tokens)))
    assert fault.startswith("5 token_file")
    assert "can be read by others" in fault


def test_all_faults_of_the_section_are_told_at_once(tmp_path: Path) -> None:
    """A missing file, a missing audience, a scope that is none, a car in a file of operators."""
    tokens = tmp_path / "tokens"
    tokens.write_text("anna 0123456789abcdef car\n")
    tokens.chmod(0o600)
    path = config(
        tmp_path, jwks_file="nowhere", token_file=str(tokens), anonymous=["root"], leeway_s=301
    )

    told = " | ".join(faults(path))
    for what in ("jwks_file", "audience", "'car'", "anonymous", "leeway_s"):
        assert what in told


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kty": "RSA", "crv": None}, "of kind RSA"),
        ({"crv": "Ed448"}, "of kind OKP Ed448"),
        ({"alg": "HS256"}, "not for signatures by EdDSA"),
        ({"use": "enc"}, "not for signatures"),
        ({"d": "AAAA"}, "private part"),
        ({"kid": ""}, "no kid"),
        ({"x": "AA"}, "is no key"),
    ],
)
def test_a_key_that_is_none_is_named(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    """One algorithm a key, public parts only."""
    provider = IdentityProvider(tmp_path)
    entry = provider.entry("ed-1") | change
    provider.jwks.write_text(json.dumps({"keys": [entry]}))

    with pytest.raises(KeySetWrong, match=why):
        read_keys(provider.jwks)


def test_a_key_file_that_others_can_write_is_refused(tmp_path: Path) -> None:
    """Whoever could add a key could let anybody in."""
    provider = IdentityProvider(tmp_path)
    provider.jwks.chmod(0o666)

    with pytest.raises(KeySetWrong, match="written by others"):
        read_keys(provider.jwks)


def test_only_allowed_keys_are_taken(tmp_path: Path) -> None:
    """With an allow-list others of the file count for nothing; a missing one is told."""
    provider = IdentityProvider(tmp_path)

    assert list(read_keys(provider.jwks, ["ec-1"])) == ["ec-1"]
    with pytest.raises(KeySetWrong, match="no key 'ed-2'"):
        read_keys(provider.jwks, ["ed-1", "ed-2"])
