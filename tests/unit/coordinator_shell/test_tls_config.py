"""What is wrong with `[tls]` and `[enrolment]` is told at the start, by line and hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.config import read_config
from coordinator.errors import ConfigInvalid, Problem

HEAD = '[coordinator]\ndistrict = "d"\ndata_dir = "data"\n'


def faults(folder: Path, text: str) -> list[Problem]:
    """Everything wrong."""
    path = folder / "coordinator.toml"
    path.write_text(HEAD + text)
    with pytest.raises(ConfigInvalid) as caught:
        read_config(path)
    return list(caught.value.problems)


def pem(folder: Path, name: str, mode: int = 0o600) -> Path:
    """A file that is there; what it holds is looked at when it is shown."""
    path = folder / name
    path.write_text("-----BEGIN CERTIFICATE-----\n")
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("key", "needs"),
    [
        ("key_file", {"cert_file"}),
        ("client_ca_file", {"cert_file", "agents_listen"}),
        ("agents_listen", {"cert_file", "client_ca_file"}),
    ],
)
def test_half_of_a_secured_address_names_what_it_lacks(
    tmp_path: Path, key: str, needs: set[str]
) -> None:
    """Each key that says nothing by itself names those that it needs, at its own line."""
    value = "127.0.0.1:0" if key == "agents_listen" else pem(tmp_path, "some.pem")

    found = faults(tmp_path, f'[tls]\n{key} = "{value}"\n')

    assert {(problem.code, problem.hint) for problem in found} == {("CFG-004", "see docs/trust.md")}
    assert {problem.where.rpartition(":")[2] for problem in found} == {"5"}
    told = {f"tls.{key} needs tls.{name} beside it" for name in needs}
    assert {problem.message for problem in found} == told


def test_files_that_are_not_there_are_all_named(tmp_path: Path) -> None:
    """Certificate, key and authority: each with its path and the command that makes one."""
    names = ("cert_file", "key_file", "client_ca_file")
    lines = [f'{name} = "{tmp_path}/no-{name}"' for name in names]

    found = faults(tmp_path, "\n".join(["[tls]", *lines, 'agents_listen = "127.0.0.1:0"', ""]))

    assert [problem.code for problem in found] == ["CFG-013"] * 3
    for name, problem in zip(names, found, strict=True):
        assert f"{tmp_path}/no-{name}" in problem.message
        assert "pilewise coordinator ca" in problem.hint


def test_certificate_file_with_the_key_in_it_is_a_secret(tmp_path: Path) -> None:
    """Others may read a certificate, and not one that has the key beside it."""
    cert, key = pem(tmp_path, "cert.pem", 0o644), pem(tmp_path, "key.pem")
    path = tmp_path / "coordinator.toml"

    [fault] = faults(tmp_path, f'[tls]\ncert_file = "{cert}"\n')
    path.write_text(HEAD + f'[tls]\ncert_file = "{cert}"\nkey_file = "{key}"\n')

    assert (fault.code, fault.hint) == ("CFG-013", f"chmod 600 {cert}")
    assert read_config(path).tls.enabled


def test_enrolment_without_an_authority_or_a_port_of_agents_is_refused(tmp_path: Path) -> None:
    """Certificates that nobody could sign, or show anywhere, are told at once."""
    found = faults(tmp_path, f'[enrolment]\nca_dir = "{tmp_path}/nothing"\n')

    assert [problem.code for problem in found] == ["CFG-004", "CFG-013"]
    assert "tls.agents_listen" in found[0].message
    assert found[1].hint == "pilewise coordinator ca init"


@pytest.mark.parametrize(
    "line", ["certificate_days = 0", "certificate_days = 826", "token_hours = 721"]
)
def test_lives_that_are_none_or_too_long_are_refused(tmp_path: Path, line: str) -> None:
    """Certificates live up to 825 days, tokens up to 30."""
    [fault] = faults(tmp_path, f"[enrolment]\n{line}\n")

    assert line.partition(" ")[0] in fault.message
