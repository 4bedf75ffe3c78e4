"""Where drivers of the made-up city were going: what the travel model sees, what the driver feels.

Distances come from the production pipeline, people and facilities from the city's bustle.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from city_sim.bustle import Bustle
from city_sim.contentment import Manner, burden_min
from city_sim.demand import Demand
from coordinator.core.recommend.asked import Asked, ask
from coordinator.core.recommend.columns import Columns
from coordinator.core.recommend.context import Context
from coordinator.core.recommend.eta import Drive
from coordinator.core.recommend.travel_columns import Measures, measures
from coordinator.core.vehicle import ChargingRequest

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Journey:
    """One request with a destination and its n candidates; columns are (n,)."""

    asked: Asked
    measured: Measures  # (1, n)
    people_per_h: Float64
    traffic_grade: Float64
    facilities: Float64

    @property
    def late_min(self) -> Float64:
        """Minutes after the time the driver wanted to be there."""
        late_min = np.broadcast_to(self.measured.late_min, self.measured.walk_km.shape)
        return np.asarray(late_min[0], dtype=np.float64)

    def felt_min(self, manner: Manner) -> Float64:
        """What each place costs this driver, as `contentment.burden_min` says."""
        return burden_min(
            manner,
            self.asked.requests[0].purpose,
            self.measured.walk_km[0],
            self.measured.detour_min[0],
            self.late_min,
            self.people_per_h,
            self.traffic_grade,
            self.facilities,
        )


def request_of(demand: Demand) -> ChargingRequest:
    """The request that a car of the made-up city sends."""
    return ChargingRequest(
        demand.car_id,
        demand.car_id,
        demand.vehicle,
        demand.soc_pct,
        demand.latitude_deg,
        demand.longitude_deg,
        user_id=demand.user_id,
        target_soc_pct=demand.target_soc_pct,
        destination=demand.destination,
        purpose=demand.purpose,
        charge_place=demand.charge_place,
        arrive_by_s=demand.arrive_by_s,
    )


def journey(demand: Demand, context: Context, columns: Columns, bustle: Bustle) -> Journey | None:
    """The journey of a request whose candidates are `columns`; None without a destination."""
    if demand.destination is None:
        return None
    asked = ask([request_of(demand)], [context], demand.at_s)
    drive = Drive(*(getattr(columns.drive, field.name)[None] for field in fields(Drive)))
    measured = measures(asked, drive, columns.wait.expected_s[None], columns.charge_s[None])
    stations = columns.candidates.stations[columns.candidates.place]
    return Journey(
        asked,
        measured,
        bustle.people_per_h(float(asked.hour[0, 0]))[stations],
        np.broadcast_to(np.asarray(columns.traffic_grade, dtype=np.float64), stations.shape),
        bustle.facilities[stations],
    )
