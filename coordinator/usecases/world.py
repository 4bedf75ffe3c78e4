"""The world around a request: roads, weather, staleness, what this user did before.

Values without a source stay unknown; the pipeline then uses its defaults and says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.recommend.collaborative import Tastes
from coordinator.core.recommend.context import Context
from coordinator.core.recommend.layout import Layout, layout_of
from coordinator.core.recommend.rules import DEFAULT_RULES, Rules
from coordinator.core.road_graph import RoadGraph
from coordinator.core.roads import EstimatedRoads, Roads
from coordinator.core.surroundings import Surroundings
from coordinator.core.vehicle import ChargingRequest
from coordinator.usecases.fleet import Fleet
from coordinator.usecases.mirror import Mirror


@dataclass(slots=True)
class World:
    """Makes the pipeline's context; `utc_offset_h` None means by longitude."""

    district: District
    mirror: Mirror
    clock: Clock
    stale_after_s: float = float("inf")
    roads: Roads = field(default_factory=EstimatedRoads)
    rules: Rules = DEFAULT_RULES
    iterations: Callable[[], int] = lambda: 0  # of the knowledge map, so far
    utc_offset_h: float | None = None
    temperature_c: float | None = None  # everywhere, where no cell knows better
    surroundings: Surroundings = field(default_factory=Surroundings)
    graph: RoadGraph | None = None  # imported roads, for the stations of `graph_layout` only
    graph_layout: Layout | None = None
    fleet: Fleet | None = None
    visits: dict[str, Counter[str]] = field(default_factory=dict)  # user to station to count
    tastes: Tastes | None = None  # for the stations of `tastes_layout` only
    tastes_layout: Layout | None = None

    def follow(self, rules: Rules, iterations: Callable[[], int]) -> None:
        """Takes the configured rules, and where to read the iterations of the knowledge map."""
        self.rules, self.iterations = rules, iterations

    def free_kmh_at(self, place_deg: tuple[float, float]) -> float:
        """Speed without traffic on the roads at a place, km/h, as far as that is known."""
        graph = self.graph
        return self.roads.free_speed_kmh if graph is None else graph.free_kmh_at(place_deg)

    def around(
        self,
        request: ChargingRequest,
        excluded: frozenset[int] = frozenset(),
        only: frozenset[int] | None = None,
        rules: Rules | None = None,
    ) -> Context:
        """The context of a request now."""
        offset_h = self.utc_offset_h
        if offset_h is None:
            offset_h = round(request.longitude_deg / 15.0)
        seen = self.visits.get(request.user_id) if request.user_id else None
        rows = self.district.station_row
        visits = (
            {rows[station]: n for station, n in seen.items() if station in rows} if seen else {}
        )
        here, now_s = (request.latitude_deg, request.longitude_deg), self.clock.now_s()
        around, district = self.surroundings.around(*here, now_s), self.district
        at_stations = self.surroundings.at_stations(
            district.station_lat_deg, district.station_lon_deg, now_s
        )
        layout = layout_of(self.district)
        known = self.graph is not None and self.graph_layout is layout
        tastes = self.tastes if self.tastes_layout is layout else None
        return Context(
            roads=self.graph if self.graph is not None and known else self.roads,
            rules=rules or self.rules,
            link_now_s=self.clock.link_s(),
            stale_after_s=self.stale_after_s,
            utc_offset_h=offset_h,
            iterations=self.iterations(),
            temperature_c=(
                self.temperature_c if around.temperature_c is None else around.temperature_c
            ),
            traffic_grade=around.traffic_grade,
            height_m=around.height_m,
            stations=at_stations,
            known=around.known,
            unknown=around.unknown,
            cars_around=None
            if self.fleet is None
            else self.fleet.cars_around(request.latitude_deg, request.longitude_deg),
            visits=visits,
            tastes=tastes,
            taste=-1 if tastes is None else tastes.row.get(request.user_id, -1),
            own=self.mirror.own_places(request.vehicle_id),
            excluded=excluded,
            only=only,
        )

    def asked(self, request: ChargingRequest) -> None:
        """Others reckon with this car: it is about, and asks."""
        if self.fleet is not None:
            place = request.latitude_deg, request.longitude_deg
            self.fleet.asked(request.vehicle_id, request.user_id, place, self.clock.link_s())
