"""Calls for one thing that come while it is being made: they wait for it, and get the same.

What was made before is looked up by whoever makes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class AskedTwice(Generic[T]):
    """What is being made, by its name; used by one event loop."""

    def __init__(self) -> None:
        # None: whoever made it has gone.
        self._making: dict[str, asyncio.Future[T | None]] = {}

    async def made(self, name: str) -> T | None:
        """What somebody else is making, once it is there; None if nobody does, so make it.

        Raises what the other one raised, unless its own caller hung up: that is no answer here.
        """
        while (waiting := self._making.get(name)) is not None:
            thing = await asyncio.shield(waiting)
            if thing is not None:
                return thing
        return None

    @contextmanager
    def making(self, name: str) -> Iterator[asyncio.Future[T | None]]:
        """While a thing is made; the result goes into what is given."""
        future: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        self._making[name] = future
        try:
            yield future
        except asyncio.CancelledError:
            future.set_result(None)
            raise
        except BaseException as error:
            future.set_exception(error)
            future.exception()  # nobody else may be waiting for it
            raise
        finally:
            del self._making[name]
