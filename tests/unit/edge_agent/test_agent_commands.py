"""The agent's commands beside running it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.__main__ import COMMANDS, main


def test_first_word_chooses_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`profile list --json` ends with one JSON object that names the bundled models."""
    assert main(["profile", "list", "--json"]) == 0

    last = capsys.readouterr().out.splitlines()[-1]
    assert "abb-terra-ac" in {row["profile"] for row in json.loads(last)["profiles"]}


@pytest.mark.slow
def test_commands_are_imported_only_when_named() -> None:
    """Starting the agent imports none of its commands."""
    code = "import sys, edge_agent.__main__; print([m for m in sys.modules if '.commands.' in m])"

    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert ran.stdout.strip() == "[]"
    assert all(module.startswith("edge_agent.commands.") for module in COMMANDS.values())


@pytest.mark.slow
@pytest.mark.parametrize(("bad", "code"), [(False, 0), (True, 3)])
def test_lint_of_the_command_ends_with_one_object(tmp_path: Path, bad: bool, code: int) -> None:
    """`pilewise agent profile lint --json` prints models and errors last, and exits by them."""
    path = tmp_path / "own.toml"
    path.write_text('id = "own"\n')
    words = ["agent", "profile", "lint", "--json", *([str(path)] if bad else [])]

    ran = subprocess.run(
        [sys.executable, "-c", "from pilewise.cli import main; main()", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    told = json.loads(ran.stdout.splitlines()[-1])
    assert ran.returncode == code
    assert told["models"] >= 12
    assert bool(told["errors"]) is bad
