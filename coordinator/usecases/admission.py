"""Which requests are answered when more come than can be: those that can wait are refused first.

A request is counted from its arrival to its answer. How long a new one would wait follows from how
many are counted and how fast they were answered of late. What a district's levels are is decided in
`core/recommend/warning.py`; here only what costs no look at the piles counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.recommend.warning import is_vip
from coordinator.core.usual import user_of
from coordinator.core.vehicle import ChargingRequest, WarningLevel
from coordinator.errors import Overloaded
from coordinator.usecases.counters import Counters
from coordinator.usecases.refusals import WaitTooLong

AT_EASE = 64  # under way: nobody is refused below this
RATE_OVER_S = 1.0  # answers are counted over so long


@dataclass(frozen=True, slots=True)
class Bounds:
    """Until when requests of a level are taken."""

    under_way: int
    wait_s: float


# Lower levels give up early, so that what is left is for those who cannot wait.
BOUNDS = {
    WarningLevel.LOW: Bounds(500, 1.0),
    WarningLevel.MEDIUM: Bounds(1_000, 2.5),
    WarningLevel.HIGH: Bounds(2_000, 6.0),
}
HIGH_SOC_PCT, MEDIUM_SOC_PCT = 15.0, 40.0  # as the paper has it; the rest of a level costs a look


class Admission:
    """Counts the requests under way; used by the event loop only."""

    def __init__(
        self,
        counters: Counters,
        district: District,
        clock: Clock,
        bounds: Mapping[WarningLevel, Bounds] = BOUNDS,
    ) -> None:
        self.bounds = bounds
        self._counters = counters
        self._district = district
        self._clock = clock
        self._begun_s = self._idle_since_s = clock.link_s()
        self._answered = 0
        self._rate: float | None = None  # answers a second, of the last whole spell
        self.under_way = 0
        counters.gauge("requests_under_way", lambda: self.under_way)
        counters.gauge("request_wait_s", self.wait_s)

    def wait_s(self) -> float:
        """How long a request that comes now would wait; 0 while nothing is known."""
        spell_s = self._clock.link_s() - self._begun_s
        rate = self._rate
        if spell_s >= RATE_OVER_S:
            rate = self._answered / spell_s
        if rate is None:
            return 0.0
        return self.under_way / max(rate, 0.5)

    @contextmanager
    def enter(self, request: ChargingRequest) -> Iterator[None]:
        """Counts a request while it is answered; raises `Overloaded` if it must wait outside."""
        if self.under_way >= AT_EASE or self.under_way >= self.bounds[WarningLevel.LOW].under_way:
            self._judge(self._level(request))
        if not self.under_way:
            # Time in which nobody asked says nothing of how fast answers come.
            self._begun_s += self._clock.link_s() - self._idle_since_s
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1
            self._count()
            self._idle_since_s = self._clock.link_s()

    def _level(self, request: ChargingRequest) -> WarningLevel:
        user = user_of(self._district, request.user_id, request.vehicle_id)
        return WarningLevel.HIGH if is_vip(user, self._clock.now_s()) else urgency(request)

    def _judge(self, level: WarningLevel) -> None:
        bounds, wait_s = self.bounds[level], self.wait_s()
        if self.under_way < bounds.under_way and wait_s < bounds.wait_s:
            return
        self._counters.add("requests_shed")
        self._counters.add(f"requests_shed_{level.name.lower()}")
        # Those who can wait come back later, and not all at once when it is over.
        again_s = max(1.0, wait_s) * int(level)
        if self.under_way >= bounds.under_way:
            raise Overloaded("requests", self.under_way, bounds.under_way, again_s)
        raise WaitTooLong(wait_s, bounds.wait_s, again_s)

    def _count(self) -> None:
        now_s = self._clock.link_s()
        self._answered += 1
        spell_s = now_s - self._begun_s
        if spell_s >= RATE_OVER_S:
            # A pause says nothing of how fast answers come.
            self._rate = self._answered / spell_s if spell_s < 2 * RATE_OVER_S else self._rate
            self._answered, self._begun_s = 0, now_s


def urgency(request: ChargingRequest) -> WarningLevel:
    """The level that the request itself shows.

    >>> from coordinator.core.vehicle import Vehicle
    >>> [urgency(ChargingRequest("r", "c", Vehicle(60.0), soc, 22.5, 114.0)).name
    ...  for soc in (10.0, 30.0, 70.0)]
    ['HIGH', 'MEDIUM', 'LOW']
    """
    if request.soc_pct < HIGH_SOC_PCT:
        return WarningLevel.HIGH
    return WarningLevel.MEDIUM if request.soc_pct < MEDIUM_SOC_PCT else WarningLevel.LOW
