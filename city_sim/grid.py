"""A grid of streets with fast arterials and a slow centre: ways, driving times, grades by hour.

Serves both sides: the engine drives on it (`city.Travel`), and the coordinator's pipeline may be
given it as its road network (`coordinator.core.roads.Roads`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from coordinator.core.roads import HOURLY_SPEED_SHARE, traffic_grade

Float64 = NDArray[np.float64]
Index = NDArray[np.intp]

KM_PER_DEGREE = 111.195
STREET_KMH, ARTERIAL_KMH = 30.0, 50.0
ARTERIAL_EVERY = 5
# The centre loses this much more of its speed than the rim when the city is busy.
CENTRE_LOSS = 0.35


@dataclass(frozen=True, slots=True)
class Frame:
    """A square of the city: its middle, and half its side in km."""

    latitude_deg: float
    longitude_deg: float
    half_km: float

    def at(self, east_km: float, north_km: float) -> tuple[float, float]:
        """The position so far east and north of the middle.

        >>> Frame(0.0, 100.0, 5.0).at(0.0, 111.195)
        (1.0, 100.0)
        """
        across = KM_PER_DEGREE * float(np.cos(np.radians(self.latitude_deg)))
        north_deg, east_deg = float(north_km) / KM_PER_DEGREE, float(east_km) / across
        return self.latitude_deg + north_deg, self.longitude_deg + east_deg

    def from_middle(self, latitude_deg: float, longitude_deg: float) -> tuple[float, float]:
        """East and north of the middle in km.

        >>> Frame(0.0, 100.0, 5.0).from_middle(1.0, 100.0)
        (0.0, 111.195)
        """
        across = KM_PER_DEGREE * math.cos(math.radians(self.latitude_deg))
        north_km = (latitude_deg - self.latitude_deg) * KM_PER_DEGREE
        return (longitude_deg - self.longitude_deg) * across, north_km

    def plane(self, latitude_deg: Float64, longitude_deg: Float64) -> Float64:
        """East and north of the middle in km, shape (n, 2)."""
        across = KM_PER_DEGREE * float(np.cos(np.radians(self.latitude_deg)))
        return np.column_stack(
            [
                (longitude_deg - self.longitude_deg) * across,
                (latitude_deg - self.latitude_deg) * KM_PER_DEGREE,
            ]
        )


class GridRoads:
    """Shortest ways from anywhere to the stations of a district, in their order.

    A position is on the nearest crossing; the way there counts at street speed.
    """

    quality = "EXACT"

    def __init__(
        self,
        frame: Frame,
        station_lat_deg: Float64,
        station_lon_deg: Float64,
        block_km: float = 0.4,
        hourly_share: tuple[float, ...] = HOURLY_SPEED_SHARE,
        utc_offset_h: float = 0.0,
    ) -> None:
        self._frame, self._block_km = frame, block_km
        self._side = round(2 * frame.half_km / block_km) + 1
        self._hourly_share = hourly_share
        self._utc_offset_h = utc_offset_h
        self._stations = frame.plane(station_lat_deg, station_lon_deg)
        self._station_node = self._node(self._stations)
        self._edges = self._lay_out()
        self._km = self._from_stations(np.full(self._edges[2].size, block_km))
        self._hours: dict[float, Float64] = {}

    def _lay_out(self) -> tuple[Index, Index, Float64, Float64]:
        """Edges: from, to, free speed, closeness to the centre 0-1."""
        side = self._side
        node = np.arange(side * side).reshape(side, side)
        rows, columns = np.divmod(np.arange(side * side), side)
        starts = np.concatenate([node[:, :-1].ravel(), node[:-1].ravel()])
        ends = np.concatenate([node[:, 1:].ravel(), node[1:].ravel()])
        along = np.concatenate([rows[node[:, :-1].ravel()], columns[node[:-1].ravel()]])
        free_kmh = np.where(along % ARTERIAL_EVERY == 0, ARTERIAL_KMH, STREET_KMH)
        middle = (side - 1) / 2
        far = np.hypot(rows[starts] - middle, columns[starts] - middle) / max(middle, 1.0)
        return starts, ends, free_kmh, np.clip(1.0 - far, 0.0, 1.0)

    def _from_stations(self, weights: Float64) -> Float64:
        starts, ends = self._edges[0], self._edges[1]
        size = self._side * self._side
        graph = sparse.coo_matrix((weights, (starts, ends)), shape=(size, size)).tocsr()
        reached: Float64 = dijkstra(graph, directed=False, indices=self._station_node)
        return reached

    def _node(self, plane: Float64) -> Index:
        # A place that is not known (of a car without a destination) is anywhere.
        known = np.nan_to_num(plane)
        steps = np.rint((known + self._frame.half_km) / self._block_km).astype(np.intp)
        steps = np.clip(steps, 0, self._side - 1)
        return np.asarray(steps[:, 1] * self._side + steps[:, 0])

    def _to_street_km(self, plane: Float64, node: Index) -> Float64:
        row, column = np.divmod(node, self._side)
        at = np.column_stack([column, row]) * self._block_km - self._frame.half_km
        return np.asarray(np.abs(plane - at).sum(axis=1))

    def _share(self, hour: float) -> float:
        return self._hourly_share[int(hour) % 24]

    def _hour_s(self, share: float) -> Float64:
        """Seconds from every station to every crossing when the city moves at this share."""
        if share not in self._hours:
            _, _, free_kmh, central = self._edges
            kmh = free_kmh * share * (1.0 - CENTRE_LOSS * central * (1.0 - share) * 2.0)
            self._hours[share] = self._from_stations(self._block_km / kmh * 3600.0)
        return self._hours[share]

    def _point(self, latitude_deg: float, longitude_deg: float) -> tuple[int, float]:
        plane = self._frame.plane(np.array([latitude_deg]), np.array([longitude_deg]))
        node = self._node(plane)
        return int(node[0]), float(self._to_street_km(plane, node)[0])

    def drive_s(self, latitude_deg: float, longitude_deg: float, at_s: float) -> Float64:
        """Seconds to every station when leaving at this instant."""
        share = self._share((at_s / 3600.0 + self._utc_offset_h) % 24.0)
        node, near_km = self._point(latitude_deg, longitude_deg)
        return np.asarray(self._hour_s(share)[:, node] + near_km / (STREET_KMH * share) * 3600.0)

    def to_s(self, latitude_deg: float, longitude_deg: float, station: int, at_s: float) -> float:
        """Seconds to one station when leaving at this instant."""
        return float(self.drive_s(latitude_deg, longitude_deg, at_s)[station])

    def distance_km(
        self, latitude_deg: float, longitude_deg: float, stations: Index, straight_km: Float64
    ) -> Float64:
        """Along the streets to these stations, km; never shorter than the straight line."""
        node, near_km = self._point(latitude_deg, longitude_deg)
        return np.asarray(np.maximum(self._km[stations, node] + near_km, straight_km))

    def between_km(self, from_deg: tuple[float, float], to_deg: tuple[float, float]) -> float:
        """Along the streets between two points: the sum of both legs of the grid."""
        ends = np.array([from_deg, to_deg])
        plane = self._frame.plane(ends[:, 0], ends[:, 1])
        return float(np.abs(plane[0] - plane[1]).sum())

    @property
    def free_speed_kmh(self) -> float:
        """Mean speed in the calmest hour, km/h."""
        return max(self.speed_kmh(float(hour)) for hour in range(24))

    def speed_kmh(self, hour: float) -> float:
        """Mean speed of the city at this hour."""
        share = self._share(hour)
        return 0.5 * (STREET_KMH + ARTERIAL_KMH) * share * (1.0 - CENTRE_LOSS * (1.0 - share))

    def grades(
        self, latitude_deg: float, longitude_deg: float, stations: Index, hour: float
    ) -> Float64:
        """Traffic grades 1-5 of the ways to these stations: worse the nearer to the centre."""
        share = self._share(hour)
        middle = np.abs(self._stations[stations]).max(axis=1) / self._frame.half_km
        lost = CENTRE_LOSS * np.clip(1.0 - middle, 0.0, 1.0) * (1.0 - share) * 2.0
        return np.array([float(traffic_grade(s)) for s in share * (1.0 - lost)])
