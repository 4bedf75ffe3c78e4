"""Roads for the map: how busy each is, asked for every few seconds, made once for all tabs."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coordinator.core.recommend.layout import layout_of
from coordinator.core.road_graph import RoadEdge
from coordinator.core.road_load import busiest, loads
from coordinator.core.surroundings import Surroundings
from coordinator.web.answers import Shared
from coordinator.web.sources import Sources

KEPT_S = 5.0
SHOWN = 4_000  # edges; the busiest of more
_DECIMALS = 5  # of a degree: a metre


class Roads:
    """The roads that were put, with what is known of them now."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._shared = Shared(sources.clock.link_s, KEPT_S)

    def routes(self) -> list[Route]:
        """Where this is found."""
        return [Route("/api/roads", self.shown)]

    async def shown(self, request: Request) -> Response:
        """The busiest roads; none at all where no roads are known, which is said."""
        return await self._shared.get("roads", self._all)

    async def _all(self) -> dict[str, Any]:
        sources = self._sources
        now_s, world = sources.clock.now_s(), sources.world
        edges = sources.roads.edges
        # The graph is of the stations that it was made for: rows there are other rows.
        graph = world.graph if world.graph_layout is layout_of(sources.district) else None
        rows = sources.district.station_row
        cars = [
            (p.request.latitude_deg, p.request.longitude_deg, rows[p.answer.choice.station_id])
            for p in sources.promises.open()
            if p.answer.judged
            and p.arrived_link_s == float("-inf")
            and p.answer.choice.station_id in rows
        ]
        # A copy: the loop goes on changing what is believed of the surroundings.
        grades = Surroundings(world.surroundings.named("traffic_grade", now_s))
        hour = int((now_s / 3600.0 + sources.offset_h()) % 24)
        made = await asyncio.to_thread(loads, edges, graph, cars, grades, now_s, hour)
        return {
            "as_of_s": now_s,
            "known": bool(edges),
            "ways": graph is not None,
            "total": len(edges),
            "cars": len(cars) if graph is not None else None,
            "measured": sum(load.source == "measured" for load in made),
            "roads": [
                _shown(edges[load.edge], load.cars, load.grade, load.source)
                for load in busiest(made, SHOWN)
            ],
        }


def _shown(edge: RoadEdge, cars: int | None, grade: float | None, source: str) -> dict[str, Any]:
    return {
        "from": [round(degrees, _DECIMALS) for degrees in edge.start],
        "to": [round(degrees, _DECIMALS) for degrees in edge.end],
        "cars": cars,
        "grade": grade,
        "source": source,
    }
