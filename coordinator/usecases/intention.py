"""Detects a car's charging intention from what it holds, where it is, and what it used to do.

The rules are in `core/recommend/intention.py`; the history is made of sessions as they begin and
end, and what others can expect of it is in `fleet.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import structlog

from coordinator.clock import Clock
from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import ClaimState
from coordinator.core.district import District
from coordinator.core.recommend.intention import (
    Intention,
    Sighting,
    fresh,
    from_fixes,
    most_probable,
    probabilities,
    with_detected,
)
from coordinator.core.recommend.intention_history import IntentionHistory
from coordinator.core.recommend.layout import layout_of
from coordinator.core.sessions import ChargeSession
from coordinator.usecases.fleet import Fleet

log = structlog.get_logger()

STATIONS_AROUND = 8
REFRESH_S = 60.0  # link time
PRUNE_EVERY = 60  # refreshes

Place = tuple[float, float]
Chances = tuple[float, float, float]
HISTORY, POSITION = "HISTORY", "POSITION"
_FIRST_DAY = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Detected:
    """The intention, P(S1), P(S2), P(S3), what decided, the days that were counted, and where."""

    intention: Intention
    chances: Chances
    source: str
    days: int  # of this driver at this half-hour; 0 where the district's own stood in
    here: Place | None = None  # the newest fresh position


class Intentions:
    """The use case behind DetectIntention, and the minute's look at everybody."""

    def __init__(self, district: District, table: ClaimTable, fleet: Fleet, clock: Clock) -> None:
        self.fleet = fleet
        self.history = IntentionHistory()
        self.utc_offset_h: float | None = None
        self._district = district
        self._table = table
        self._clock = clock

    def keep_holidays(self, days: Iterable[date]) -> None:
        """Takes the local days that count as weekends."""
        self.history.holidays = frozenset((day - _FIRST_DAY).days for day in days)

    def on_session(self, session: ChargeSession) -> None:
        """Takes a session that began, was named, or ended."""
        driver = session.user_id or session.vehicle_id
        now_s = self._clock.now_s()
        if not driver or session.started_at_s > now_s:
            return
        if not len(self.history):
            self.history.utc_offset_h = self.offset_h()
        until_s = now_s if session.ended_at_s is None else session.ended_at_s
        self.history.learn(driver, session.started_at_s, until_s, session.promised_at_s)

    def offset_h(self) -> float:
        """Local time of the district, by its middle unless it is set."""
        if self.utc_offset_h is not None or not len(self._district):
            return self.utc_offset_h or 0.0
        return float(round(float(np.mean(self._district.station_lon_deg)) / 15.0))

    def detect(
        self, user_id: str, vehicle_id: str, fixes: Sequence[Sighting], soc_pct: float | None
    ) -> Detected:
        """The intention of a car now. Source: paper 2.1, Eq. (1), (2).

        What it holds and where it is override what it used to do, and the probabilities say so. A
        driver without history is taken for one of the district: its counts of this half-hour, over
        all drivers, stand in.
        """
        recent = fresh(fixes, self._clock.now_s())
        here = recent[-1].place if recent else None
        days = self._days(user_id, vehicle_id)
        chances = probabilities(*(days or self.history.district_days(self._clock.now_s())))
        counted = sum(days) if days else 0
        intention = self._by_position(vehicle_id, recent, soc_pct)
        if intention is not None:
            chances = with_detected(chances, intention)
            return Detected(intention, chances, POSITION, counted, here)
        return Detected(most_probable(chances), chances, HISTORY, counted, here)

    def follow(
        self, user_id: str, vehicle_id: str, fixes: Sequence[Sighting], soc_pct: float | None
    ) -> Detected:
        """The same, and others reckon with the car from now on: it may be on its way unasked."""
        found = self.detect(user_id, vehicle_id, fixes, soc_pct)
        if found.here is not None:
            seen = found.intention if found.source == POSITION else None
            driver = user_id if self._days(user_id, "") else vehicle_id
            self.fleet.seen(vehicle_id, driver, found.here, self._clock.link_s(), seen)
        return found

    def _days(self, user_id: str, vehicle_id: str) -> tuple[int, int, int] | None:
        """Counted days of the user, or else of the car."""
        now_s = self._clock.now_s()
        for driver in (user_id, vehicle_id):
            days = self.history.days(driver, now_s) if driver else None
            if days is not None:
                return days
        return None

    def _by_position(
        self, vehicle_id: str, fixes: Sequence[Sighting], soc_pct: float | None
    ) -> Intention | None:
        """What claims and fresh positions say; None if they say nothing."""
        claims = self._table.of_car(vehicle_id)
        if any(claim.state is ClaimState.OCCUPIED for claim in claims):
            return Intention.AT_PILE
        seen = from_fixes(fixes, self._around(fixes), soc_pct)
        if seen is None and any(claim.state is ClaimState.CONFIRMED for claim in claims):
            return Intention.ON_THE_WAY
        return seen

    def _around(self, fixes: Sequence[Sighting]) -> list[Place]:
        """The nearest stations, and their piles that stand elsewhere."""
        if not fixes:
            return []
        rows, _ = layout_of(self._district).places.nearest(*fixes[-1].place, STATIONS_AROUND)
        around: list[Place] = []
        for row in rows.tolist():
            station = self._district.stations[row]
            around.append((station.latitude_deg, station.longitude_deg))
            around += [
                (pile.latitude_deg, pile.longitude_deg)
                for pile in station.piles
                if pile.latitude_deg is not None and pile.longitude_deg is not None
            ]
        return around

    async def refresh(self) -> None:
        """Counts cars and expected arrivals anew."""
        await self.fleet.refresh(self.history, self._clock.now_s(), self._clock.link_s())

    async def run(self) -> None:
        """Refreshes by the minute, until cancelled."""
        rounds = 0
        while True:
            await asyncio.sleep(REFRESH_S)
            rounds += 1
            if rounds % PRUNE_EVERY == 0:
                self.history.prune(self._clock.now_s())
            try:
                await self.refresh()
            except Exception as error:
                log.error("expected arrivals not counted", exc_info=error)
