"""One drawn scene: where cars and piles are, who charged where how often, how the ways are loaded.

What the ways to choose make of it is in `methods.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from city_sim.paper.configurations import Configuration
from city_sim.paper.sizes import HEIGHT_KM, WIDTH_KM, Size

Floats = NDArray[np.float64]

FLOOR_KM = 0.01  # below it a distance does not count
# The paper gives no car and no pile: one of each kind, and one tariff for all.
RATED_KWH, POWER_KW, SPEED_KMH = 60.0, 60.0, 20.0
KWH_PER_KM, PRICE_PER_KWH = 0.15, 1.2
LEFT_SHARE = (0.1, 0.6)  # of the battery, when a car asks


@dataclass(frozen=True, slots=True)
class Instance:
    """Columns of n cars and s stations. Source: paper 3, Fig. 4, 5, 7, 9."""

    size: Size
    whole: bool  # c and L are scaled over all cars, not car by car
    cars_km: Floats  # (n, 2), east and north
    stations_km: Floats  # (s, 2)
    distance_km: Floats  # (n, s)
    counts: Floats  # (n, s), c of Eq. (3)
    load: Floats  # (n, s), L of Eq. (8); more is worse
    left_kwh: Floats  # (n,), E_p of Eq. (7)

    @property
    def cars(self) -> int:
        """How many cars."""
        return len(self.distance_km)


def draw(configuration: Configuration, size: Size, seed: int) -> Instance:
    """The scene of a seed. Places are the same for one seed, whatever the configuration."""
    places, counts, loads, charge = (np.random.default_rng([seed, part]) for part in range(4))
    edges_km = (WIDTH_KM, HEIGHT_KM)
    cars_km = places.uniform((0.0, 0.0), edges_km, (size.cars, 2))
    stations_km = places.uniform((0.0, 0.0), edges_km, (size.stations, 2))
    away_km = cars_km[:, None, :] - stations_km[None, :, :]
    distance_km = np.maximum(np.sqrt((away_km**2).sum(axis=2)), FLOOR_KM)
    count, load = configuration.law(distance_km, counts, loads)
    left_kwh = RATED_KWH * charge.uniform(*LEFT_SHARE, size.cars)
    return Instance(
        size, configuration.whole, cars_km, stations_km, distance_km, count, load, left_kwh
    )
