"""An event loop whose time passes only when nothing is left to do, so that hours take moments.

What runs on it is none of its business; there is no wall clock in it, so a run repeats exactly.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class StalledError(RuntimeError):
    """Everything waits and nothing is due: no time could ever end the wait."""


class _Selector(selectors.SelectSelector):
    """Never sleeps: what the loop would sleep is told to `pass_time` instead."""

    def __init__(self, pass_time: Callable[[float | None], None]) -> None:
        super().__init__()
        self._pass_time = pass_time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and (timeout is None or timeout > 0):
            self._pass_time(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its `time()` starts at 0 s and jumps to whatever is due next."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._idle: list[asyncio.Future[None]] = []
        super().__init__(_Selector(self._pass_time))

    def time(self) -> float:
        """Seconds of virtual time since the loop was made."""
        return self._now_s

    async def idle(self) -> None:
        """Returns when every other task waits for time to pass or for this one."""
        waiter = self.create_future()
        self._idle.append(waiter)
        await waiter

    def _pass_time(self, timeout_s: float | None) -> None:
        if self._idle:
            waiters, self._idle = self._idle, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        elif timeout_s is None:
            raise StalledError("every task waits and no timer is due")
        else:
            self._now_s += timeout_s


def run_virtual(make: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """What the coroutine gives, run to its end in virtual time; may be called from any loop."""
    if not _is_inside_a_loop():
        return _run(make)
    # A loop cannot run inside another one; a thread of its own has none.
    with ThreadPoolExecutor(1, thread_name_prefix="firmware_sim:scenario") as thread:
        return thread.submit(_run, make).result()


def _is_inside_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run(make: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(_begin(make, loop))


async def _begin(make: Callable[[VirtualLoop], Coroutine[Any, Any, T]], loop: VirtualLoop) -> T:
    return await make(loop)
