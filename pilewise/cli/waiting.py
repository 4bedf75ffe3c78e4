"""A sign of life on a terminal while something takes longer than two seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pilewise.cli.loudness import Loudness, loudness
from pilewise.cli.output import console

PATIENCE_S = 2.0


@contextmanager
def waiting(text: str, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Shows `text` and the seconds gone by while the block runs, once patience is over.

    Nothing is shown where stderr is no terminal, or with `-q`.
    """
    if not console.is_terminal or loudness() is Loudness.QUIET:
        yield
        return
    done = threading.Event()
    shower = threading.Thread(target=_show, args=(text, patience_s, done), daemon=True)
    shower.start()
    try:
        yield
    finally:
        done.set()
        shower.join()


def _show(text: str, patience_s: float, done: threading.Event) -> None:
    began = time.monotonic()
    if done.wait(patience_s):
        return
    with console.status(text) as status:
        while not done.wait(0.5):
            status.update(f"{text} ({time.monotonic() - began:.0f} s)")
