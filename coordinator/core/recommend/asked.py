"""Several requests side by side: per-request values as columns of shape (r, 1).

Requests that arrive together are judged together, because a numpy call costs as much for one
request as for ten. Nothing here or below lets one request influence another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core import energy
from coordinator.core.charging import peak_dc_kw
from coordinator.core.recommend.context import Context
from coordinator.core.recommend.rules import Rules
from coordinator.core.roads import Roads
from coordinator.core.vehicle import ChargePlace, ChargingRequest, Vehicle

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Asked:
    """Requests, the world around each, and their numbers; the world's constants are shared.

    Source: US 12,393,974 B2, step 310.
    """

    requests: Sequence[ChargingRequest]
    contexts: Sequence[Context]
    roads: Roads
    rules: Rules
    now_s: float
    here: Floats  # (r, 2) degrees
    soc_pct: Floats
    target_soc_pct: Floats
    battery_kwh: Floats
    soc_per_km: Floats  # per cent of the battery that a km takes
    reach_km: Floats  # remaining power x safety factor carries so far
    speed_kmh: Floats
    hour: Floats
    ac_kw: Floats
    dc_kw: Floats
    has_destination: NDArray[np.bool_]
    destination: Floats  # (r, 2) degrees, NaN without one

    def __len__(self) -> int:
        return len(self.requests)

    def only(self, rows: Sequence[int]) -> Asked:
        """The same with only these requests."""
        return ask(
            [self.requests[row] for row in rows], [self.contexts[row] for row in rows], self.now_s
        )


def ask(requests: Sequence[ChargingRequest], contexts: Sequence[Context], now_s: float) -> Asked:
    """The columns of these requests; roads and rules are those of the first context.

    Source: US 12,393,974 B2, step 310: the remaining power and the position of each; how far the
    power carries.
    """
    roads, rules = contexts[0].roads, contexts[0].rules
    speeds: dict[float, float] = {}
    rows = []
    for request, context in zip(requests, contexts, strict=True):
        hour = context.hour_of(now_s)
        speed_kmh = speeds.get(hour)
        if speed_kmh is None:
            speed_kmh = speeds[hour] = roads.speed_kmh(hour)
        rows.append(_row(request, context, rules, hour, speed_kmh))
    table = np.array(rows, dtype=np.float64)
    (
        latitude, longitude, soc, target, battery, soc_per_km, reach, speed, hours, ac, dc,
        north, east,
    ) = (table[:, [column]] for column in range(table.shape[1]))  # fmt: skip
    return Asked(
        requests, contexts, roads, rules, now_s, np.hstack([latitude, longitude]), soc, target,
        battery, soc_per_km, reach, speed, hours, ac, dc, north == north,
        np.hstack([north, east]),
    )  # fmt: skip


def _row(
    request: ChargingRequest, context: Context, rules: Rules, hour: float, speed_kmh: float
) -> tuple[float, ...]:
    """The numbers of one request, in the order in which `ask` takes them apart."""
    vehicle = request.vehicle
    if request.soc_pct < rules.eco_soc_pct:
        speed_kmh *= rules.eco_share
    kwh_per_km = _consumption(vehicle, request, context, speed_kmh)
    destination = request.destination or (np.nan, np.nan)
    return (
        request.latitude_deg,
        request.longitude_deg,
        request.soc_pct,
        request.target_soc_pct,
        vehicle.battery_kwh,
        100.0 * kwh_per_km / vehicle.battery_kwh,
        energy.range_km(vehicle, request.soc_pct, kwh_per_km),
        speed_kmh,
        hour,
        vehicle.max_ac_power_kw,
        peak_dc_kw(vehicle),
        *destination,
    )


def _consumption(
    vehicle: Vehicle, request: ChargingRequest, context: Context, speed_kmh: float
) -> float:
    """Consumption as things are, kWh per km. Climbing to each station is in `way.py`."""
    grade = context.traffic_grade
    if context.temperature_c is None and context.climb_m_per_km is None and grade is None:
        return energy.base_kwh_per_km(vehicle)
    conditions = energy.Conditions(
        temperature_c=context.temperature_c,
        air_conditioning=request.air_conditioning,
        congestion_share=None if grade is None else energy.congestion_share(grade),
        speed_kmh=speed_kmh,
        climb_m_per_km=context.climb_m_per_km,
    )
    return energy.consumption_kwh_per_km(vehicle, conditions)


def charges_there(asked: Asked) -> NDArray[np.bool_]:
    """Which requests want to charge at the destination, shape (r, 1).

    Source: US 12,393,974 B2, step 610.
    """
    there = [request.charge_place is ChargePlace.AT_DESTINATION for request in asked.requests]
    return np.array(there)[:, None]
