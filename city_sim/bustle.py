"""What is around each station of the made-up city: people passing by, facilities of the road.

What drivers make of it is in `contentment.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from city_sim.city import City
from coordinator.core.recommend.travel_columns import USUAL_PEOPLE_PER_H

Float64 = NDArray[np.float64]

_BASE_PER_H = 150.0  # median away from where demand is hot, over the day
_HOT_PER_H = 4_000.0  # in the middle of a spot that has all of the hot demand


@dataclass(frozen=True, slots=True)
class Bustle:
    """One row a station of the city: mean flow of people over the day, road facilities 0-100."""

    mean_people_per_h: Float64
    facilities: Float64

    def people_per_h(self, hour: float) -> Float64:
        """The flow at this hour: every place has the day that is usual, at its own height."""
        share = USUAL_PEOPLE_PER_H[int(hour) % 24] / USUAL_PEOPLE_PER_H.mean()
        return np.asarray(self.mean_people_per_h * share)


def generate_bustle(seed: int, city: City) -> Bustle:
    """Depends on the seed alone: people gather in hot spots, facilities are anyhow."""
    rng = np.random.default_rng([seed, 8])
    lat = np.array([station.latitude_deg for station in city.stations])
    lon = np.array([station.longitude_deg for station in city.stations])
    plane = city.frame.plane(lat, lon)
    people = _BASE_PER_H * np.exp(rng.normal(0.0, 0.9, len(lat)))
    for spot in city.hot_spots:
        away = np.hypot(plane[:, 0] - spot.east_km, plane[:, 1] - spot.north_km)
        people += _HOT_PER_H * spot.share * np.exp(-0.5 * (away / spot.spread_km) ** 2)
    return Bustle(people, rng.uniform(0.0, 100.0, len(lat)))
