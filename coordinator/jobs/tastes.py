"""Keeps what users would like where they never were: a snapshot made in a thread now and then.

Who is like whom is decided in `core/recommend/collaborative.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import structlog

from coordinator.core.district import District
from coordinator.core.ports import PortraitEncoder
from coordinator.core.recommend.collaborative import Stations, Tastes, learn_tastes
from coordinator.core.recommend.layout import layout_of
from coordinator.core.recommend.portrait import StatisticsEncoder
from coordinator.core.sessions import Visits
from coordinator.usecases.world import World

log = structlog.get_logger()

PERIOD_S = 60.0  # link time
COPIED_AT_ONCE = 500


class TasteKeeper:
    """Gives the world a new snapshot when somebody charged, or stations or users changed."""

    def __init__(
        self,
        district: District,
        visits: Visits,
        world: World,
        *,
        encoder: PortraitEncoder | None = None,
        period_s: float = PERIOD_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._district = district
        self._visits = visits
        self._world = world
        self._encoder = encoder or StatisticsEncoder()
        self._period_s = period_s
        self._sleep = sleep
        self._stale = True
        self._seen: tuple[object, int] = (None, -1)
        self._fallback = ""

    def use(self, encoder: PortraitEncoder | None) -> None:
        """Compares users by another encoder from the next snapshot on; None: by statistics."""
        self._encoder = encoder or StatisticsEncoder()
        self._stale = True

    def stale(self) -> None:
        """Somebody is forgotten: the next snapshot is made anew."""
        self._stale = True

    def on_session(self, session: object) -> None:
        """Hears of sessions that begin, are named, or end."""
        self._stale = True

    async def run(self) -> None:
        """Makes a snapshot whenever something changed, once a period, until cancelled."""
        while True:
            try:
                await self.refresh()
            except Exception:
                log.exception("tastes failed", users=len(self._visits))
            await self._sleep(self._period_s)

    async def refresh(self) -> Tastes | None:
        """The new snapshot, which the world now has; None if nothing changed."""
        layout = layout_of(self._district)
        seen = (layout, len(self._district.users))
        if not self._stale and seen == self._seen:
            return None
        self._stale, self._seen = False, seen
        stations, users = stations_of(self._district), dict(self._district.users)
        visits: dict[str, dict[str, int]] = {}
        names = list(self._visits)
        for start in range(0, len(names), COPIED_AT_ONCE):
            for name in names[start : start + COPIED_AT_ONCE]:
                visits[name] = dict(self._visits[name])
            await asyncio.sleep(0)
        tastes = await asyncio.to_thread(learn_tastes, visits, users, stations, self._encoder)
        self._world.tastes, self._world.tastes_layout = tastes, layout
        self._heed(tastes.fallback)
        return tastes

    def _heed(self, fallback: str) -> None:
        """Tells once why statistics stand in for the encoder, and asks it again next time."""
        self._stale |= bool(fallback)
        if fallback != self._fallback:
            self._fallback = fallback
            if fallback:
                log.warning("portraits are statistics", why=fallback)
            else:
                log.info("portraits are encoded again")


def stations_of(district: District) -> Stations:
    """Copies of what stations are."""
    count = len(district.stations)
    size = np.maximum(district.station_size, 1)
    station = district.station
    return Stations(
        [station.station_id for station in district.stations],
        np.bincount(station, district.dc, count) / size,
        np.bincount(station, district.max_power_kw, count) / size,
        district.station_lat_deg.astype(np.float64).copy(),
        district.station_lon_deg.astype(np.float64).copy(),
    )
