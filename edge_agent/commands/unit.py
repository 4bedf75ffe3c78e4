"""`python -m edge_agent unit`: prints the systemd unit, with this very Python in it."""

from __future__ import annotations

import sys
from pathlib import Path

from pilewise.wrong_words import WordParser

FOLDER = Path(__file__).parents[1] / "systemd"
PLACEHOLDER = "/opt/pilewise/bin/python"


def main(arguments: list[str]) -> int:
    """The exit code of the command with these arguments."""
    parser = WordParser(prog="python -m edge_agent unit", description=__doc__)
    parser.add_argument(
        "--serial", action="store_true", help="print the drop-in for piles on serial lines"
    )
    options = parser.parse_args(arguments)
    name = "serial.conf" if options.serial else "pilewise-agent.service"
    text = (FOLDER / name).read_text(encoding="utf-8")
    sys.stdout.write(text.replace(PLACEHOLDER, sys.executable))
    return 0
