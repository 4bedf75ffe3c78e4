"""What somebody new types: near misses, no configuration, lists that are read to the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pilewise.cli import ending
from pilewise.cli.app import command

END_S = 120.0


def typed(words: str, folder: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command with these words, in this folder."""
    done = subprocess.run(
        [sys.executable, "-m", "pilewise", *words.split()],
        cwd=folder, capture_output=True, text=True, timeout=END_S,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("agent probe", "name a host or --serial DEVICE, one of both"),
        ("city compare --scenario nowhere", "--scenario: 'nowhere' is no scene"),
        ("sim replay", "give a tape, or --intervals with --connectors"),
    ],
)
def test_a_room_complains_as_the_command_does(tmp_path: Path, words: str, said: str) -> None:
    """Two lines: what is wrong and where it is told, by the name that was typed, no usage."""
    code, _, told = typed(words, tmp_path)

    wrong, hint = told.splitlines()
    assert code == 2
    assert wrong.startswith(f"error[CMD-100]: {said}")
    assert hint == f"  hint: pilewise {' '.join(words.split()[:2])} --help shows what there is"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "kind"),
    [("agent run", "agent"), ("agent buffer show", "agent"), ("sim run", "sim"),
     ("coordinator run", "coordinator"), ("coordinator export", "coordinator")],
)  # fmt: skip
def test_without_a_configuration_it_says_how_to_get_one(
    tmp_path: Path, words: str, kind: str
) -> None:
    """The hint is a command that works, and what it writes is named."""
    code, _, told = typed(words, tmp_path)

    assert code == 3
    assert "cannot read the file: No such file or directory" in told
    assert f"hint: -c FILE names another; pilewise config init {kind} " in told
    assert "Errno" not in told
    assert typed(f"config init {kind}", tmp_path)[0] == 0
    assert f"{kind}.toml" in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("agent profile show alpitronic-hypercharge", "alpitronic-hypercharger"),
        ("agent probe 127.0.0.1 --profile abb-tera-ac", "abb-terra-ac"),
    ],
)
def test_a_profile_that_is_nearly_known_is_named(tmp_path: Path, words: str, meant: str) -> None:
    """One name to take, not twenty to search."""
    assert f"hint: did you mean {meant}?\n" in typed(words, tmp_path)[2]


@pytest.mark.parametrize("code", ["CFG-014", "cfg-14", "cfg14", "error[CFG-014]"])
def test_a_code_is_known_however_it_is_typed(capsys: pytest.CaptureFixture[str], code: str) -> None:
    """Small letters and missing zeros are no reason to ask back."""
    assert ending.run(command(), ["explain", code]) == 0
    assert capsys.readouterr().out.startswith("CFG-014: ")


@pytest.mark.parametrize("words", [[], ["coordinator"], ["agent"], ["city"]])
def test_a_list_of_commands_is_told_whole(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """No sentence ends in dots, and what runs a room stands first."""
    ending.run(command(), [*words, "--help"])

    listed = capsys.readouterr().out.split("Commands:\n")[1]
    assert "..." not in listed
    assert words not in (["coordinator"], ["agent"]) or listed.split()[0] == "run"
