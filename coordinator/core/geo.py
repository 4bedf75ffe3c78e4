"""Distances on the sphere: unit vectors, the nearest places of many, GCJ-02 to WGS84.

Roads, speeds and energy do not belong here: see `roads.py` and `energy.py`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

EARTH_RADIUS_KM = 6371.0088  # mean radius, IUGG


def unit_vector(latitude_deg: float, longitude_deg: float) -> tuple[float, float, float]:
    """The point on the unit sphere.

    >>> [round(part, 6) for part in unit_vector(0.0, 90.0)]
    [0.0, 1.0, 0.0]
    """
    latitude, longitude = math.radians(latitude_deg), math.radians(longitude_deg)
    around = math.cos(latitude)
    return around * math.cos(longitude), around * math.sin(longitude), math.sin(latitude)


def great_circle_km(from_deg: tuple[float, float], to_deg: tuple[float, float]) -> float:
    """Distance over ground between two (latitude, longitude), km.

    >>> round(great_circle_km((0.0, 0.0), (0.0, 1.0)), 2)  # a degree along the equator
    111.2
    """
    ax, ay, az = unit_vector(*from_deg)
    bx, by, bz = unit_vector(*to_deg)
    chord_squared = 2.0 - 2.0 * (ax * bx + ay * by + az * bz)
    return 2.0 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(max(0.0, chord_squared)) / 2.0))


CELL_DEG = 0.01  # side of the cells for which nearby places are remembered, about 1 km
CELLS_KEPT = 20_000


class Places:
    """Many fixed places, answering which are nearest to a point.

    Source: US 12,393,974 B2, step 410 (location information).
    """

    __slots__ = ("_cells", "_vectors", "count")

    def __init__(self, latitude_deg: Floats, longitude_deg: Floats) -> None:
        self._vectors = _vectors(latitude_deg, longitude_deg)
        self.count = len(self._vectors)
        self._cells: dict[tuple[int, int, int], Index] = {}

    def distance_km(self, latitude_deg: float, longitude_deg: float, which: Index) -> Floats:
        """Great circle from a point to these places, km, in their order."""
        return _chord_km(self._vectors[which] @ unit_vector(latitude_deg, longitude_deg))

    def distances_km(self, points_deg: Floats, which: Index) -> Floats:
        """Great circle from points (r, 2) to the places (r, k) of each, km."""
        vectors = _vectors(points_deg[:, 0], points_deg[:, 1])
        return _chord_km((self._vectors[which] @ vectors[:, :, None])[..., 0])

    def within(self, points_deg: Floats, radius_km: float) -> NDArray[np.bool_]:
        """Which places are no farther than the radius from each point (r, 2): shape (r, all).

        >>> Places(np.array([0.0, 0.02]), np.zeros(2)).within(np.zeros((1, 2)), 2.0).tolist()
        [[True, False]]
        """
        vectors = _vectors(points_deg[:, 0], points_deg[:, 1])
        near: NDArray[np.bool_] = vectors @ self._vectors.T >= math.cos(radius_km / EARTH_RADIUS_KM)
        return near

    def nearest(
        self, latitude_deg: float, longitude_deg: float, count: int
    ) -> tuple[Index, Floats]:
        """The `count` nearest places (all if fewer), nearest first, and their distances in km.

        >>> rows, km = Places(np.array([0.0, 0.0, 0.0]), np.array([3.0, 1.0, 2.0])).nearest(0, 0, 2)
        >>> rows.tolist(), km.round(1).tolist()
        ([1, 2], [111.2, 222.4])
        """
        cosine = self._vectors @ unit_vector(latitude_deg, longitude_deg)
        if count < self.count:
            near = np.argpartition(cosine, self.count - count)[self.count - count :]
            cosine = cosine[near]
            order = cosine.argsort(kind="stable")[::-1]
            return near[order], _chord_km(cosine[order])
        order = (-cosine).argsort(kind="stable")
        return order, _chord_km(cosine[order])

    def nearest_to_each(self, points_deg: Floats, count: int) -> tuple[Index, Floats]:
        """The same for points (r, 2) at once: rows and km of shape (r, min(count, all))."""
        count = min(count, self.count)
        vectors = _vectors(points_deg[:, 0], points_deg[:, 1])
        if self.count <= 4 * count:
            cosine = vectors @ self._vectors.T
            order = (-cosine).argsort(axis=1, kind="stable")[:, :count]
            return order, _chord_km(np.take_along_axis(cosine, order, axis=1))
        near = [self._around(point[0], point[1], count) for point in points_deg.tolist()]
        width = max(map(len, near))
        rows = np.zeros((len(near), width), dtype=np.intp)
        cosine = np.full((len(near), width), -2.0)
        for number, around in enumerate(near):
            rows[number, : len(around)] = around
            cosine[number, : len(around)] = self._vectors[around] @ vectors[number]
        order = (-cosine).argsort(axis=1, kind="stable")[:, :count]
        order += np.arange(0, rows.size, width)[:, None]
        return rows.take(order), _chord_km(cosine.take(order))

    def _around(self, latitude_deg: float, longitude_deg: float, count: int) -> Index:
        """Places among which are the `count` nearest to any point of the cell of this one."""
        cell = int(latitude_deg // CELL_DEG), int(longitude_deg // CELL_DEG), count
        around = self._cells.get(cell)
        if around is None:
            if len(self._cells) >= CELLS_KEPT:
                self._cells.clear()
            south, west = cell[0] * CELL_DEG, cell[1] * CELL_DEG
            middle = south + CELL_DEG / 2, west + CELL_DEG / 2
            # The nearest to a point are no farther from the middle than the count-th nearest to
            # the middle and twice the way to the point.
            corner_km = max(great_circle_km(middle, (south + up, west)) for up in (0.0, CELL_DEG))
            distance_km = self.distance_km(*middle, np.arange(self.count))
            bound_km = np.partition(distance_km, count - 1)[count - 1] + 2.0 * corner_km
            around = self._cells[cell] = (distance_km <= bound_km).nonzero()[0]
        return around


def _vectors(latitude_deg: Floats, longitude_deg: Floats) -> Floats:
    """Unit vectors of shape (n, 3)."""
    latitude, longitude = np.radians(latitude_deg), np.radians(longitude_deg)
    around = np.cos(latitude)
    return np.stack(
        [around * np.cos(longitude), around * np.sin(longitude), np.sin(latitude)], axis=-1
    ).reshape(-1, 3)


def _chord_km(cosine: Floats) -> Floats:
    # Chord, not arc cosine: near 1 the arc cosine loses the last metres.
    half = np.sqrt(np.maximum(0.5 - 0.5 * cosine, 0.0))
    distance: Floats = (2.0 * EARTH_RADIUS_KM) * np.arcsin(np.minimum(half, 1.0))
    return distance


# Krasovsky 1940, on which the Chinese map offset is defined.
_SEMI_MAJOR_M = 6378245.0
_ECCENTRICITY_SQUARED = 0.00669342162296594323


def in_offset_area(latitude_deg: float, longitude_deg: float) -> bool:
    """Whether the Chinese map offset applies there."""
    return 0.8293 <= latitude_deg <= 55.8271 and 72.004 <= longitude_deg <= 137.8347


def gcj02_from_wgs84(latitude_deg: float, longitude_deg: float) -> tuple[float, float]:
    """The offset coordinates of a GPS position; outside China the same position."""
    if not in_offset_area(latitude_deg, longitude_deg):
        return latitude_deg, longitude_deg
    x, y = longitude_deg - 105.0, latitude_deg - 35.0
    wave = 20.0 * math.sin(6.0 * x * math.pi) + 20.0 * math.sin(2.0 * x * math.pi)
    north_m = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x))
    north_m += 2.0 / 3.0 * (wave + _waves(y, (20.0, 1.0), (40.0, 3.0), (160.0, 12.0)))
    north_m += 2.0 / 3.0 * 320.0 * math.sin(y * math.pi / 30.0)
    east_m = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x))
    east_m += 2.0 / 3.0 * (wave + _waves(x, (20.0, 1.0), (40.0, 3.0), (150.0, 12.0)))
    east_m += 2.0 / 3.0 * 300.0 * math.sin(x * math.pi / 30.0)
    latitude = math.radians(latitude_deg)
    flattening = 1.0 - _ECCENTRICITY_SQUARED * math.sin(latitude) ** 2
    meridian_m = _SEMI_MAJOR_M * (1.0 - _ECCENTRICITY_SQUARED) / flattening**1.5
    parallel_m = _SEMI_MAJOR_M / math.sqrt(flattening) * math.cos(latitude)
    return (
        latitude_deg + math.degrees(north_m / meridian_m),
        longitude_deg + math.degrees(east_m / parallel_m),
    )


def _waves(angle: float, *terms: tuple[float, float]) -> float:
    return sum(height * math.sin(angle * math.pi / length) for height, length in terms)


def wgs84_from_gcj02(latitude_deg: float, longitude_deg: float) -> tuple[float, float]:
    """The GPS position of offset coordinates, to better than a centimetre.

    The offset has no closed inverse; it changes so slowly that a few corrections settle it.

    Source: US 12,393,974 B2, step 310 (positioning; the datum is that of devices in China).

    >>> there = gcj02_from_wgs84(22.5431, 114.0579)
    >>> [round(degrees, 6) for degrees in wgs84_from_gcj02(*there)]
    [22.5431, 114.0579]
    """
    latitude, longitude = latitude_deg, longitude_deg
    for _ in range(6):
        seen = gcj02_from_wgs84(latitude, longitude)
        latitude += latitude_deg - seen[0]
        longitude += longitude_deg - seen[1]
    return latitude, longitude
