"""Outlines for maps: the district, and the charging areas that cars are promised now.

A polygon around stations, with a margin, so that one station has an outline too. Nothing tells
whose a charging area is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coordinator.core.pile import Station
from coordinator.usecases.promises import Promise

Place = tuple[float, float]  # longitude, latitude, degrees

DISTRICT, AREA = "district", "charging_area"  # what `kind` says; a station is "station"
MARGIN_KM = 0.3
_KM_PER_DEG = 111.2
_DECIMALS = 5  # of a degree: a metre


@dataclass(frozen=True, slots=True)
class Shapes:
    """What is outlined: the district's name, and cars by the stations of their charging area."""

    district: str = ""
    areas: Mapping[tuple[str, ...], int] = field(default_factory=dict)


def areas_of(promises: Iterable[Promise]) -> dict[tuple[str, ...], int]:
    """How many cars are on their way to each charging area; one that has come needs none."""
    underway = (p for p in promises if p.arrived_link_s == -math.inf and p.claim_id)
    return dict(Counter(tuple(p.answer.area) for p in underway if p.answer.area))


def outlines(stations: Sequence[Station], shapes: Shapes) -> list[dict[str, Any]]:
    """Features with a Polygon each: the district first, then its charging areas."""
    if not stations:
        return []
    places = {station.station_id: station for station in stations}
    made = [
        _feature(
            f"{DISTRICT}:{shapes.district}", stations,
            {"kind": DISTRICT, "name": shapes.district, "station_count": len(stations)},
        )
    ]  # fmt: skip
    for members, cars in shapes.areas.items():
        inside = [places[member] for member in members if member in places]
        if inside:
            ids = [station.station_id for station in inside]
            told = {"kind": AREA, "name": inside[0].name or ids[0], "station_ids": ids,
                    "car_count": cars}  # fmt: skip
            made.append(_feature(f"{AREA}:{'+'.join(ids)}", inside, told))
    return made


def _feature(name: str, around: Iterable[Station], told: dict[str, Any]) -> dict[str, Any]:
    corners = [corner for station in around for corner in _corners(station)]
    ring = [[round(lon, _DECIMALS), round(lat, _DECIMALS)] for lon, lat in hull(corners)]
    geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    return {"type": "Feature", "id": name, "geometry": geometry, "properties": told}


def _corners(station: Station) -> list[Place]:
    """Those of a square around it, within the degrees that there are."""
    lon, lat = station.longitude_deg, station.latitude_deg
    north = MARGIN_KM / _KM_PER_DEG
    east = north / max(0.01, math.cos(math.radians(lat)))
    return [
        (min(180.0, max(-180.0, lon + x * east)), min(90.0, max(-90.0, lat + y * north)))
        for x in (-1, 1)
        for y in (-1, 1)
    ]


def hull(places: Iterable[Place]) -> list[Place]:
    """The convex hull, counter-clockwise as GeoJSON wants it, by Andrew's monotone chain.

    >>> hull([(0.0, 0.0), (2.0, 0.0), (1.0, 0.5), (2.0, 2.0), (0.0, 2.0), (1.0, 0.0)])
    [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]
    """
    ordered = sorted(set(places))
    if len(ordered) < 3:
        return ordered
    return _chain(ordered)[:-1] + _chain(ordered[::-1])[:-1]


def _chain(ordered: Sequence[Place]) -> list[Place]:
    """The half of the hull that turns left from the first place to the last."""
    made: list[Place] = []
    for x, y in ordered:
        while len(made) > 1:
            (ax, ay), (bx, by) = made[-2:]
            if (bx - ax) * (y - ay) > (by - ay) * (x - ax):
                break
            made.pop()
        made.append((x, y))
    return made
