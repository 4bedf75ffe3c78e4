"""What sensors said and nobody has taken yet: the newest word of each topic, no faster than asked.

A flood costs no memory: there is one place a topic, and topics are those of known bays and piles.
What a topic means belongs to `payloads.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """A queue in which a newer word of a topic takes the place of the older one.

    `interval_s` gives the seconds between two words of a topic. `superseded` counts the words that
    gave way to newer ones.
    """

    def __init__(self, interval_s: Callable[[str], float]) -> None:
        self._interval_s = interval_s
        self._waiting: dict[str, T] = {}
        self._taken_s: dict[str, float] = {}
        self._news = asyncio.Event()
        self.superseded = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, topic: str, word: T) -> None:
        """Takes a word; never waits."""
        if topic in self._waiting:
            self.superseded += 1
        self._waiting[topic] = word
        self._news.set()

    async def get(self) -> T:
        """The next word that is due."""
        loop = asyncio.get_running_loop()
        while True:
            topic, pause_s = self._next(loop.time())
            if topic is not None and pause_s <= 0:
                self._taken_s[topic] = loop.time()
                return self._waiting.pop(topic)
            self._news.clear()
            try:
                async with asyncio.timeout(pause_s if topic is not None else None):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _next(self, now_s: float) -> tuple[str | None, float]:
        """The topic that is due first, and the seconds until then."""
        soonest: tuple[str | None, float] = (None, 0.0)
        for topic in self._waiting:
            before_s = self._taken_s.get(topic)
            pause_s = 0.0 if before_s is None else before_s + self._interval_s(topic) - now_s
            if pause_s <= 0:
                return topic, 0.0
            if soonest[0] is None or pause_s < soonest[1]:
                soonest = topic, pause_s
        return soonest
