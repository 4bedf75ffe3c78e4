"""Stations and ways of a made-up city: positions, plugs, driving times, charging times.

Who drives is in `population.py`, what happens in `engine.py`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.vehicle import Vehicle

Float64 = NDArray[np.float64]

ROAD_FACTOR = 1.3
CITY_SPEED_KMH = 25.0
EARTH_RADIUS_KM = 6371.0088


class Travel(Protocol):
    """How long it takes to get from a position to every station of a district."""

    def drive_s(self, latitude_deg: float, longitude_deg: float, at_s: float) -> Float64:
        """Seconds, shape (n_station,), when leaving at `at_s`."""
        ...


class StraightTravel:
    """Great circle × 1.3 at the constant speed of the city: what the product assumes without roads.

    Source: rules.md 1 and 9 of the house; the speed is the one of `coordinator`'s travel time.
    """

    def __init__(
        self,
        district: District,
        speed_kmh: float = CITY_SPEED_KMH,
        road_factor: float = ROAD_FACTOR,
    ) -> None:
        self._lat_deg = district.station_lat_deg
        self._lon_deg = district.station_lon_deg
        self._s_per_km = 3600.0 * road_factor / speed_kmh

    def drive_s(self, latitude_deg: float, longitude_deg: float, at_s: float) -> Float64:
        """Seconds to every station, the same at every hour."""
        km = great_circle_km(latitude_deg, longitude_deg, self._lat_deg, self._lon_deg)
        return km * self._s_per_km


def great_circle_km(
    lat_deg: float, lon_deg: float, lats_deg: Float64, lons_deg: Float64
) -> Float64:
    """Distances in km from one position to many, on a sphere.

    >>> round(float(great_circle_km(0.0, 0.0, np.array([0.0]), np.array([1.0]))[0]), 2)
    111.2
    """
    lat, lats = np.radians(lat_deg), np.radians(lats_deg)
    half_lat, half_lon = (lats - lat) / 2, np.radians(lons_deg - lon_deg) / 2
    chord = np.sin(half_lat) ** 2 + np.cos(lat) * np.cos(lats) * np.sin(half_lon) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(chord, 0.0, 1.0))))


def charging_s(vehicle: Vehicle, power_kw: float, dc: bool, soc_pct: float, to_pct: float) -> float:
    """Seconds at the plug from one state of charge to another, set-up included; taper above 80 %.

    >>> round(charging_s(Vehicle(battery_kwh=60.0, setup_s=0.0), 60.0, True, 20.0, 80.0))
    2160
    """
    limit_kw = vehicle.max_dc_power_kw if dc else vehicle.max_ac_power_kw
    peak_kw = max(min(power_kw, limit_kw or power_kw), 0.1)
    steps = np.linspace(soc_pct, max(to_pct, soc_pct), 101)
    middle = (steps[:-1] + steps[1:]) / 2
    taper = np.clip((100.0 - middle) / 20.0, 0.05, 1.0) if dc else np.ones(100)
    kwh = vehicle.battery_kwh * np.diff(steps) / 100.0
    return vehicle.setup_s + float(np.sum(kwh / (peak_kw * taper)) * 3600.0)
