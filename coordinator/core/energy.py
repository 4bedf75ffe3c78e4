"""Energy of a drive: consumption of a car, what makes it rise, how far the rest carries.

Charging (power over state of charge) is in `charging.py`; who needs charge most urgently is in
`recommend/warning.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.vehicle import Vehicle

Floats = NDArray[np.float64]

SAFETY_FACTOR = 0.9  # Source: US 12,393,974 B2, step 320
USUAL_CONSUMPTION_KWH_PER_KM = 0.18  # middle-class car, WLTP combined figures of 2020-2024 models

# Base consumption by model word, kWh per km: WLTP combined, makers' data sheets.
MODEL_CONSUMPTION_KWH_PER_KM: dict[str, float] = {
    "tesla model 3": 0.143,
    "tesla model y": 0.157,
    "byd dolphin": 0.152,
    "byd atto 3": 0.160,
    "byd seal": 0.166,
    "nio et5": 0.168,
    "wuling mini": 0.095,
    "vw id.3": 0.154,
    "vw id.4": 0.172,
    "renault zoe": 0.172,
    "nissan leaf": 0.171,
    "van": 0.26,
    "taxi": 0.16,
}

# Range lost against 24 degrees, without and with the air conditioning or heater running.
# Source: AAA Electric Vehicle Range Testing, 2019: -6.7 C: 12 % and 41 %; 35 C: 4 % and 17 %.
_TEMPERATURE_C = (-20.0, -6.7, 24.0, 35.0, 45.0)
_LOSS_AIR_OFF = (0.18, 0.12, 0.0, 0.04, 0.08)
_LOSS_AIR_ON = (0.50, 0.41, 0.0, 0.17, 0.25)
# Share of the time that a car stands, by traffic grade 1-5. A choice: half in dense traffic.
_STANDING_SHARE = (0.05, 0.15, 0.3, 0.5, 0.7)
IDLE_KW = 0.6  # lights, pumps, computers while the car stands in traffic
IDLE_AIR_KW = 1.5  # the same with the air conditioning at work
CAR_MASS_T = 1.9
DRIVE_EFFICIENCY = 0.9  # battery to wheel
GRAVITY_M_S2 = 9.81


@dataclass(frozen=True, slots=True)
class Conditions:
    """What makes a car use more; None means unknown and counts as usual (factor 1).

    Source: paper 2.2.2.
    """

    temperature_c: float | None = None
    air_conditioning: bool | None = None
    congestion_share: float | None = None  # share of the time that the car stands, 0-1
    speed_kmh: float = 30.0
    climb_m_per_km: float | None = None  # net height gained per km of way


def base_kwh_per_km(vehicle: Vehicle) -> float:
    """Consumption of the car in fair weather on a flat, free road, kWh per km.

    Source: US 12,393,974 B2, step 330 (vehicle model).

    >>> base_kwh_per_km(Vehicle(battery_kwh=60, model="BYD Dolphin 2023"))
    0.152
    """
    if vehicle.consumption_kwh_per_km is not None:
        return vehicle.consumption_kwh_per_km
    if vehicle.model:
        model = vehicle.model.casefold()
        for word, consumption in MODEL_CONSUMPTION_KWH_PER_KM.items():
            if word in model:
                return consumption
    return USUAL_CONSUMPTION_KWH_PER_KM


def weather_factor(temperature_c: float | None, air_conditioning: bool | None) -> float:
    """How much more the car uses because of temperature and cabin, 1 or more.

    Unknown air conditioning counts as running where it is colder than 15 or warmer than 26 degrees.

    Source: paper 2.2.2.

    >>> round(weather_factor(-6.7, True), 2), weather_factor(24.0, True), weather_factor(None, None)
    (1.69, 1.0, 1.0)
    """
    if temperature_c is None:
        return 1.0
    running = air_conditioning
    if running is None:
        running = temperature_c < 15.0 or temperature_c > 26.0
    loss = np.interp(temperature_c, _TEMPERATURE_C, _LOSS_AIR_ON if running else _LOSS_AIR_OFF)
    return float(1.0 / (1.0 - loss))


def congestion_share(traffic_grade: float) -> float:
    """Share of the time that a car stands in traffic of this grade, 0-1.

    Source: paper 2.2.2 (congestion idling).

    >>> [round(congestion_share(grade), 3) for grade in (1.0, 3.5, 5.0)]
    [0.05, 0.4, 0.7]
    """
    return float(np.interp(traffic_grade, (1.0, 2.0, 3.0, 4.0, 5.0), _STANDING_SHARE))


def idling_kwh_per_km(conditions: Conditions) -> float:
    """Energy that standing in traffic adds to each km, kWh.

    Standing a share c of the time at a mean speed v adds c / v hours of idling to a km.

    Source: paper 2.2.2.

    >>> round(idling_kwh_per_km(Conditions(congestion_share=0.5, speed_kmh=20.0)), 3)
    0.015
    """
    if not conditions.congestion_share or conditions.speed_kmh <= 0:
        return 0.0
    power_kw = IDLE_AIR_KW if conditions.air_conditioning else IDLE_KW
    return power_kw * conditions.congestion_share / conditions.speed_kmh


def climbing_kwh(gain_m: Floats) -> Floats:
    """Energy that lifting the car by so much takes, kWh: mass x g x height / efficiency.

    Source: paper 2.2.2.

    >>> climbing_kwh(np.array([0.0, 100.0])).round(3).tolist()
    [0.0, 0.575]
    """
    return CAR_MASS_T * 1000.0 * GRAVITY_M_S2 * gain_m / DRIVE_EFFICIENCY / 3.6e6


def climbing_kwh_per_km(climb_m_per_km: float | None) -> float:
    """Energy that lifting the car adds to each km, kWh: mass x g x height / efficiency.

    Source: paper 2.2.2.

    >>> round(climbing_kwh_per_km(20.0), 3)
    0.115
    """
    if climb_m_per_km is None or climb_m_per_km <= 0:
        return 0.0
    joules = CAR_MASS_T * 1000.0 * GRAVITY_M_S2 * climb_m_per_km / DRIVE_EFFICIENCY
    return joules / 3.6e6


def consumption_kwh_per_km(vehicle: Vehicle, conditions: Conditions) -> float:
    """What the car uses for a km as things are, kWh.

    Source: paper 2.2.2 (weather, air conditioning, congestion idling, climbing).
    """
    moving = base_kwh_per_km(vehicle)
    if conditions.temperature_c is not None:
        moving *= weather_factor(conditions.temperature_c, conditions.air_conditioning)
    return moving + idling_kwh_per_km(conditions) + climbing_kwh_per_km(conditions.climb_m_per_km)


def range_km(vehicle: Vehicle, soc_pct: float, kwh_per_km: float) -> float:
    """How far the car gets on its remaining power times the safety factor, km.

    Source: US 12,393,974 B2, step 320.

    >>> range_km(Vehicle(battery_kwh=60), soc_pct=50.0, kwh_per_km=0.18)
    150.0
    """
    return vehicle.battery_kwh * soc_pct / 100.0 * SAFETY_FACTOR / kwh_per_km
