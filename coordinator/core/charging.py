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
LEAST_KW = 0.1
STEPS = 8  # midpoints of the numeric integral; 8 stay within 2 % of 1,000
MIDPOINTS: Floats = (np.arange(STEPS) + 0.5) / STEPS
_USUAL_SOC: Floats = np.array([soc for soc, _ in USUAL_CURVE])
_USUAL_SHARE: Floats = np.array([share for _, share in USUAL_CURVE])


def peak_dc_kw(vehicle: Vehicle) -> float:
    """Greatest DC power that the car takes, kW. Source: paper 2.3.2.2, Eq. (7)."""
    if vehicle.max_dc_power_kw is not None:
        return vehicle.max_dc_power_kw
    if vehicle.charging_curve:
        return max(power for _, power in vehicle.charging_curve)
    return USUAL_C_RATE * vehicle.battery_kwh


def usual_power_kw(soc_pct: Floats, peak_kw: Floats | float) -> Floats:
    """Power of a car that did not send its curve, at states of charge of any shape, kW.

    Source: paper 2.3.2.2, Eq. (7).
    """
    return np.interp(soc_pct, _USUAL_SOC, _USUAL_SHARE) * peak_kw


def curve_power_kw(vehicle: Vehicle, soc_pct: Floats) -> Floats:
    """Power by the car's own curve, at states of charge of any shape, kW.

    Source: paper 2.3.2.2, Eq. (7).
    """
    points = np.array(vehicle.charging_curve, dtype=np.float64)
    return np.minimum(np.interp(soc_pct, points[:, 0], points[:, 1]), peak_dc_kw(vehicle))


def integrate(
    missing_pct: Floats, car_kw: Floats, pile_kw: Floats, battery_kwh: Floats | float
) -> tuple[Floats, Floats, Floats]:
    """Seconds, average kW and kWh of charging so much; `car_kw` has a last axis of `STEPS`.

    The power at each state of charge is the lesser of car and pile.

    Source: paper 2.3.2.2, Eq. (7).
    """
    power = np.maximum(np.minimum(car_kw, pile_kw[..., None]), LEAST_KW)
    mean_inverse = (1.0 / power).sum(axis=-1) / STEPS
    energy_kwh = missing_pct * (battery_kwh / 100.0)
    return energy_kwh * mean_inverse * 3600.0, 1.0 / mean_inverse, energy_kwh


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

    Source: paper 2.3.2.2, Eq. (7). Departs: to the target and along a curve, not to full at one
    power.

    >>> car = Vehicle(battery_kwh=60, charging_curve=((0, 60.0), (100, 60.0)))
    >>> seconds, kw, kwh = session(
    ...     car, np.array([20.0, 20.0]), 80.0, np.array([120.0, 7.2]), np.array([True, False]))
    >>> seconds.round().tolist(), kw.round(1).tolist(), kwh.tolist()
    ([2160.0, 18000.0], [60.0, 7.2], [36.0, 36.0])
    """
    missing_pct = np.maximum(target_soc_pct - arrival_soc_pct, 0.0)
    soc = arrival_soc_pct[:, None] + missing_pct[:, None] * MIDPOINTS
    if vehicle.charging_curve:
        curve = curve_power_kw(vehicle, soc)
    else:
        curve = usual_power_kw(soc, peak_dc_kw(vehicle))
    car_kw = np.where(dc[:, None], curve, vehicle.max_ac_power_kw)
    return integrate(missing_pct, car_kw, pile_kw, vehicle.battery_kwh)
