"""Refuses a car that stands on another part of the earth: its coordinates are wrong, not its luck.

Looked at only where nothing can be recommended, so that nobody else pays for it.
"""

from __future__ import annotations

import numpy as np

from coordinator.core.district import District
from coordinator.core.geo import great_circle_km
from coordinator.core.vehicle import ChargingRequest
from coordinator.errors import FieldFault, FieldInvalid

FAR_KM = 1_000.0  # no car drives so far on one charge


def refuse_elsewhere(district: District, request: ChargingRequest) -> None:
    """Raises `FieldInvalid` if every station is farther than any car can drive."""
    if not len(district.station_lat_deg):
        return
    here = request.latitude_deg, request.longitude_deg
    # Near enough for which is nearest; the distance itself is exact.
    around = np.abs((district.station_lon_deg - here[1] + 180.0) % 360.0 - 180.0)
    nearest = int(np.argmin(np.abs(district.station_lat_deg - here[0]) + around))
    there = float(district.station_lat_deg[nearest]), float(district.station_lon_deg[nearest])
    away_km = great_circle_km(here, there)
    if away_km > FAR_KM:
        raise FieldInvalid(
            FieldFault(
                "position",
                f"is {away_km:,.0f} km from this district; are latitude and longitude swapped?",
            )
        )
