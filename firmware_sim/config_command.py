"""`python -m firmware_sim config`: what may stand in sim.toml, and what stands in one; JSON.

For people `pilewise config` writes pages of it. Exit codes: 0 done, 3 mistakes in the file.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import msgspec

from firmware_sim.config import read_file
from firmware_sim.config_environment import PREFIX
from firmware_sim.config_tables import (
    AgeingTable,
    ClockTable,
    Model,
    MqttTable,
    OcppPileTable,
    OcppTable,
    PileTable,
    SimTable,
)
from firmware_sim.errors import ConfigError
from pilewise.wrong_words import WordParser

WORDS = Path(__file__).with_name("config_words.toml")
_CONFIG = 3


class _Pile(PileTable, frozen=True):
    """`[[pile]]`: one simulated pile."""

    ocpp: OcppPileTable | None = None  # type: ignore[assignment]
    ageing: AgeingTable | None = None  # type: ignore[assignment]


class _SimFile(msgspec.Struct, frozen=True):
    """A whole sim.toml."""

    sim: SimTable = SimTable()
    pile: list[_Pile] = []
    clock: ClockTable | None = None
    mqtt: MqttTable | None = None
    ocpp: OcppTable = OcppTable()


def main(arguments: Sequence[str]) -> int:
    """The exit code of the command with these arguments."""
    parser = WordParser(prog="python -m firmware_sim config", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("schema", help="every key: type, bounds, default, meaning")
    read = commands.add_parser("read", help="what a file says, with the line of each key")
    read.add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "schema":
        _emit(_schema())
        return 0
    try:
        _, reader, data = read_file(options.file, os.environ)
    except ConfigError as error:
        print(error, file=sys.stderr)
        told = [
            asdict(found) | {"file": error.file, "told": found.text(error.file)}
            for found in error.findings
        ]
        _emit({"ok": False, "problems": told})
        return _CONFIG
    lines, environment = reader.lines(), reader.environment
    _emit({"ok": True, "problems": [], "tables": data, "lines": lines, "environment": environment})
    return 0


def _schema() -> dict[str, Any]:
    return {
        "room": "sim",
        "prefix": PREFIX,
        "schema": msgspec.json.schema(_SimFile),
        "names": {"simulated-model": list(get_args(Model))},
        **tomllib.loads(WORDS.read_text(encoding="utf-8")),
    }


def _emit(told: dict[str, Any]) -> None:
    print(msgspec.json.encode(told).decode(), flush=True)
