"""The agent's commands beside running it."""

from __future__ import annotations

import json
import subprocess
import sys

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
