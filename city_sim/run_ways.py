"""Ways of a run's cars as straight legs: point demand, who passed which station, load of cells.

Unguided demand is the same cars, each on its way to the nearest station.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from city_sim.cars import Car
from city_sim.city import StraightTravel, Travel
from coordinator.core.district import District
from coordinator.core.indexes import point_demand_km, traffic
from coordinator.core.passing import cars_passing, cell_loads, in_step, plane_km
from coordinator.core.roads import DETOUR_FACTOR

Float64 = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Legs:
    """Starts and ends in plane km, (n, 2), and whose each leg is."""

    starts: Float64
    ends: Float64
    car: Index

    @property
    def km(self) -> Float64:
        """Length of each leg, straight."""
        return np.asarray(np.sqrt(((self.ends - self.starts) ** 2).sum(axis=1)))


def way_figures(district: District, travel: Travel, asked: Sequence[Car]) -> dict[str, float]:
    """Point demand, cars passing, mean and greatest load, what guiding changed of the loads."""
    driven, unguided = driven_legs(district, asked), unguided_legs(district, asked)
    detour = travel.road_factor if isinstance(travel, StraightTravel) else DETOUR_FACTOR
    total_km = point_demand_km(driven.km * detour)
    loads = [cell_loads(legs.starts, legs.ends, legs.car) for legs in (driven, unguided)]
    guided, free = in_step(*loads)
    load = traffic(guided, None, free)
    passing = cars_passing(driven.starts, driven.ends, driven.car, places_km(district))
    return {
        "point_demand_km": total_km,
        "mean_distance_km": total_km / max(len(asked), 1),
        "cars_passing": float(passing.sum()),
        "mean_edge_load": load.mean_load,
        "max_edge_load": load.max_load,
        "mean_load_change": load.mean_change,
        "max_load_change": load.max_change,
    }


def driven_legs(district: District, asked: Sequence[Car]) -> Legs:
    """What was driven, one leg from each turn of the way to the next."""
    rows = [
        (car.index, *before, *after)
        for car in asked
        for before, after in pairwise(car.way)
        if before != after
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    origin = origin_of(district)
    starts, ends = plane_km(table[:, 1:3], origin), plane_km(table[:, 3:5], origin)
    return Legs(starts, ends, table[:, 0].astype(np.intp))


def unguided_legs(district: District, asked: Sequence[Car]) -> Legs:
    """From where each car asked to the nearest station."""
    at = [(car.demand.latitude_deg, car.demand.longitude_deg) for car in asked]
    starts = plane_km(np.array(at, dtype=np.float64).reshape(-1, 2), origin_of(district))
    places = places_km(district)
    ends = places[nearest_stations(starts, places)]
    return Legs(starts, ends, np.array([car.index for car in asked], dtype=np.intp))


def nearest_stations(points_km: Float64, places: Float64) -> Index:
    """The nearest place of each point."""
    away = ((points_km[:, None, :] - places[None, :, :]) ** 2).sum(axis=-1)
    return np.asarray(away.argmin(axis=1), dtype=np.intp)


def places_km(district: District) -> Float64:
    """Where the stations are, plane km."""
    places = np.stack([district.station_lat_deg, district.station_lon_deg], axis=-1)
    return plane_km(places, origin_of(district))


def origin_of(district: District) -> tuple[float, float]:
    """The middle of the stations."""
    return float(district.station_lat_deg.mean()), float(district.station_lon_deg.mean())
