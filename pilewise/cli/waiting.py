"""The sign of life of `pilewise/patience.py` for commands: silent with `-q`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pilewise import patience
from pilewise.cli.loudness import Loudness, loudness


@contextmanager
def waiting(text: str, patience_s: float = patience.PATIENCE_S) -> Iterator[Callable[[str], None]]:
    """Shows `text` and the seconds gone by while the block runs, once patience is over."""
    if loudness() is Loudness.QUIET:
        yield lambda now: None
        return
    with patience.waiting(text, patience_s) as change:
        yield change
