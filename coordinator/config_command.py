"""`python -m coordinator config`: what may stand in coordinator.toml, and what stands in one; JSON.

For people `pilewise config` writes pages of it. Exit codes: 0 done, 3 mistakes in the file.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from coordinator.config import Config, read_file
from coordinator.config_places import PREFIX
from coordinator.errors import ConfigInvalid
from pilewise.wrong_words import WordParser

WORDS = Path(__file__).with_name("config_words.toml")
_CONFIG = 3


def main(arguments: Sequence[str]) -> int:
    """The exit code of the command with these arguments."""
    parser = WordParser(prog="python -m coordinator config", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("schema", help="every key: type, bounds, default, meaning")
    read = commands.add_parser("read", help="what a file says, with the line of each key")
    read.add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "schema":
        _emit(_schema())
        return 0
    try:
        _, data, lines = read_file(options.file, os.environ)
    except ConfigInvalid as error:
        print(error, file=sys.stderr)
        told = [asdict(one) | {"told": one.render()} for one in error.problems]
        _emit({"ok": False, "problems": told})
        return _CONFIG
    _emit(
        {
            "ok": True,
            "problems": [],
            "tables": data,
            "lines": dict(lines),
            "environment": lines.environment,
        }
    )
    return 0


def _schema() -> dict[str, Any]:
    return {
        "room": "coordinator",
        "prefix": PREFIX,
        "schema": msgspec.json.schema(Config),
        "names": {},
        **tomllib.loads(WORDS.read_text(encoding="utf-8")),
    }


def _emit(told: dict[str, Any]) -> None:
    print(msgspec.json.encode(told).decode(), flush=True)
