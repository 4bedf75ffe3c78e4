"""Tariffs, users, roads and planned outages as imported: durable first, then in use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import structlog

from coordinator.core.district import District
from coordinator.core.outages import merged
from coordinator.core.pile import PlannedOutage, Tariff, User
from coordinator.core.tariff_faults import element_faults
from coordinator.core.usual import put_users
from coordinator.usecases.telemetry import Road, TelemetryStore

log = structlog.get_logger()


class Lists:
    """The district's imported lists beside its stations; who listens hears of new ones."""

    def __init__(
        self,
        district: District,
        store: TelemetryStore,
        tariffs: Iterable[Tariff],
        users: Iterable[User],
        roads: Iterable[Road],
        outages: Iterable[PlannedOutage] = (),
    ) -> None:
        self.on_roads: list[Callable[[Sequence[Road]], None]] = []
        self.on_outages: list[Callable[[], None]] = []
        self._district = district
        self._store = store
        self._roads = {(road.from_node, road.to_node): road for road in roads}
        kept = list(tariffs)
        for tariff in kept:
            if faults := [f for element in tariff.elements for f in element_faults(element)]:
                why = " ".join(faults[0])
                log.warning("tariff unreadable, price unknown", tariff=tariff.tariff_id, why=why)
        district.put_tariffs(kept)
        put_users(district, users)
        district.put_outages(outages)

    @property
    def roads(self) -> list[Road]:
        """All edges."""
        return list(self._roads.values())

    def hear_roads(self, tell: Callable[[Sequence[Road]], None]) -> None:
        """Tells of the edges known already, and of every change from now on."""
        self.on_roads.append(tell)
        if self._roads:
            tell(self.roads)

    async def put_tariffs(self, tariffs: Sequence[Tariff]) -> None:
        """Adds or replaces tariffs."""
        await self._store.put_tariffs(tariffs)
        self._district.put_tariffs(tariffs)

    async def put_users(self, users: Sequence[User]) -> None:
        """Adds or replaces users."""
        await self._store.put_users(users)
        put_users(self._district, users)

    async def put_roads(self, roads: Sequence[Road], replace: bool) -> None:
        """Adds edges, or replaces all."""
        await self._store.put_roads(roads, replace)
        if replace:
            self._roads.clear()
        self._roads.update({(road.from_node, road.to_node): road for road in roads})
        for tell in self.on_roads:
            tell(self.roads)

    async def put_outages(
        self, outages: Sequence[PlannedOutage], replace: bool, now_s: float
    ) -> None:
        """Adds planned outages, or replaces all; those that are over are forgotten."""
        known = () if replace else self._district.outages
        now = merged(known, outages, now_s)
        await self._store.put_outages(now)
        self._district.put_outages(now)
        for tell in self.on_outages:
            tell()
