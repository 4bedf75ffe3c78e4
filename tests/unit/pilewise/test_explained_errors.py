"""`pilewise explain`: what a code means, from the command line."""

from __future__ import annotations

import json

import pytest

from pilewise.cli import ending
from pilewise.cli.app import command


@pytest.mark.parametrize("typed", ["CFG-014", "cfg-014", "error[CFG-014]"])
def test_a_code_is_explained_however_it_is_typed(
    typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Small letters and the brackets of the message are understood."""
    assert ending.run(command(), ["explain", typed]) == 0

    told = capsys.readouterr().out
    assert told.startswith("CFG-014: A connector standard is not known.\n")
    assert "cause: " in told
    assert "fix: " in told


def test_an_explanation_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs read code, rooms, meaning, cause and fix."""
    assert ending.run(command(), ["explain", "NET-001", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["code"] == "NET-001"
    assert told["rooms"] == ["edge_agent", "pilewise"]
    assert all(told[name] for name in ("says", "cause", "fix"))


def test_all_codes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a code every one is listed with its meaning."""
    assert ending.run(command(), ["explain"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 100
    assert any(line.startswith("STORE-010 ") for line in lines)


def test_an_unknown_code_names_its_neighbour(capsys: pytest.CaptureFixture[str]) -> None:
    """A code that is none ends with 2 and the nearest that is."""
    assert ending.run(command(), ["explain", "CGF-014"]) == 2

    said = capsys.readouterr().err
    assert "error[CMD-107]" in said
    assert "did you mean CFG-014? " in said
