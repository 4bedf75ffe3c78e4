"""Stations and ways of a made-up city: positions, plugs, driving times, charging times.

Who drives is in `population.py`, what happens in `engine.py`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from coordinator.core import charging
from coordinator.core.district import District
from coordinator.core.geo import Places
from coordinator.core.roads import DETOUR_FACTOR
from coordinator.core.vehicle import Vehicle

Float64 = NDArray[np.float64]

ROAD_FACTOR = DETOUR_FACTOR
CITY_SPEED_KMH = 25.0  # a city in its busy hours


class Travel(Protocol):
    """How long it takes to get from a position to every station of a district."""

    def drive_s(self, latitude_deg: float, longitude_deg: float, at_s: float) -> Float64:
        """Seconds, shape (n_station,), when leaving at `at_s`."""
        ...


class StraightTravel:
    """Great circle × 1.3 at one speed: roads as the coordinator assumes them without a network."""

    def __init__(
        self,
        district: District,
        speed_kmh: float = CITY_SPEED_KMH,
        road_factor: float = ROAD_FACTOR,
    ) -> None:
        self._places = Places(district.station_lat_deg, district.station_lon_deg)
        self._every = np.arange(self._places.count)
        self._s_per_km = 3600.0 * road_factor / speed_kmh

    def drive_s(self, latitude_deg: float, longitude_deg: float, at_s: float) -> Float64:
        """Seconds to every station, the same at every hour."""
        km = self._places.distance_km(latitude_deg, longitude_deg, self._every)
        return km * self._s_per_km


def charging_s(
    vehicle: Vehicle, power_kw: Float64, dc: NDArray[np.bool_], soc_pct: float, to_pct: float
) -> Float64:
    """Seconds at plugs of these powers from one state of charge to another, set-up included.

    Tapers as the coordinator expects it to, so that promise and city agree.

    >>> car = Vehicle(60.0, charging_curve=((0, 60.0), (100, 60.0)), setup_s=0.0)
    >>> charging_s(car, np.array([60.0]), np.array([True]), 20.0, 80.0).round().tolist()
    [2160.0]
    """
    arrival = np.full(power_kw.shape, soc_pct)
    seconds, _, _ = charging.session(vehicle, arrival, to_pct, power_kw, dc)
    return seconds + vehicle.setup_s
