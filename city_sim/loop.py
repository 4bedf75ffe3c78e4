"""The city's time for the coordinator's parts: a loop that waits for nobody, the engine's clock.

What the parts decide is in `product.py`.
"""

from __future__ import annotations

import asyncio

from city_sim.engine import Engine
from coordinator.clock import Clock


class CityLoop(asyncio.SelectorEventLoop):
    """A loop for which a second passes between two requests, so that none waits for another."""

    skipped_s = 0.0

    def time(self) -> float:
        """Seconds, with those that were skipped."""
        return super().time() + self.skipped_s


class CityClock(Clock):
    """The engine's time, for all that the coordinator takes from a clock."""

    engine: Engine

    def now_s(self) -> float:
        """Domain time."""
        return float(self.engine.now_s)

    def link_s(self) -> float:
        """Link time: the city's own, because nothing else passes."""
        return float(self.engine.now_s)
