"""The pile's own clock: domain time, which may run faster than the wall or by hand.

Protocol timing (heartbeats, time-outs, back-off) uses real time and does not pass through here.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Says what time it is for the piles."""

    def now_ms(self) -> int:
        """Domain time, milliseconds since 1970 UTC."""


class LiveClock:
    """Domain time = epoch + (monotonic - anchor) x speed."""

    def __init__(self, epoch_at_ms: int, anchor_s: float, speed: float) -> None:
        self._epoch_at_ms = epoch_at_ms
        self._anchor_s = anchor_s
        self.speed = speed

    @classmethod
    def system(cls) -> LiveClock:
        """A clock that shows the system's UTC."""
        return cls(time.time_ns() // 1_000_000, time.monotonic(), 1.0)

    def now_ms(self) -> int:
        """Domain time, milliseconds since 1970 UTC."""
        passed_s = (time.monotonic() - self._anchor_s) * self.speed
        return self._epoch_at_ms + int(passed_s * 1000)


class SteppedClock:
    """A clock that only moves when told to."""

    def __init__(self, epoch_at_ms: int) -> None:
        self._epoch_at_ms = epoch_at_ms
        self._passed_s = 0.0

    def now_ms(self) -> int:
        """Domain time, milliseconds since 1970 UTC."""
        return self._epoch_at_ms + round(self._passed_s * 1000)

    def move(self, duration_s: float) -> None:
        """Moves the clock on."""
        self._passed_s += duration_s


def utc_text(at_ms: int) -> str:
    """An instant as OCPP writes it, e.g. `2026-05-04T10:00:00.000Z`."""
    instant = datetime.fromtimestamp(at_ms / 1000, tz=UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
