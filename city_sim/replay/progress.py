"""Says on stderr how far a long run is; short ones say nothing."""

from __future__ import annotations

import sys
import time
from types import TracebackType

QUIET_S = 2.0  # who is done by then has nothing to say
EVERY_S = 2.0  # on a terminal, one line written over
LOG_EVERY_S = 15.0  # elsewhere, each time a new line


class Progress:
    """Called with how many of how many are done."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._begun_s = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._next_s = self._begun_s + QUIET_S
        self._open = False

    def __call__(self, done: int, count: int) -> None:
        """Says it, if it is time."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + (EVERY_S if self._terminal else LOG_EVERY_S)
        text = f"{self._what}: {done} of {count}, {now_s - self._begun_s:.0f} s"
        sys.stderr.write(f"\r{text}\x1b[K" if self._terminal else f"{text}\n")
        sys.stderr.flush()
        self._open = self._terminal

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._open:
            sys.stderr.write("\n")
