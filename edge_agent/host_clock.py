"""The only place that reads clocks for the agent: link time, system UTC and domain time."""

from __future__ import annotations

import time

from edge_agent.core.clock import DomainClock


class HostClock:
    """This host's clocks, and domain time made of them."""

    def __init__(self, domain: DomainClock | None = None) -> None:
        self.domain = domain or DomainClock(self.utc_ms(), self.now_s(), 1.0)
        self._begun_s, self._begun_ms = self.now_s(), self.now_ms()

    def now_s(self) -> float:
        """Link time: seconds of the monotonic clock."""
        return time.monotonic()

    def utc_ms(self) -> int:
        """System UTC, milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def now_ms(self) -> int:
        """Domain time, milliseconds since 1970 UTC."""
        return self.domain.at_ms(self.now_s(), self.utc_ms())

    def steady_ms(self) -> int:
        """Domain time as it goes on from the start, whatever becomes of the system clock.

        For what ends after so many seconds: holds must not end because somebody set the clock.
        """
        gone_s = (self.now_s() - self._begun_s) * self.domain.speed
        return self._begun_ms + round(gone_s * 1000.0)
