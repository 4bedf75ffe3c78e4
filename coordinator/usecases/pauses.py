"""Long work on the event loop takes turns: after so much time, whoever waits is let in.

Nothing is decided here; what was true before a pause may have changed after it.
"""

from __future__ import annotations

import asyncio
import time

TURN_S = 0.002  # that work may keep the loop; a request waits about as long


class Pauses:
    """Pauses in one piece of work; a turn begins when it is made."""

    def __init__(self, turn_s: float = TURN_S) -> None:
        self._turn_s = turn_s
        self._began_s = time.perf_counter()

    @property
    def left_s(self) -> float:
        """What is left of this turn."""
        return self._turn_s - (time.perf_counter() - self._began_s)

    async def take(self, need_s: float = 0.0) -> None:
        """Lets others in if less than this is left of the turn; then a new turn begins."""
        if self.left_s <= need_s:
            await asyncio.sleep(0)
            self._began_s = time.perf_counter()
