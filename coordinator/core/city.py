"""A city of districts: which of them are near a car, and when a car has gone over to another.

How districts are asked is in `rpc/city`; how their candidates are sorted in `recommend/districts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coordinator.core.geo import great_circle_km

UNKNOWN_KM = 0.0  # a district of which nothing is known yet may be anywhere, so it is asked


@dataclass(frozen=True, slots=True)
class Area:
    """The rectangle around the stations of a district, WGS84 degrees.

    Source: US 12,393,974 B2, claim 4 (sub-platforms divided by urban areas).
    """

    south_deg: float
    west_deg: float
    north_deg: float
    east_deg: float

    def distance_km(self, place: tuple[float, float]) -> float:
        """Great circle from a place (latitude, longitude) to the rectangle; 0 inside.

        >>> round(Area(22.5, 114.0, 22.6, 114.1).distance_km((22.7, 114.05)), 1)
        11.1
        >>> Area(22.5, 114.0, 22.6, 114.1).distance_km((22.55, 114.05))
        0.0
        """
        latitude, longitude = place
        nearest = (
            min(max(latitude, self.south_deg), self.north_deg),
            min(max(longitude, self.west_deg), self.east_deg),
        )
        return great_circle_km(place, nearest)


Areas = Mapping[str, Area | None]


def near(areas: Areas, place: tuple[float, float], reach_km: float, most: int) -> list[str]:
    """Districts with stations that a car may reach, nearest first, at most so many.

    One whose area is not known yet counts as near. Source: US 12,393,974 B2, claims 4, 5.

    >>> areas = {"a": Area(0, 0, 1, 1), "b": Area(0, 2, 1, 3), "c": None}
    >>> near(areas, (0.5, 1.2), 50.0, 9), near(areas, (0.5, 1.2), 150.0, 2)
    (['c', 'a'], ['c', 'a'])
    """
    away_km = {
        name: UNKNOWN_KM if area is None else area.distance_km(place)
        for name, area in areas.items()
    }
    names = sorted(away_km, key=lambda name: (away_km[name], name))
    return [name for name in names if away_km[name] <= reach_km][:most]


def crossed(areas: Areas, owner: str, place: tuple[float, float]) -> bool:
    """Whether a car is nearer to the stations of another district than to those of its own.

    Source: US 12,393,974 B2, claim 4.

    >>> areas = {"a": Area(0, 0, 1, 1), "b": Area(0, 2, 1, 3)}
    >>> crossed(areas, "a", (0.5, 0.5)), crossed(areas, "a", (0.5, 1.8))
    (False, True)
    """
    own = areas.get(owner)
    if own is None:
        return False
    own_km = own.distance_km(place)
    others = (area for name, area in areas.items() if name != owner and area is not None)
    return any(area.distance_km(place) < own_km for area in others)
