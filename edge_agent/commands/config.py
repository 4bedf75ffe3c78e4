"""`python -m edge_agent config`: what may stand in agent.toml, and what stands in one; JSON.

For people `pilewise config` writes pages of it. Exit codes: 0 done, 3 mistakes in the file.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import msgspec

from edge_agent.commands.speaking import CONFIG, OK, say
from edge_agent.config import STATE_DIR, AgentFile
from edge_agent.config_environment import PREFIX
from edge_agent.config_file import load_config
from edge_agent.core.facts import CONNECTOR_STANDARDS
from edge_agent.errors import ConfigError
from edge_agent.profiles import Shelf
from pilewise.wrong_words import WordParser

WORDS: Final = Path(__file__).resolve().parents[1] / "config_words.toml"


def main(arguments: list[str]) -> int:
    """The exit code of the command with these arguments."""
    parser = WordParser(prog="python -m edge_agent config", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("schema", help="every key: type, bounds, default, meaning")
    read = commands.add_parser("read", help="what a file says, with the line of each key")
    read.add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "schema":
        _emit(schema())
        return OK
    told = read_file(options.file)
    for problem in told["problems"]:
        say(problem["told"])
    _emit(told)
    return OK if told["ok"] else CONFIG


def schema() -> dict[str, Any]:
    """Keys, what each is for, and the names that some of them take."""
    names = {"connector": list(CONNECTOR_STANDARDS), "profile": list(Shelf().names)}
    return {
        "room": "agent",
        "prefix": PREFIX,
        "schema": msgspec.json.schema(AgentFile),
        "names": names,
        **tomllib.loads(WORDS.read_text(encoding="utf-8")),
    }


def read_file(path: Path) -> dict[str, Any]:
    """The tables of a file, with their lines and the variables before them; or its mistakes."""
    state_dir = Path(os.environ.get("STATE_DIRECTORY") or STATE_DIR)
    try:
        config = load_config(path, state_dir, os.environ)
    except ConfigError as error:
        problems = [asdict(one) | {"told": str(one)} for one in error.problems]
        return {"ok": False, "problems": problems}
    source = config.source
    return {
        "ok": True,
        "problems": [],
        "tables": source.tables,
        "lines": source.lines,
        "environment": source.environment,
    }


def _emit(told: dict[str, Any]) -> None:
    print(msgspec.json.encode(told).decode(), flush=True)
