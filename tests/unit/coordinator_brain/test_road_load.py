"""How busy roads are: guided cars on their ways, and grades with their source."""

from __future__ import annotations

import numpy as np

from coordinator.core.road_graph import RoadEdge, RoadGraph
from coordinator.core.road_load import RoadLoad, busiest, loads
from coordinator.core.surroundings import ContextValue, Surroundings, cell_at

SOUTH, WEST = 22.50, 114.00
KM_LAT = 1.0 / 111.2
CROSSINGS = [(SOUTH + n * KM_LAT, WEST) for n in range(4)]
USUAL = tuple(float(1 + hour % 5) for hour in range(24))
# A street of three stretches, a way around the middle one that is longer, and a one-way back.
EDGES = [
    RoadEdge(CROSSINGS[0], CROSSINGS[1], 1.0, 50.0, two_way=True),
    RoadEdge(CROSSINGS[1], CROSSINGS[2], 5.0, 50.0, two_way=True),
    RoadEdge(CROSSINGS[1], CROSSINGS[2], 1.0, 50.0),
    RoadEdge(CROSSINGS[2], CROSSINGS[3], 1.0, 50.0, two_way=True, grade_by_hour=USUAL),
]


def graph() -> RoadGraph:
    """Stations at the last crossing (row 0) and at the first (row 1)."""
    return RoadGraph(EDGES, np.array([CROSSINGS[3][0], CROSSINGS[0][0]]), np.array([WEST, WEST]))


def test_way_takes_the_shortest_edges_in_order_and_keeps_to_their_direction() -> None:
    """North by the short one-way stretch; south by the long one, as the short leads north only."""
    assert graph().way(*CROSSINGS[0], 0) == [0, 2, 3]
    assert graph().way(*CROSSINGS[3], 1) == [3, 1, 0]
    assert graph().way(*CROSSINGS[3], 0) == []


def test_way_that_no_road_leads_is_empty() -> None:
    """From the end of a one-way road nothing leads back."""
    lonely = RoadGraph([EDGES[2]], np.array([CROSSINGS[1][0]]), np.array([WEST]))

    assert lonely.way(*CROSSINGS[2], 0) == []


def test_cars_count_on_every_edge_that_is_before_them() -> None:
    """Two cars to the north, one of them half-way: the last stretch has both before it."""
    cars = [(*CROSSINGS[0], 0), (*CROSSINGS[2], 0)]

    told = loads(EDGES, graph(), cars, Surroundings(), 0.0, 0)

    assert [load.cars for load in told] == [1, 0, 1, 2]
    assert [load.edge for load in busiest(told, 2)] == [3, 0]


def test_measured_grade_goes_before_the_usual_one_until_it_is_old() -> None:
    """A grade seen there counts while it stands; then the hour's usual one, or none."""
    middle = (CROSSINGS[2][0] + CROSSINGS[3][0]) / 2, WEST
    seen = ContextValue(cell_at(*middle), "traffic_grade", 4.5, "guide", 0.0, ttl_s=600.0)
    grades = Surroundings([seen])

    now = loads(EDGES, None, [], grades, 100.0, 2)
    later = loads(EDGES, None, [], grades, 700.0, 2)

    assert now[3] == RoadLoad(3, None, 4.5, "measured")
    assert later[3] == RoadLoad(3, None, 3.0, "usual")
    assert later[0] == RoadLoad(0, None, None, "")
