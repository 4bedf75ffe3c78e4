"""Keeps the road graph of the district up to date with imported roads and stations."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from coordinator.core.district import District
from coordinator.core.recommend.layout import Layout, layout_of
from coordinator.core.road_graph import RoadEdge, RoadGraph
from coordinator.usecases.telemetry import Road
from coordinator.usecases.world import World

log = structlog.get_logger()

LOOK_S = 1.0


class RoadKeeper:
    """Builds the graph on a worker thread whenever roads or stations changed.

    Until it is done, and while there are no roads, distances are estimated. `edges` are the
    network as it was put last.
    """

    def __init__(self, district: District, world: World, roads: Sequence[Road] = ()) -> None:
        self._district = district
        self._world = world
        self.edges = _edges(roads)
        self._built_for: tuple[int, Layout] | None = None
        self._version = 1 if roads else 0

    def on_roads(self, roads: Sequence[Road]) -> None:
        """Takes a new network; the graph follows within a second or two."""
        self.edges = _edges(roads)
        self._version += 1

    async def run(self) -> None:
        """Rebuilds when needed, until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(LOOK_S)

    async def refresh(self) -> None:
        """Rebuilds now if roads or stations changed since the last time."""
        wanted = self._version, layout_of(self._district)
        if not self._version or wanted == self._built_for:
            return
        self._built_for = wanted
        edges = self.edges
        self._world.graph = None
        if not edges or not len(self._district):
            return
        latitude, longitude = self._district.station_lat_deg, self._district.station_lon_deg
        try:
            graph = await asyncio.to_thread(RoadGraph, edges, latitude, longitude)
        except ValueError as error:
            log.warning("roads are estimated", why=f"the network is too large: {error}")
            return
        self._world.graph, self._world.graph_layout = graph, wanted[1]
        log.info("road graph ready", edges=len(edges), stations=len(latitude))


def _edges(roads: Sequence[Road]) -> list[RoadEdge]:
    return [
        RoadEdge(
            road.from_position, road.to_position, road.length_km, road.free_speed_kmh,
            road.two_way, road.grade_by_hour,
        )
        for road in roads
    ]  # fmt: skip
