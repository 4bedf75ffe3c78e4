"""Distances along an imported road network: from anywhere to the stations of a district.

The ways from every crossing to every station are computed once, so that a request costs a look-up.
Speeds by the hour of the day are those of `roads.py`, scaled to the network's own free speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from coordinator.core.geo import Places
from coordinator.core.roads import DETOUR_FACTOR, HOURLY_SPEED_SHARE, EstimatedRoads

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

ON_ROAD_KM = 1.0  # from a crossing, as far as a car is thought to be on one of its roads
SHORTEST_KM = 1e-6  # an edge of no length would be none to a sparse matrix
MOST_ENTRIES = 50_000_000  # stations x crossings held, 4 bytes each


@dataclass(frozen=True, slots=True)
class RoadEdge:
    """One stretch of road between two crossings (latitude, longitude).

    Source: US 12,393,974 B2, step 320.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    length_km: float
    free_speed_kmh: float
    two_way: bool = False
    grade_by_hour: tuple[float, ...] = ()


class RoadGraph:
    """Implements `roads.Roads` over edges; where the network does not lead it is estimated.

    Raises `ValueError` if there are no edges or the table would be too large.

    Source: US 12,393,974 B2, step 320.
    """

    quality = "EXACT"

    def __init__(
        self,
        edges: Sequence[RoadEdge],
        station_lat_deg: Floats,
        station_lon_deg: Floats,
        hourly_share: tuple[float, ...] = HOURLY_SPEED_SHARE,
    ) -> None:
        nodes: dict[tuple[float, float], int] = {}
        for edge in edges:
            for place in (edge.start, edge.end):
                nodes.setdefault(place, len(nodes))
        if not nodes or len(nodes) * len(station_lat_deg) > MOST_ENTRIES:
            raise ValueError(f"{len(nodes)} crossings x {len(station_lat_deg)} stations")
        places = np.array(list(nodes), dtype=np.float64)
        self._nodes = Places(places[:, 0], places[:, 1])
        self.edges = edges
        self._ends = [(nodes[edge.start], nodes[edge.end]) for edge in edges]
        self._leading: list[list[tuple[int, int]]] | None = None
        points = np.stack([station_lat_deg, station_lon_deg], axis=-1)
        station_node, access_km = self._nodes.nearest_to_each(points, 1)
        self._access_km = access_km[:, 0] * DETOUR_FACTOR
        self._km = _to_stations(edges, nodes, station_node[:, 0])
        lengths = np.array([edge.length_km for edge in edges])
        speeds = np.array([edge.free_speed_kmh for edge in edges])
        free_kmh = float((lengths * speeds).sum() / lengths.sum())
        self._estimate = EstimatedRoads(DETOUR_FACTOR, free_kmh, hourly_share)
        self._grades = _grades_by_hour(edges, lengths)
        self._free_kmh = _free_kmh(edges, nodes, lengths, speeds)

    def distance_km(
        self, latitude_deg: float, longitude_deg: float, stations: Index, straight_km: Floats
    ) -> Floats:
        """Along the road to these stations, km; estimated where no road leads."""
        node, near_km = self._nodes.nearest(latitude_deg, longitude_deg, 1)
        way_km = self._km[stations, node[0]] + self._access_km[stations]
        way_km = way_km + float(near_km[0]) * DETOUR_FACTOR
        estimated: Floats = straight_km * DETOUR_FACTOR
        known = np.isfinite(way_km)
        return np.where(known, np.maximum(way_km, straight_km), estimated)

    def way(self, latitude_deg: float, longitude_deg: float, station: int) -> list[int]:
        """Numbers of the edges on the shortest way from a place to a station, in order.

        Empty where no road leads. A two-way edge has one number for both directions. Source: paper
        2.3.2.3 (traffic load of the paths).
        """
        leading, km = self._leading_edges(), self._km[station]
        here = int(self._nodes.nearest(latitude_deg, longitude_deg, 1)[0][0])
        found: list[int] = []
        if not np.isfinite(km[here]):
            return found
        while km[here] > 0.0:
            # The next crossing is the one from which the rest is shortest; it is always nearer.
            ahead = [
                (float(km[there]) + max(self.edges[edge].length_km, SHORTEST_KM), edge, there)
                for edge, there in leading[here]
                if km[there] < km[here]
            ]
            if not ahead:
                break
            _, edge, here = min(ahead)
            found.append(edge)
        return found

    def _leading_edges(self) -> list[list[tuple[int, int]]]:
        """From each crossing the edges that lead on, and where; made when first asked."""
        if self._leading is None:
            leading: list[list[tuple[int, int]]] = [[] for _ in range(self._km.shape[1])]
            for number, (start, end) in enumerate(self._ends):
                leading[start].append((number, end))
                if self.edges[number].two_way:
                    leading[end].append((number, start))
            self._leading = leading
        return self._leading

    def between_km(self, from_deg: tuple[float, float], to_deg: tuple[float, float]) -> float:
        """Between two points, km: estimated, since ways are held to stations only."""
        return self._estimate.between_km(from_deg, to_deg)

    @property
    def free_speed_kmh(self) -> float:
        """The network's mean speed without traffic, km/h."""
        return self._estimate.free_speed_kmh

    def free_kmh_at(self, place_deg: tuple[float, float]) -> float:
        """Speed without traffic on the roads at a place, km/h; off them, that of the network."""
        node, near_km = self._nodes.nearest(*place_deg, 1)
        return float(self._free_kmh[node[0]]) if near_km[0] <= ON_ROAD_KM else self.free_speed_kmh

    def speed_kmh(self, hour: float) -> float:
        """The network's mean free speed times the share of this hour, km/h."""
        return self._estimate.speed_kmh(hour)

    def grades(
        self, latitude_deg: float, longitude_deg: float, stations: Index, hour: float
    ) -> Floats | float:
        """The length-weighted grade of the network at this hour, the same for every way."""
        if self._grades is None:
            return self._estimate.grades(latitude_deg, longitude_deg, stations, hour)
        return self._grades[int(hour) % 24]


