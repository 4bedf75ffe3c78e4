"""Hands the terminal over to a room: the command becomes `python -m room`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Annotated, Any, NoReturn

import typer

from pilewise.cli.loudness import Loudness, loudness
from pilewise.cli.output import Exit, fail
from pilewise.patience import QUIET
from pilewise.wrong_words import COMMAND

LEVELS = ("debug", "info", "warning", "error")


def _known_level(told: str | None) -> str | None:
    if told is not None and told not in LEVELS:
        raise typer.BadParameter(f"{told!r} is none of {', '.join(LEVELS)}")
    return told


LogLevel = Annotated[
    str | None,
    typer.Option(
        help=f"{', '.join(LEVELS)}; else info, or what -v and -q ask.", callback=_known_level
    ),
]
# A module that only the room's extra brings along, to tell a missing extra from a broken one.
NEEDS = {
    "edge_agent": ("agent", "pymodbus"),
    "coordinator": ("coordinator", "onnxruntime"),
    "firmware_sim": ("sim", "pymodbus"),
    "training": ("train", "torch"),
    "city_sim": ("all", "amqtt"),
}


_typed = ""


def remember(command: Any, words: Sequence[str]) -> None:
    """Keeps which command of the tree these words name: a room that complains says it so."""
    global _typed
    names = ["pilewise"]
    for word in words:
        if word.startswith("-"):
            continue
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        names.append(word)
    _typed = " ".join(names)


def require(room: str) -> None:
    """Ends the command with a hint where the room's extra is not installed."""
    extra, module = NEEDS[room]
    if find_spec(module) is None:
        fail(
            "ENV-001",
            f"{room} needs the extra {extra!r} (module {module} is not installed)",
            hint=f'pip install "pilewise[{extra}]"',
            exit_code=Exit.FAILED,
        )


def become(room: str, *args: str, needs: str | None = None) -> NoReturn:
    """Replaces this process by the room; its exit code becomes ours.

    `needs` names the room whose extra suffices, where that is less than the room's own.
    """
    require(needs or room)
    os.environ[COMMAND] = _typed
    if loudness() is Loudness.QUIET:
        os.environ[QUIET] = "1"
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", room, *args])
