"""How busy each stretch of road is now: guided cars on it, and its traffic grade with its source.

What a way's grade costs a car is in `recommend/traffic.py`; here it is for people to see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from coordinator.core.road_graph import RoadEdge, RoadGraph
from coordinator.core.surroundings import Surroundings

# Where a grade is from.
MEASURED, USUAL, UNKNOWN = "measured", "usual", ""


@dataclass(frozen=True, slots=True)
class RoadLoad:
    """One edge. `cars` are those guided that have it before them, None if ways are not known.

    Source: paper 2.3.2.3 (traffic load of the paths).
    """

    edge: int
    cars: int | None
    grade: float | None  # 1 (free) to 5 (jam); None is unknown
    source: str


def loads(
    edges: Sequence[RoadEdge],
    graph: RoadGraph | None,
    cars: Iterable[tuple[float, float, int]],
    grades: Surroundings,
    now_s: float,
    hour: int,
) -> list[RoadLoad]:
    """The load of every edge; `cars` are positions with the rows of their stations.

    A grade that somebody measured around the middle of the edge goes before its usual one of this
    hour of the day. Source: paper 2.3.2.3 (traffic load of the paths).
    """
    counts: dict[int, int] = {}
    for latitude_deg, longitude_deg, station in cars if graph is not None else ():
        for edge in graph.way(latitude_deg, longitude_deg, station):  # type: ignore[union-attr]
            counts[edge] = counts.get(edge, 0) + 1
    return [
        RoadLoad(
            number,
            None if graph is None else counts.get(number, 0),
            *_grade(edge, grades, now_s, hour),
        )
        for number, edge in enumerate(edges)
    ]


def busiest(known: Iterable[RoadLoad], count: int) -> list[RoadLoad]:
    """So many, with the most cars on them, then the worst grade.

    Source: paper 2.3.2.3 (traffic load of the paths).
    """
    order = sorted(known, key=lambda load: (-(load.cars or 0), -(load.grade or 0.0), load.edge))
    return order[:count]


def _grade(
    edge: RoadEdge, grades: Surroundings, now_s: float, hour: int
) -> tuple[float | None, str]:
    middle = [(a + b) / 2.0 for a, b in zip(edge.start, edge.end, strict=True)]
    seen = grades.of("traffic_grade", middle[0], middle[1], now_s)
    if seen is not None:
        return seen.value, MEASURED
    if len(edge.grade_by_hour) == 24:
        return edge.grade_by_hour[hour], USUAL
    return None, UNKNOWN
