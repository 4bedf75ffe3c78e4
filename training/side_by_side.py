"""Parts that learn at the same time, each in a process of its own.

A part learns on one thread, so that its weights are the same on every machine; several cores are of
use only this way. What a part is made of stands in `everything.py`.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.queues import Queue
from typing import Any

from training.export import Exported

Tell = Callable[[str], None]
Trainer = Callable[[int, Any, Tell], Exported]


def train_each(
    trainers: Mapping[str, Trainer],
    names: Sequence[str],
    seed: int,
    effort: Any,
    tell: Tell,
    processes: int,
) -> list[tuple[Exported, float]]:
    """The parts in the order of `names`, each with its seconds; `tell` hears all of them.

    With one process they learn here, one after the other. The first error of a part is raised once
    those that had begun have ended.
    """
    if processes <= 1 or len(names) <= 1:
        return [_timed(trainers[name], seed, effort, tell) for name in names]
    context = multiprocessing.get_context("spawn")
    words: Queue[str | None] = context.Queue()
    listener = threading.Thread(target=_listen, args=(words, tell), daemon=True)
    listener.start()
    try:
        with ProcessPoolExecutor(
            min(processes, len(names)), context, initializer=_begin, initargs=(words,)
        ) as pool:
            made = [pool.submit(_apart, name, seed, effort) for name in names]
            return [future.result() for future in made]
    finally:
        words.put(None)
        listener.join()


def _timed(trainer: Trainer, seed: int, effort: Any, tell: Tell) -> tuple[Exported, float]:
    started_s = time.monotonic()
    made = trainer(seed, effort, tell)
    return made, round(time.monotonic() - started_s, 1)


def _listen(words: Queue[str | None], tell: Tell) -> None:
    while (text := words.get()) is not None:
        tell(text)


_words: list[Queue[str | None]] = []


def _begin(words: Queue[str | None]) -> None:
    """In a fresh process: settings of the library, and where to tell how it goes."""
    from training.everything import settle_torch

    settle_torch()
    _words.append(words)


def _apart(name: str, seed: int, effort: Any) -> tuple[Exported, float]:
    from training.everything import TRAINERS

    return _timed(TRAINERS[name], seed, effort, _words[-1].put)
