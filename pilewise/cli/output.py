"""How the command speaks: people on stderr, one JSON object as the last line of stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NoReturn

import typer
from rich.console import Console

from pilewise.cli.loudness import Loudness, loudness

console = Console(stderr=True, highlight=False)


class Exit(IntEnum):
    """Exit codes."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIG = 3
    UNREACHABLE = 4
    PARTIAL = 5


def say(text: str, style: str | None = None) -> None:
    """A line for people: what they asked for, or what they should know."""
    console.print(text, style=style, markup=False, soft_wrap=True)


def chat(text: str, style: str | None = None) -> None:
    """A line about how it goes; silent with `-q`."""
    if loudness() > Loudness.QUIET:
        say(text, style)


def detail(text: str) -> None:
    """A line for whoever wants to know more; told with `-v` only."""
    if loudness() is Loudness.VERBOSE:
        say(text, style="dim")


def emit(result: Mapping[str, Any]) -> None:
    """The result for scripts: one compact object, the last line of stdout."""
    # What the stream cannot encode travels as \\u escapes, which stay JSON.
    escaped = not (sys.stdout.encoding or "").lower().startswith("utf")
    sys.stdout.write(json.dumps(result, ensure_ascii=escaped, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def explain(code: str, text: str, *, note: str = "", hint: str = "") -> None:
    """Says what is wrong and what to do."""
    console.print(f"error[{code}]: {text}", style="red", markup=False, soft_wrap=True)
    if note:
        console.print(f"  = note: {note}", markup=False, soft_wrap=True)
    if hint:
        console.print(f"  hint: {hint}", style="cyan", markup=False, soft_wrap=True)
    detail(f"  more: pilewise explain {code}")


def fail(code: str, text: str, *, note: str = "", hint: str = "", exit_code: Exit) -> NoReturn:
    """Ends the command with an error that says what is wrong and what to do."""
    explain(code, text, note=note, hint=hint)
    raise typer.Exit(int(exit_code))
