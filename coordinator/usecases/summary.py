"""What a district tells its city of itself: figures of the moment, and the area of its stations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from coordinator.clock import Clock
from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.pile import EvseStatus
from coordinator.usecases.district_view import DistrictView


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of a district; `area` is south, west, north, east in degrees.

    None where there are no stations.
    """

    district_id: str
    by_status: dict[str, int]
    claims: int
    agents: int
    stations: int
    observed_at_s: float
    area: tuple[float, float, float, float] | None


@dataclass(slots=True)
class Summarizer:
    """Counts what there is; a few array operations, so that it may be asked every second."""

    district_id: str
    view: DistrictView
    claims: ClaimTable
    agents: Callable[[], int]
    clock: Clock

    def now(self) -> Summary:
        """The figures of now; a status not heard of in time counts as UNKNOWN."""
        district = self.view.district
        counted = np.bincount(self.view.statuses()[: len(district)], minlength=len(EvseStatus))
        area = None
        if district.stations:
            lat, lon = district.station_lat_deg, district.station_lon_deg
            area = float(lat.min()), float(lon.min()), float(lat.max()), float(lon.max())
        return Summary(
            self.district_id,
            {EvseStatus(status).name: n for status, n in enumerate(counted.tolist()) if n},
            sum(1 for _ in self.claims.live()),
            self.agents(),
            len(district.stations),
            self.clock.now_s(),
            area,
        )
