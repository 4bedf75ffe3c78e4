"""The drive to each candidate: distance, time, charge on arrival, detour (step 330).

Travel *time* is here; travel *demand* is in `travel.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend import way
from coordinator.core.recommend.asked import Asked
from coordinator.core.recommend.found import Candidates
from coordinator.core.recommend.layout import Layout
from coordinator.core.roads import each_distance_km

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drive:
    """One column an aspect, shape (r, n); `destination_km` is NaN without a destination.

    Source: US 12,393,974 B2, step 330.
    """

    distance_km: Floats
    drive_s: Floats
    drive_p90_s: Floats
    arrival_soc_pct: Floats
    detour_km: Floats
    detour_s: Floats
    destination_km: Floats
    onward_s: Floats  # from the pile to the destination by car, 0 without one


def drive(layout: Layout, candidates: Candidates, asked: Asked) -> Drive:
    """The drive to each candidate at the request's speed and consumption.

    Source: US 12,393,974 B2, step 330 (time information from traffic, power and vehicle).
    """
    stations = candidates.near.stations
    distance_km = candidates.of_station(candidates.near.station_km)
    second_per_km = 3600.0 / asked.speed_kmh
    factor = way.speed_factor(asked, stations)
    if factor is not None:
        second_per_km = second_per_km / candidates.of_station(factor)
    drive_s = distance_km * second_per_km
    used_pct = distance_km * asked.soc_per_km
    climb_pct = way.climb_pct(asked, stations)
    if climb_pct is not None:
        used_pct += candidates.of_station(climb_pct)
    arrival = np.maximum(asked.soc_pct - used_pct, 0.0)
    p90_s = drive_s * asked.rules.drive_p90
    if not asked.has_destination.any():
        zero = np.zeros(distance_km.shape)
        unknown = np.full(distance_km.shape, np.nan)
        return Drive(distance_km, drive_s, p90_s, arrival, zero, zero, unknown, zero)
    straight_km = layout.places.distances_km(asked.destination, stations)
    onward_km = each_distance_km(asked.roads, asked.destination, stations, straight_km)
    direct_km = np.array(
        [
            asked.roads.between_km(
                (request.latitude_deg, request.longitude_deg), request.destination
            )
            if request.destination is not None
            else 0.0
            for request in asked.requests
        ]
    )[:, None]
    onward_km = np.where(asked.has_destination, onward_km, 0.0)
    detour_km = np.maximum(candidates.near.station_km + onward_km - direct_km, 0.0)
    detour_km = candidates.of_station(np.where(asked.has_destination, detour_km, 0.0))
    return Drive(
        distance_km,
        drive_s,
        p90_s,
        arrival,
        detour_km,
        detour_km * second_per_km,
        candidates.of_station(straight_km),
        candidates.of_station(onward_km) * second_per_km,
    )
