"""How the command speaks: people on stderr, one JSON object as the last line of stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NoReturn

import typer
from rich.console import Console

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
    """A line for people."""
    console.print(text, style=style, markup=False, soft_wrap=True)


def emit(result: Mapping[str, Any]) -> None:
    """The result for scripts: one compact object, the last line of stdout."""
    sys.stdout.write(json.dumps(result, ensure_ascii=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def fail(code: str, text: str, *, note: str = "", hint: str = "", exit_code: Exit) -> NoReturn:
    """Ends the command with an error that says what is wrong and what to do."""
    console.print(f"error[{code}]: {text}", style="red", markup=False, soft_wrap=True)
    if note:
        console.print(f"  = note: {note}", markup=False, soft_wrap=True)
    if hint:
        console.print(f"  hint: {hint}", style="cyan", markup=False, soft_wrap=True)
    raise typer.Exit(int(exit_code))
