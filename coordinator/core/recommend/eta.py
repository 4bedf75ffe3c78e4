"""The drive to each candidate: distance, time, charge on arrival, detour (step 330).

Travel *time* is here; travel *demand* is in `travel.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.candidates import Candidates
from coordinator.core.recommend.context import Context
from coordinator.core.recommend.layout import Layout
from coordinator.core.vehicle import ChargingRequest

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drive:
    """One column an aspect, shape (n,); `destination_km` is NaN without a destination."""

    distance_km: Floats
    drive_s: Floats
    drive_p90_s: Floats
    arrival_soc_pct: Floats
    detour_km: Floats
    detour_s: Floats
    destination_km: Floats
    onward_s: Floats  # from the pile to the destination by car, 0 without one

    def take(self, keep: NDArray[np.intp]) -> Drive:
        """The same of only these candidates, in this order."""
        return Drive(
            self.distance_km[keep],
            self.drive_s[keep],
            self.drive_p90_s[keep],
            self.arrival_soc_pct[keep],
            self.detour_km[keep],
            self.detour_s[keep],
            self.destination_km[keep],
            self.onward_s[keep],
        )


def drive(
    layout: Layout,
    candidates: Candidates,
    request: ChargingRequest,
    context: Context,
    kwh_per_km: float,
    speed_kmh: float,
) -> Drive:
    """The drive to each candidate at this speed and consumption.

    Source: US 12,393,974 B2, step 330 (time information from traffic, power and vehicle).
    """
    place = candidates.place
    distance_km = candidates.station_km[place]
    second_per_km = 3600.0 / speed_kmh
    drive_s = distance_km * second_per_km
    soc_per_km = 100.0 * kwh_per_km / request.vehicle.battery_kwh
    arrival = np.maximum(request.soc_pct - distance_km * soc_per_km, 0.0)
    p90_s = drive_s * context.rules.drive_p90
    if request.destination is None:
        zero = np.zeros(len(place))
        unknown = np.full(len(place), np.nan)
        return Drive(distance_km, drive_s, p90_s, arrival, zero, zero, unknown, zero)
    here = request.latitude_deg, request.longitude_deg
    straight_km = layout.places.distance_km(*request.destination, candidates.stations)
    onward_km = context.roads.distance_km(*request.destination, candidates.stations, straight_km)
    direct_km = context.roads.between_km(here, request.destination)
    detour_km = np.maximum(candidates.station_km + onward_km - direct_km, 0.0)[place]
    return Drive(
        distance_km,
        drive_s,
        p90_s,
        arrival,
        detour_km,
        detour_km * second_per_km,
        straight_km[place],
        onward_km[place] * second_per_km,
    )


def speed_kmh(request: ChargingRequest, context: Context, hour: float) -> float:
    """Mean speed on the way at this hour, km/h; below 10 % charge the car saves energy."""
    usual = context.roads.speed_kmh(hour)
    return usual * context.rules.eco_share if request.soc_pct < context.rules.eco_soc_pct else usual
