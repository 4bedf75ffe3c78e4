"""Lets a status settle before it is told: one that lasts too short is never heard of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Settling:
    """Calls `due` with the name of what changed, once it has been still long enough."""

    def __init__(self, due: Callable[[str], None]) -> None:
        self._due = due
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def changed(self, name: str, least_s: float) -> None:
        """Notes a change; it is due after `least_s` real seconds without another."""
        if (timer := self._timers.pop(name, None)) is not None:
            timer.cancel()
        if least_s <= 0:
            self._due(name)
            return
        loop = asyncio.get_running_loop()
        self._timers[name] = loop.call_later(least_s, self._due, name)
