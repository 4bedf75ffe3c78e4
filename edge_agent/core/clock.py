"""Domain time from the host's clocks; reading those clocks belongs to `edge_agent.host_clock`.

Domain time = epoch + (monotonic - anchor) x speed. At speed 1 stamps are system UTC.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DomainClock:
    """Where domain time stands and how fast it runs.

    `epoch_at_ms` milliseconds since 1970 UTC at `anchor_s` seconds of the host's monotonic clock;
    `speed` domain seconds per real second.
    """

    epoch_at_ms: int
    anchor_s: float
    speed: float = 1.0

    def at_ms(self, monotonic_s: float, utc_ms: int) -> int:
        """Domain instant, in milliseconds since 1970 UTC.

        >>> DomainClock(1_000_000, 50.0, 60.0).at_ms(52.0, 0)
        1120000
        >>> DomainClock(1_000_000, 50.0).at_ms(52.0, 7)
        7
        """
        if self.speed == 1.0:
            return utc_ms
        return self.epoch_at_ms + round((monotonic_s - self.anchor_s) * 1000.0 * self.speed)


def same_time(
    ours: DomainClock, theirs: DomainClock, monotonic_s: float, *, tolerance_s: float = 5.0
) -> bool:
    """True where both clocks stamp this moment alike.

    At speed 1 both are system UTC, whose skew is measured elsewhere, not refused. `tolerance_s`
    is in domain seconds per unit of speed, because an anchor read one real second late is off by
    `speed` domain seconds.
    """
    if ours.speed != theirs.speed:
        return False
    if ours.speed == 1.0:
        return True
    difference_ms = abs(ours.at_ms(monotonic_s, 0) - theirs.at_ms(monotonic_s, 0))
    return difference_ms <= tolerance_s * 1000.0 * ours.speed


def jumped_s(before_ms: int, now_ms: int, passed_s: float, *, tolerance_s: float = 2.0) -> float:
    """Seconds by which system UTC left the monotonic clock meanwhile; 0 within the tolerance.

    >>> jumped_s(1_000, 3_601_250, 0.25), jumped_s(1_000, 1_300, 0.25)
    (3600.0, 0.0)
    """
    away_s = (now_ms - before_ms) / 1000.0 - passed_s
    return away_s if abs(away_s) > tolerance_s else 0.0
