"""How much the command says: `-v` and `-q` on every command of the tree.

What is said stands with the commands; how it is printed in `output.py`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any

import typer


class Loudness(IntEnum):
    """Results and errors are told always."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


_now = Loudness.NORMAL


def loudness() -> Loudness:
    """How much is said in this run."""
    return _now


def log_level(told: str | None) -> str:
    """The log level of a room that is run: the one told, else what `-v` or `-q` asks for."""
    usual = {Loudness.QUIET: "warning", Loudness.NORMAL: "info", Loudness.VERBOSE: "debug"}
    return told or usual[_now]


def equip(command: Any) -> None:
    """Gives `-v` and `-q` to a command and to all below it."""
    # Parameters that typer itself made fit whichever click it brings along.
    command.params += [one for one in _made().params if one.name in ("verbose", "quiet")]
    for inner in getattr(command, "commands", {}).values():
        equip(inner)


def _made() -> Any:
    bearer = typer.Typer(add_completion=False)
    bearer.command()(_options)
    return typer.main.get_command(bearer)


def _set(level: Loudness, wanted: bool) -> None:
    global _now
    if wanted:
        _now = level


def _louder(wanted: bool) -> None:
    _set(Loudness.VERBOSE, wanted)


def _softer(wanted: bool) -> None:
    _set(Loudness.QUIET, wanted)


def _options(
    verbose: Annotated[
        bool,
        typer.Option("-v", "--verbose", help="Says more.", callback=_louder, expose_value=False),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "-q", "--quiet", help="Results and errors only.", callback=_softer, expose_value=False
        ),
    ] = False,
) -> None:
    pass
