"""The common clock of a simulated district: domain = epoch + (monotonic - anchor) * speed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

LOCAL = timezone(timedelta(hours=8))  # of the made-up city, as in its tariff


@dataclass(frozen=True, slots=True)
class SimClock:
    """Domain time for every process of one host; instants in seconds since 1970."""

    epoch_at_ms: int
    anchor_s: float
    speed: float

    @classmethod
    def starting_at(cls, epoch_at_s: float, speed: float) -> SimClock:
        """A clock that shows `epoch_at_s` now and then runs `speed` times as fast as the host's."""
        return cls(int(epoch_at_s * 1000), time.monotonic(), speed)

    def now_s(self) -> float:
        """Domain time now."""
        return self.epoch_at_ms / 1000 + (time.monotonic() - self.anchor_s) * self.speed

    async def until(self, at_s: float) -> None:
        """Returns at a domain instant, at once if it has passed."""
        await asyncio.sleep(max(0.0, (at_s - self.now_s()) / self.speed))

    def text(self, at_s: float | None = None) -> str:
        """A domain instant as HH:MM:SS, now by default."""
        instant_s = self.now_s() if at_s is None else at_s
        return f"{datetime.fromtimestamp(instant_s, LOCAL):%H:%M:%S}"

    def config(self) -> str:
        """The section that gives a room this clock, as TOML."""
        return (
            f"[clock]\nepoch_at_ms = {self.epoch_at_ms}\nanchor_s = {self.anchor_s!r}\n"
            f"speed = {self.speed!r}\n"
        )
