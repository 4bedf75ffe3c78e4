"""The two times of a process: domain time (windows, observations) and link time (time-outs).

domain = epoch + (monotonic - anchor) x speed; without a section, and at speed 1, domain time is
system UTC. Link time is the host's monotonic clock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Domain and link time; `anchor_s` is read from the host's monotonic clock."""

    epoch_at_ms: int = 0
    anchor_s: float = 0.0
    speed: float = 1.0

    def now_s(self) -> float:
        """Domain time, seconds since 1970 UTC."""
        if self.speed == 1.0:
            return time.time()
        return self.epoch_at_ms / 1000 + (time.monotonic() - self.anchor_s) * self.speed

    def link_s(self) -> float:
        """Link time, seconds; only differences mean anything."""
        return time.monotonic()

    def system_s(self) -> float:
        """System time, seconds since 1970 UTC; for stamps of receipt."""
        return time.time()

    def agrees_with(self, other: Clock) -> bool:
        """Whether both tell the same domain time; at speed 1 everybody follows UTC."""
        if self.speed == 1.0 or other.speed == 1.0:
            return self.speed == other.speed
        return (
            self.speed == other.speed
            and abs(self.epoch_at_ms - other.epoch_at_ms) <= 1
            and abs(self.anchor_s - other.anchor_s) <= 0.001
        )

    def __str__(self) -> str:
        if self.speed == 1.0:
            return "UTC"
        return f"{self.epoch_at_ms} ms at {self.anchor_s:.3f} s, speed {self.speed:g}"
