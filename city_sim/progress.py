"""How far a long computation is, on stderr: a bar on a terminal, a line now and then elsewhere.

Where the number of steps is not known, `pilewise/patience.py` has a sign of life.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Left

from pilewise.patience import hushed

AFTER_S = 2.0  # nothing is shown of what is over before
LINE_S = 30.0


class Watched:
    """Counts what is done of `total`; call `look` now and then while nothing is finished."""

    def __init__(
        self,
        what: str,
        total: int,
        out: TextIO | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._total, self._now_s = what, total, now_s
        self._out = out or sys.stderr
        self._begun_s, self._said_s = now_s(), float("-inf")
        self._done = 0
        self._bar: Progress | None = None

    def __enter__(self) -> Watched:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def done(self, count: int = 1) -> None:
        """So many more are finished."""
        self._done += count
        self.look()

    def look(self) -> None:
        """Shows how far it is, once it takes long."""
        now_s = self._now_s()
        if now_s - self._begun_s < AFTER_S or hushed():
            return
        if self._out.isatty():
            self._show()
        elif now_s - self._said_s >= LINE_S:
            self._said_s = now_s
            passed_s = now_s - self._begun_s
            self._out.write(f"{self._done}/{self._total} {self._what}, {passed_s:.0f} s\n")
            self._out.flush()

    def _show(self) -> None:
        if self._bar is None:
            columns = (
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                TimeElapsedColumn(), Left(),
            )  # fmt: skip
            self._bar = Progress(*columns, console=Console(file=self._out), transient=True)
            self._bar.add_task(self._what, total=self._total)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=self._done)
