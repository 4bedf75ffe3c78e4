"""Keeps the surroundings: what is told comes in, what cars and agents see is made of it.

What a value means for a drive is in `core/recommend/way.py`. What is told is durable first; what is
seen is seen again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.geo import great_circle_km
from coordinator.core.recommend.way import grade_of
from coordinator.core.roads import DETOUR_FACTOR, FREE_SPEED_KMH
from coordinator.core.rows import Rows
from coordinator.core.surroundings import AGENT, GUIDE, ContextValue, Surroundings, cell_at
from coordinator.usecases.telemetry import TelemetryStore

log = structlog.get_logger()

SPEED_TTL_S = 900.0  # traffic seen by cars stands so long, domain time
SPEEDS_WANTED = 3  # reports of a cell within that time before they are believed
MOVED_KM = 0.05  # a car that moved less stands, and says nothing of the traffic
BETWEEN_S = (5.0, 300.0)  # between the fixes from which a speed is made, domain time
WEIGHT = 0.3  # of the newest speed in the mean of its cell
SEEN_TTL_S = 3_600.0
PEOPLE_STAY_S = 300.0  # people seen at once pass by within this time: flow = count / stay
PRUNE_S = 60.0


@dataclass(slots=True)
class _Speeds:
    """Speeds over free speed that cars had in a cell."""

    share: float
    count: int
    at_s: float


class SurroundingsKeeper:
    """Takes values of the surroundings from everybody who has any."""

    def __init__(
        self,
        surroundings: Surroundings,
        district: District,
        clock: Clock,
        store: TelemetryStore | None = None,
    ) -> None:
        self.surroundings = surroundings
        self._district = district
        self._clock = clock
        self._store = store
        # Speed without traffic at a place, km/h.
        self.free_kmh_at: Callable[[tuple[float, float]], float] = lambda place: FREE_SPEED_KMH
        self._speeds: dict[int, _Speeds] = {}
        self._pruned_at_s = float("-inf")

    async def put(self, values: Sequence[ContextValue]) -> None:
        """Takes values that somebody told; checked already."""
        now_s = self._clock.now_s()
        if self._store is not None:
            await self._store.put_context(values, now_s)
        self.surroundings.put(values, now_s)
        self._prune(now_s)

    def moved(
        self,
        before: tuple[float, float],
        here: tuple[float, float],
        passed_s: float,
        speed_kmh: float | None = None,
    ) -> None:
        """Takes two fixes of a car under way; its own word on its speed counts before them."""
        if not BETWEEN_S[0] <= passed_s <= BETWEEN_S[1]:
            return
        straight_km = great_circle_km(before, here)
        if straight_km < MOVED_KM:
            return
        made_kmh = straight_km * DETOUR_FACTOR / passed_s * 3_600.0
        if speed_kmh is None:  # a mean over the way, like what it is measured by
            free_kmh = (self.free_kmh_at(before) + self.free_kmh_at(here)) / 2.0
            self._sped(here, made_kmh, free_kmh)
        else:
            self._sped(here, speed_kmh, self.free_kmh_at(here))

    def _sped(self, here: tuple[float, float], speed_kmh: float, free_kmh: float) -> None:
        now_s, cell = self._clock.now_s(), cell_at(*here)
        share = min(speed_kmh / free_kmh, 1.0)
        known = self._speeds.get(cell)
        if known is None or now_s - known.at_s > SPEED_TTL_S:
            known = self._speeds[cell] = _Speeds(share, 0, now_s)
        known.share += WEIGHT * (share - known.share)
        known.count, known.at_s = known.count + 1, now_s
        if known.count >= SPEEDS_WANTED:
            grade = grade_of(known.share)
            seen = ContextValue(cell, "traffic_grade", grade, GUIDE, now_s, SPEED_TTL_S)
            self.surroundings.put([seen], now_s)
        self._prune(now_s)

    def on_rows(self, rows: Rows) -> None:
        """Takes what agents saw around their piles: people, and how warm it is."""
        now_s, made = self._clock.now_s(), {}
        for name, seen in rows.around.items():
            for row, value in seen.items():
                station = int(self._district.station[int(rows.evse[row])])
                place = self._district.stations[station]
                cell = cell_at(place.latitude_deg, place.longitude_deg)
                if name == "people_count":
                    kind, value = "people_flow_per_h", value * 3_600.0 / PEOPLE_STAY_S
                else:
                    kind = "temperature_c"
                at_s = float(rows.observed_at_s[row])
                made[kind, cell] = ContextValue(cell, kind, value, AGENT, at_s, SEEN_TTL_S)
        if made:
            standing = [value for value in made.values() if value.stands(now_s)]
            self.surroundings.put(standing, now_s)

    def _prune(self, now_s: float) -> None:
        if now_s - self._pruned_at_s < PRUNE_S:
            return
        self._pruned_at_s = now_s
        self.surroundings.prune(now_s)
        old = [cell for cell, seen in self._speeds.items() if now_s - seen.at_s > SPEED_TTL_S]
        for cell in old:
            del self._speeds[cell]
