"""Streets that fill: a grid whose driving times grow with the cars on it, worked out anew at times.

City and product are told the same times: `drive_s` to whoever drives, and to the coordinator the
same as km at one speed. Streets that only know the hour are in `grid.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from city_sim.grid import ARTERIAL_EVERY, ARTERIAL_KMH, CENTRE_LOSS, STREET_KMH, Frame
from coordinator.core.roads import GRADE_BOUNDS, HOURLY_SPEED_SHARE

Float64 = NDArray[np.float64]
Index = NDArray[np.intp]

PERIOD_S = 300.0  # between two looks at how full the streets are
TOLD_KMH = 30.0  # at which the coordinator is told times as distances
# Vehicles an hour and direction that a street takes before it slows down much. A choice of ours:
# about 1,800 a lane and hour of green, half of it green, one lane and two with crossings between.
STREET_PER_H, ARTERIAL_PER_H = 600.0, 1_500.0
ALPHA, BETA = 0.15, 4.0
MEMORY = 0.5  # of the load seen before, at each look
_STEPS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def slowed(load: Float64) -> Float64:
    """Driving time over free driving time at a load, which is flow over capacity.

    Source: Bureau of Public Roads, Traffic Assignment Manual, 1964.

    >>> slowed(np.array([0.0, 1.0, 2.0])).round(2).tolist()
    [1.0, 1.15, 3.4]
    """
    return np.asarray(1.0 + ALPHA * load**BETA)


def load_at(speed_share: Float64) -> Float64:
    """The load that slows streets to this share of the free speed; the inverse of `slowed`.

    >>> load_at(1.0 / slowed(np.array([0.5, 1.2]))).round(6).tolist()
    [0.5, 1.2]
    """
    return np.asarray(((1.0 / speed_share - 1.0) / ALPHA) ** (1.0 / BETA))


class Streets:
    """Driving times to the stations of a district, in their order, that grow with the traffic.

    All other traffic is what slows the streets to the speed of the hour; cars that set out are
    added to it. `look` must be called every `period_s`.
    """

    quality = "EXACT"
    period_s = PERIOD_S
    free_speed_kmh = TOLD_KMH

    def __init__(
        self,
        frame: Frame,
        station_lat_deg: Float64,
        station_lon_deg: Float64,
        block_km: float,
        begins_s: float = 0.0,
        hourly_share: Sequence[float] = HOURLY_SPEED_SHARE,
    ) -> None:
        self._frame, self._block_km, self._hourly = frame, block_km, hourly_share
        self._side = round(2 * frame.half_km / block_km) + 1
        places = list(zip(station_lat_deg.tolist(), station_lon_deg.tolist(), strict=True))
        points = [self._point(*place) for place in places]
        self._station_node = np.array([node for node, _ in points], dtype=np.intp)
        self._access_s = np.array([seconds for _, seconds in points])
        self._row = {_key(place): row for row, place in enumerate(places)}
        self._lay_out()
        self._load = np.zeros(self._start.size)
        self._entered = np.zeros(self._start.size)
        self._free_s, _ = self._search(self._free)
        self._now_s, self._next = self._search(self._slowed(begins_s))

    def _lay_out(self) -> None:
        """Edges in both directions: from, to, seconds when free, vehicles an hour, centrality."""
        side = self._side
        every = np.arange(side * side)
        rows, columns = np.divmod(every, side)
        self._edge = np.full((every.size, len(_STEPS)), -1, dtype=np.intp)
        parts = []
        count = 0
        for way, (up, across) in enumerate(_STEPS):
            there = (rows + up >= 0) & (rows + up < side)
            there &= (columns + across >= 0) & (columns + across < side)
            start = every[there]
            self._edge[start, way] = count + np.arange(start.size)
            count += start.size
            along = rows[start] if across else columns[start]
            parts.append((start, start + up * side + across, along % ARTERIAL_EVERY == 0))
        self._start, self._end, arterial = (
            np.concatenate(part) for part in zip(*parts, strict=True)
        )
        kmh = np.where(arterial, ARTERIAL_KMH, STREET_KMH)
        self._free = self._block_km / kmh * 3600.0
        self._per_h = np.where(arterial, ARTERIAL_PER_H, STREET_PER_H)
        middle = (side - 1) / 2
        far = np.hypot(rows[self._start] - middle, columns[self._start] - middle)
        self._central = np.clip(1.0 - far / max(middle, 1.0), 0.0, 1.0)

    def look(self, now_s: float) -> None:
        """Works all times out anew by the cars that set out since the last look."""
        per_h = self._entered * (3600.0 / self.period_s)
        self._load = MEMORY * self._load + (1.0 - MEMORY) * per_h / self._per_h
        self._entered[:] = 0.0
        self._now_s, self._next = self._search(self._slowed(now_s))

    def _slowed(self, at_s: float) -> Float64:
        """Seconds an edge at this instant."""
        hour = at_s / 3600.0 % 24.0
        before, part = int(hour), hour - int(hour)
        share = self._hourly[before] * (1.0 - part) + self._hourly[(before + 1) % 24] * part
        moves = share * (1.0 - CENTRE_LOSS * self._central * (1.0 - share) * 2.0)
        return np.asarray(self._free * slowed(load_at(moves) + self._load))

    def _search(self, edge_s: Float64) -> tuple[Float64, NDArray[np.int32]]:
        """Seconds from every crossing to every station, and the next crossing on the way there."""
        size = self._side * self._side
        # From the stations over streets turned round.
        graph = sparse.coo_matrix((edge_s, (self._end, self._start)), shape=(size, size)).tocsr()
        seconds, before = dijkstra(graph, indices=self._station_node, return_predecessors=True)
        return np.ascontiguousarray(seconds.T), before

    def set_out(self, latitude_deg: float, longitude_deg: float, station: int) -> None:
        """A car drives from here to a station: it is counted on each street of its way."""
        node, following = self._point(latitude_deg, longitude_deg)[0], self._next[station]
        side = self._side
        way = {1: 0, -1: 1, side: 2, -side: 3}
        there = int(self._station_node[station])
        while node != there:
            onward = int(following[node])
            self._entered[self._edge[node, way[onward - node]]] += 1.0
            node = onward

    def most_loaded(self) -> float:
        """Flow of guided cars over capacity where it is largest."""
        return float(self._load.max())

    def drive_s(self, latitude_deg: float, longitude_deg: float, at_s: float) -> Float64:
        """Seconds to every station, as the streets were at the last look."""
        node, near_s = self._point(latitude_deg, longitude_deg)
        return np.asarray(self._now_s[node] + (self._access_s + near_s))

    def to_s(self, latitude_deg: float, longitude_deg: float, station: int, at_s: float) -> float:
        """Seconds to one station, as the streets were at the last look."""
        node, near_s = self._point(latitude_deg, longitude_deg)
        return float(self._now_s[node, station] + self._access_s[station] + near_s)

    def distance_km(
        self, latitude_deg: float, longitude_deg: float, stations: Index, straight_km: Float64
    ) -> Float64:
        """The km which at `TOLD_KMH` take as long as the drive to these stations does now."""
        node, near_s = self._point(latitude_deg, longitude_deg)
        seconds = self._now_s[node, stations] + (self._access_s[stations] + near_s)
        return np.asarray(seconds * (TOLD_KMH / 3600.0))

    def between_km(self, from_deg: tuple[float, float], to_deg: tuple[float, float]) -> float:
        """The same between two points; without a station at the end by the streets' mean speed."""
        row = self._row.get(_key(to_deg))
        if row is not None:
            return float(self.distance_km(*from_deg, np.array([row]), np.zeros(1))[0])
        ends = np.array([from_deg, to_deg])
        plane = self._frame.plane(ends[:, 0], ends[:, 1])
        return float(np.abs(plane[0] - plane[1]).sum())

    def speed_kmh(self, hour: float) -> float:
        """The speed that all distances here are told for, at any hour."""
        return TOLD_KMH

    def grades(
        self, latitude_deg: float, longitude_deg: float, stations: Index, hour: float
    ) -> Float64:
        """Grades 1-5 of the ways to these stations, by how much they are slowed down now."""
        node, near_s = self._point(latitude_deg, longitude_deg)
        beside_s = self._access_s[stations] + near_s + 1e-9
        share = (self._free_s[node, stations] + beside_s) / (self._now_s[node, stations] + beside_s)
        return np.asarray(1.0 + (share[:, None] <= np.array(GRADE_BOUNDS)).sum(axis=1))

    def _point(self, latitude_deg: float, longitude_deg: float) -> tuple[int, float]:
        """The crossing a position is nearest to, and the seconds from one to the other."""
        frame, block_km, last = self._frame, self._block_km, self._side - 1
        east_km, north_km = frame.from_middle(latitude_deg, longitude_deg)
        across, up = (east_km + frame.half_km) / block_km, (north_km + frame.half_km) / block_km
        column, row = min(max(round(across), 0), last), min(max(round(up), 0), last)
        beside_km = (abs(across - column) + abs(up - row)) * block_km
        return row * self._side + column, beside_km / STREET_KMH * 3600.0


def _key(place_deg: tuple[float, float]) -> tuple[float, float]:
    return round(place_deg[0], 6), round(place_deg[1], 6)
