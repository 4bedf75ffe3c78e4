"""How far and how long it is along the road, and how busy the way is.

Without a road network the great circle is stretched and everything says ESTIMATED; speeds come from
the hour of the day and say DEFAULT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from coordinator.core.geo import great_circle_km

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

DETOUR_FACTOR = 1.3  # road over great circle, without a network
FREE_SPEED_KMH = 40.0  # streets of a city without traffic

# Mean speed over free speed by hour of the day, the two rush hours of a Chinese working day.
HOURLY_SPEED_SHARE: tuple[float, ...] = (
    (1.0,) * 6 + (0.85, 0.6, 0.5, 0.6, 0.7, 0.7) + (0.7, 0.7, 0.7, 0.65, 0.6, 0.5)
) + (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

GRADE_BOUNDS = (0.8, 0.6, 0.4, 0.25)  # speed / free speed above which the grade is 1, 2, 3, 4


def each_distance_km(
    roads: Roads, points_deg: Floats, stations: Index, straight_km: Floats
) -> Floats:
    """Along the road from points (r, 2) to the stations (r, k) of each, km.

    Source: US 12,393,974 B2, step 320.
    """
    if isinstance(roads, EstimatedRoads):
        return straight_km * roads.detour_factor
    return np.stack(
        [
            roads.distance_km(point[0], point[1], rows, km)
            for point, rows, km in zip(points_deg.tolist(), stations, straight_km, strict=True)
        ]
    )


def each_grade(
    roads: Roads, points_deg: Floats, stations: Index, hours: Sequence[float]
) -> Floats | float:
    """Traffic grades of the ways from points (r, 2) to the stations (r, k) of each, or one.

    Source: paper 2.3.2.3.
    """
    if isinstance(roads, EstimatedRoads) and len(set(hours)) == 1:
        return roads.grades(points_deg[0, 0], points_deg[0, 1], stations[0], hours[0])
    return np.stack(
        [
            np.broadcast_to(roads.grades(point[0], point[1], rows, hour), rows.shape)
            for point, rows, hour in zip(points_deg.tolist(), stations, hours, strict=True)
        ]
    )


def traffic_grade(speed_share: float) -> int:
    """Traffic grade 1 (free) to 5 (jam) of a speed as a share of the free speed.

    Source: paper 2.3.2.3.

    >>> [traffic_grade(share) for share in (0.9, 0.8, 0.5, 0.3, 0.1)]
    [1, 2, 3, 4, 5]
    """
    return 1 + sum(speed_share <= bound for bound in GRADE_BOUNDS)


class Roads(Protocol):
    """What the pipeline asks of a road network, real or estimated. Source: paper 2.3.2.3."""

    @property
    def quality(self) -> str:
        """EXACT or ESTIMATED."""
        ...

    def distance_km(
        self, latitude_deg: float, longitude_deg: float, stations: Index, straight_km: Floats
    ) -> Floats:
        """Along the road from a point to stations (rows of the district), km, shape (n,)."""
        ...

    def between_km(self, from_deg: tuple[float, float], to_deg: tuple[float, float]) -> float:
        """Along the road between two points, km."""
        ...

    def speed_kmh(self, hour: float) -> float:
        """Mean speed at this local hour of the day, km/h."""
        ...

    @property
    def free_speed_kmh(self) -> float:
        """Mean speed without traffic, km/h."""
        ...

    def grades(
        self, latitude_deg: float, longitude_deg: float, stations: Index, hour: float
    ) -> Floats | float:
        """Traffic grades 1-5 of the ways to these stations, or one for all."""
        ...


@dataclass(frozen=True, slots=True)
class EstimatedRoads:
    """Great circle times a factor, speed by the hour of the day.

    Source: paper 2.3.2.3.

    >>> roads = EstimatedRoads()
    >>> roads.speed_kmh(3.0), roads.speed_kmh(8.5), roads.grades(0, 0, np.arange(0), 8.5)
    (40.0, 22.0, 3.0)
    """

    detour_factor: float = DETOUR_FACTOR
    free_speed_kmh: float = FREE_SPEED_KMH
    hourly_share: tuple[float, ...] = HOURLY_SPEED_SHARE
    quality: str = "ESTIMATED"

    def distance_km(
        self, latitude_deg: float, longitude_deg: float, stations: Index, straight_km: Floats
    ) -> Floats:
        """The great circle, stretched, km."""
        return straight_km * self.detour_factor

    def between_km(self, from_deg: tuple[float, float], to_deg: tuple[float, float]) -> float:
        """The great circle between two points, stretched, km."""
        return great_circle_km(from_deg, to_deg) * self.detour_factor

    def _share(self, hour: float) -> float:
        before = int(hour) % len(self.hourly_share)
        part = hour - int(hour)
        after = (before + 1) % len(self.hourly_share)
        return self.hourly_share[before] * (1.0 - part) + self.hourly_share[after] * part

    def speed_kmh(self, hour: float) -> float:
        """Free speed times the share of this hour, km/h."""
        return self.free_speed_kmh * self._share(hour)

    def grades(
        self, latitude_deg: float, longitude_deg: float, stations: Index, hour: float
    ) -> Floats | float:
        """The grade of this hour, the same for every way."""
        return float(traffic_grade(self._share(hour)))
