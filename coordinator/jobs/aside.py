"""Long pure work beside the event loop, for which nobody waits when the process ends.

`asyncio.to_thread` is waited for at the end of the loop; a whole city's map takes many seconds.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T]) -> T:
    """What `work` gives, from a thread of its own; its error is raised here.

    Cancelled, the thread goes on by itself until it is done or the process ends: it must change
    nothing that outlives it.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(made: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(made)  # type: ignore[arg-type]  # T may be None itself

    def run() -> None:
        made, error = None, None
        try:
            made = work()
        except BaseException as raised:  # noqa: BLE001 - raised again where it is awaited
            error = raised
        try:
            loop.call_soon_threadsafe(settle, made, error)
        except RuntimeError:
            return  # the loop has ended meanwhile

    threading.Thread(target=run, name="coordinator:aside", daemon=True).start()
    return await future
