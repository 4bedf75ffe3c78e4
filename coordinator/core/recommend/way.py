"""What the surroundings make of the way to a station: slower in traffic, dearer uphill.

What is known of cells is in `surroundings.py`. Where nothing is known, the hour of the day and a
flat road stand in, and nothing is computed here.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from coordinator.core import energy
from coordinator.core.recommend.asked import Asked
from coordinator.core.roads import GRADE_BOUNDS, each_grade

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

# Speed over free speed in the middle of each grade 1-5. Source: rules.md 4 (bounds of the grades).
_EDGES = (1.0, *GRADE_BOUNDS, 0.15)
SHARES = np.array([(high + low) / 2.0 for high, low in itertools.pairwise(_EDGES)])


def speed_share(grade: Floats) -> Floats:
    """Speed over free speed of traffic grades, between them in proportion.

    Source: paper 2.3.2.3 (traffic flow on the way).

    >>> speed_share(np.array([1.0, 3.0, 5.0])).round(3).tolist()
    [0.9, 0.5, 0.2]
    """
    share: Floats = np.interp(grade, np.arange(1.0, 6.0), SHARES)
    return share


def grade_of(share: float) -> float:
    """The traffic grade, 1-5 in parts, of a speed over the free speed.

    Source: paper 2.3.2.3.

    >>> [round(grade_of(share), 2) for share in (1.0, 0.9, 0.6, 0.5, 0.1)]
    [1.0, 1.0, 2.5, 3.0, 5.0]
    """
    return float(np.interp(share, SHARES[::-1], np.arange(5.0, 0.0, -1.0)))


def grades(asked: Asked, stations: Index) -> Floats | float:
    """Traffic grades of the ways to the stations (r, k): the mean of both ends where one is known.

    An end of which nothing is known has the grade of the roads at this hour. Source: paper 2.3.2.3.
    """
    usual = each_grade(asked.roads, asked.here, stations, asked.hour[:, 0].tolist())
    ends = _ends(asked, stations)
    if ends is None:
        return usual
    here, there = ends
    mean: Floats = (
        np.where(here == here, here, usual) + np.where(there == there, there, usual)
    ) / 2
    return np.broadcast_to(mean, stations.shape)


def speed_factor(asked: Asked, stations: Index) -> Floats | None:
    """Speed on the ways (r, k) over the speed by the hour of the day; None where nothing is known.

    Source: US 12,393,974 B2, step 330 (traffic information).
    """
    ends = _ends(asked, stations)
    if ends is None:
        return None
    here, there = ends
    hourly = np.array([[asked.roads.speed_kmh(hour)] for hour in asked.hour[:, 0].tolist()])
    free = np.array([[asked.roads.free_speed_kmh]])
    usual = hourly / free
    share_here = np.where(here == here, speed_share(here), usual)
    share_there = np.where(there == there, speed_share(there), usual)
    factor: Floats = (share_here + share_there) / 2.0 / usual
    return factor


def climb_pct(asked: Asked, stations: Index) -> Floats | None:
    """Per cent of the battery that lifting the car to each station takes (r, k); None: flat.

    Source: paper 2.2.2 (climbing). What rolling down gives back is not counted.
    """
    context = asked.contexts[0].stations
    if context is None or not context.any_height:
        return None
    here = _of_cars(asked, "height_m")
    gain_m = context.height_m[stations] - here
    gain_m = np.where(gain_m > 0, gain_m, 0.0)  # NaN is no gain
    kwh: Floats = energy.climbing_kwh(gain_m)
    return 100.0 * kwh / asked.battery_kwh


def _ends(asked: Asked, stations: Index) -> tuple[Floats, Floats] | None:
    """Grades where each car is (r, 1) and where the stations are (r, k), NaN: unknown."""
    context = asked.contexts[0].stations
    if context is not None and context.any_grade:
        return _of_cars(asked, "traffic_grade"), context.traffic_grade[stations]
    if any(context.traffic_grade is not None for context in asked.contexts):
        return _of_cars(asked, "traffic_grade"), np.full(stations.shape, np.nan)
    return None


def _of_cars(asked: Asked, name: str) -> Floats:
    """A value where each car is, (r, 1), NaN: unknown."""
    values = [getattr(context, name) for context in asked.contexts]
    return np.array([[np.nan if value is None else value] for value in values])