def _free_kmh(
    edges: Sequence[RoadEdge],
    nodes: dict[tuple[float, float], int],
    lengths: Floats,
    speeds: Floats,
) -> Floats:
    """Mean free speed of the roads at each crossing, the longer ones counting more, km/h."""
    ends = np.array([[nodes[edge.start], nodes[edge.end]] for edge in edges])
    length = np.maximum(lengths, 1e-6).repeat(2)
    sums = np.bincount(ends.ravel(), length * speeds.repeat(2), minlength=len(nodes))
    return sums / np.bincount(ends.ravel(), length, minlength=len(nodes))


def _to_stations(
    edges: Sequence[RoadEdge], nodes: dict[tuple[float, float], int], station_node: Index
) -> NDArray[np.float32]:
    """Km from every crossing to every station's crossing, shape (stations, crossings)."""
    start = [nodes[edge.start] for edge in edges]
    end = [nodes[edge.end] for edge in edges]
    length = [max(edge.length_km, SHORTEST_KM) for edge in edges]
    back = [number for number, edge in enumerate(edges) if edge.two_way]
    # Searched from the stations, so each edge is turned round.
    rows = [*end, *(start[number] for number in back)]
    columns = [*start, *(end[number] for number in back)]
    weights = [*length, *(length[number] for number in back)]
    order = np.lexsort((weights, columns, rows))
    keys = np.stack([np.array(rows), np.array(columns)])[:, order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(keys, axis=1) != 0).any(axis=0)  # of parallel roads the shortest
    graph = sparse.coo_matrix(
        (np.array(weights)[order][first], (keys[0][first], keys[1][first])),
        shape=(len(nodes), len(nodes)),
    ).tocsr()
    return np.asarray(dijkstra(graph, directed=True, indices=station_node), dtype=np.float32)


def _grades_by_hour(edges: Sequence[RoadEdge], lengths: Floats) -> list[float] | None:
    """Length-weighted mean grade of each hour; None if no edge has grades for all hours."""
    graded = [number for number, edge in enumerate(edges) if len(edge.grade_by_hour) == 24]
    if not graded:
        return None
    grades = np.array([edges[number].grade_by_hour for number in graded])
    weights = lengths[graded][:, None]
    mean: list[float] = ((grades * weights).sum(axis=0) / weights.sum()).tolist()
    return mean
