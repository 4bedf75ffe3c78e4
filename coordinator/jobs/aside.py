"""Long pure work beside the event loop, for which nobody waits when the process ends.

`asyncio.to_thread` is waited for at the end of the loop; a whole city's map takes many seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T]) -> T:
    """What `work` gives, from a thread of its own; its error is raised here.

    Cancelled, the thread goes on by itself until it is done or the process ends: it must change
    nothing that outlives it.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(finish: Callable[[], None]) -> None:
        if not future.cancelled():
            finish()

    def run() -> None:
        finish: Callable[[], None]
        try:
            finish = partial(future.set_result, work())
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            finish = partial(future.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, finish)

    threading.Thread(target=run, name="coordinator:aside", daemon=True).start()
    return await future
