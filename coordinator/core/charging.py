"""Charging over time: how long and with what average power, on a curve that tapers.

Prices are in `recommend/price.py`, waiting for the pile is in `recommend/waiting.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.vehicle import Vehicle

Floats = NDArray[np.float64]

# Share of the greatest power by state of charge, for a car that did not send its curve: constant
# current up to half, then the taper that lithium cells ask for near full.
USUAL_CURVE: tuple[tuple[float, float], ...] = (
    (0.0, 0.8),
    (10.0, 1.0),
    (50.0, 1.0),
    (80.0, 0.45),
    (90.0, 0.25),
    (100.0, 0.08),
)
USUAL_C_RATE = 2.0  # greatest DC power of such a car, kW per kWh of battery
STEPS = 8  # midpoints of the numeric integral; 8 stay within 2 % of 1,000
_MIDPOINTS: Floats = (np.arange(STEPS) + 0.5) / STEPS
_USUAL_SOC: Floats = np.array([soc for soc, _ in USUAL_CURVE])
_USUAL_SHARE: Floats = np.array([share for _, share in USUAL_CURVE])


def peak_dc_kw(vehicle: Vehicle) -> float:
    """Greatest DC power that the car takes, kW."""
    if vehicle.max_dc_power_kw is not None:
        return vehicle.max_dc_power_kw
    if vehicle.charging_curve:
        return max(power for _, power in vehicle.charging_curve)
    return USUAL_C_RATE * vehicle.battery_kwh


def session(
    vehicle: Vehicle,
    arrival_soc_pct: Floats,
    target_soc_pct: float,
    pile_kw: Floats,
    dc: NDArray[np.bool_],
) -> tuple[Floats, Floats, Floats]:
    """Seconds, average kW and kWh from arrival to target, each of shape (n,).

    The power at each state of charge is the least of pile, on-board charger (AC) and the car's
    curve (DC). A car above its target charges nothing and takes no time.

    >>> car = Vehicle(battery_kwh=60, charging_curve=((0, 60.0), (100, 60.0)))
    >>> seconds, kw, kwh = session(
    ...     car, np.array([20.0, 20.0]), 80.0, np.array([120.0, 7.2]), np.array([True, False]))
    >>> seconds.round().tolist(), kw.round(1).tolist(), kwh.tolist()
    ([2160.0, 18000.0], [60.0, 7.2], [36.0, 36.0])
    """
    missing_pct = np.maximum(target_soc_pct - arrival_soc_pct, 0.0)
    soc = arrival_soc_pct[:, None] + missing_pct[:, None] * _MIDPOINTS
    if vehicle.charging_curve:
        points = np.array(vehicle.charging_curve, dtype=np.float64)
        curve = np.interp(soc, points[:, 0], points[:, 1])
        if vehicle.max_dc_power_kw is not None:
            curve = np.minimum(curve, vehicle.max_dc_power_kw)
    else:
        curve = np.interp(soc, _USUAL_SOC, _USUAL_SHARE) * peak_dc_kw(vehicle)
    car_kw = np.where(dc[:, None], curve, vehicle.max_ac_power_kw)
    power = np.maximum(np.minimum(car_kw, pile_kw[:, None]), 0.1)
    energy_kwh = missing_pct * (vehicle.battery_kwh / 100.0)
    mean_inverse = (1.0 / power).mean(axis=1)
    seconds = energy_kwh * mean_inverse * 3600.0
    return seconds, 1.0 / mean_inverse, energy_kwh
