"""One thread, one clock that only waiting moves: an asyncio loop in virtual time.

What threads would do is done on the loop (`inline.py`); who fails is decided in `world.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import selectors
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import uuid_utils

BEGIN_S = 1_000.0
# Noon UTC; leases and windows are counted from it.
EPOCH_S = 1_800_014_400.0
THREAD_S = 0.001  # what a piece of work on a thread takes


class Deadlock(Exception):
    """Nothing is due any more, and somebody still waits."""


class _Selector(selectors.SelectSelector):
    """Waits by moving the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.move: Callable[[float], None] = lambda seconds: None

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Deadlock("nothing is due any more")
        if timeout > 0:
            self.move(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while everybody waits."""

    def __init__(self) -> None:
        selector = _Selector()
        super().__init__(selector)
        self._now_s = BEGIN_S
        selector.move = self._move

    def time(self) -> float:
        """Virtual seconds."""
        return self._now_s

    def _move(self, seconds: float) -> None:
        self._now_s += seconds

    def _write_to_self(self) -> None:
        """Nobody has to be woken: there is no other thread."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """The work is done on the loop, a little later."""
        future = self.create_future()

        def run() -> None:
            if future.cancelled():
                return
            try:
                result = func(*args)
            except BaseException as error:  # noqa: BLE001 - handed to who waits
                future.set_exception(error)
            else:
                future.set_result(result)

        self.call_later(THREAD_S, run)
        return future


@contextlib.contextmanager
def virtual_time(seed: int) -> Iterator[VirtualLoop]:
    """A fresh loop; the process's clocks show its time, and ids are drawn from the seed."""
    loop, rng = VirtualLoop(), random.Random(seed)

    def drawn() -> uuid.UUID:
        # As of version 7: later ones sort after earlier ones.
        at_ms = int(loop.time() * 1000)
        return uuid.UUID(int=at_ms << 80 | 0x7 << 76 | rng.getrandbits(76) | 0x8 << 60)

    clocks = {
        "monotonic": loop.time,
        "perf_counter": loop.time,
        "monotonic_ns": lambda: int(loop.time() * 1e9),
        "time": lambda: EPOCH_S + loop.time(),
        "time_ns": lambda: int((EPOCH_S + loop.time()) * 1e9),
    }
    with contextlib.ExitStack() as stack:
        for name, shows in clocks.items():
            stack.enter_context(mock.patch.object(time, name, shows))
        stack.enter_context(mock.patch.object(uuid_utils, "uuid7", drawn))
        try:
            yield loop
        finally:
            asyncio.set_event_loop(None)
            loop.close()
