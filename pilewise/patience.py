"""A sign of life on a terminal while something takes longer than two seconds.

Where the number of steps is known a bar says more; see `city_sim/progress.py`.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_S = 2.0
TOLD_S = 0.5
# In the environment of a room that a command with -q became: the room has no such option itself.
QUIET = "PILEWISE_QUIET"


def hushed() -> bool:
    """Whether only results and errors are wanted of this process."""
    return bool(os.environ.get(QUIET))


@contextmanager
def waiting(
    text: str, patience_s: float = PATIENCE_S, plain: bool = False
) -> Iterator[Callable[[str], None]]:
    """Shows `text` and the seconds gone by while the block runs, once patience is over.

    Gives what changes the text. Nothing is shown where stderr is no terminal, or `hushed`.
    `plain` is for processes that are too small for rich: one line, written over.
    """
    said = [text]
    if hushed() or not sys.stderr.isatty():
        yield lambda now: said.__setitem__(0, now)
        return
    done, show = threading.Event(), _written_over if plain else _spinning
    shower = threading.Thread(target=show, args=(said, patience_s, done), daemon=True)
    shower.start()
    try:
        yield lambda now: said.__setitem__(0, now)
    finally:
        done.set()
        shower.join()


def _spinning(said: list[str], patience_s: float, done: threading.Event) -> None:
    began_s = time.monotonic()
    if done.wait(patience_s):
        return
    # Loaded by whoever waits at a terminal only.
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True, highlight=False).status("") as status:
        while True:
            status.update(Text(_line(said, began_s)))
            if done.wait(TOLD_S):
                return


def _written_over(said: list[str], patience_s: float, done: threading.Event) -> None:
    began_s, out = time.monotonic(), sys.stderr
    if done.wait(patience_s):
        return
    while True:
        out.write(f"\r{_line(said, began_s)}\x1b[K")
        out.flush()
        if done.wait(TOLD_S):
            break
    out.write("\r\x1b[K")
    out.flush()


def _line(said: list[str], began_s: float) -> str:
    return f"{said[0]} ({time.monotonic() - began_s:.0f} s)"
