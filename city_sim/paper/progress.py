"""A bar on stderr for whoever waits at a terminal; a run of two seconds shows none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PATIENCE_S = 2.0


@contextmanager
def bar(what: str, total: int, patience_s: float = PATIENCE_S) -> Iterator[Callable[[], None]]:
    """Gives what is called once for each of `total` that is done."""
    console = Console(stderr=True)
    shown = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    task = shown.add_task(what, total=total)
    began_s, started = time.monotonic(), False

    def tick() -> None:
        nonlocal started
        shown.advance(task)
        if not started and time.monotonic() - began_s > patience_s:
            shown.start()
            started = True

    try:
        yield tick
    finally:
        if started:
            shown.stop()
