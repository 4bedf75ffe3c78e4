"""The price of *this* session at each candidate, from tariffs; unknown is a value.

Prices per kWh are never compared: a car pays for energy, time, a flat fee, and for standing there
without charging. Rates over the day are in `tariff_clock.py`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.recommend.asked import Asked, charges_there
from coordinator.core.recommend.eta import Drive
from coordinator.core.recommend.found import Candidates
from coordinator.core.recommend.rules import DEFAULT_RULES, Rules
from coordinator.core.recommend.tariff_clock import (
    DIMENSIONS,
    SLOT_S,
    OneStay,
    Stay,
    TariffClock,
)
from coordinator.core.vehicle import ChargePlace, ChargingRequest

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

REFRESH_S = 6.0 * 3600.0


def stay(asked: Asked, drive: Drive, wait_s: Floats, charge_s: Floats, energy_kwh: Floats) -> Stay:
    """The stay at each candidate: from arrival and wait until the driver is back.

    Source: paper 2.3.2.2 (price).
    """
    setup_s = np.array([[request.vehicle.setup_s] for request in asked.requests])
    idle = 0.0 * charge_s
    there = charges_there(asked) & asked.has_destination
    if there.any():
        idle = np.where(there, idle_s(drive.destination_km, charge_s, asked.rules), 0.0)
    return Stay(
        asked.now_s, asked.now_s + drive.drive_s + wait_s, charge_s, energy_kwh, setup_s, idle
    )


def idle_s(destination_km: Floats, charge_s: Floats, rules: Rules = DEFAULT_RULES) -> Floats:
    """Seconds that a full car stands: the driver walks to the destination and back at least.

    Source: paper 2.3.2.2 (price).

    >>> idle_s(np.array([0.75, 1.5]), np.array([1800.0, 1800.0])).tolist()
    [0.0, 600.0]
    """
    return np.maximum(2.0 * destination_km * (3600.0 / rules.walk_kmh) - charge_s, 0.0)


def session_price(district: District, candidates: Candidates, during: Stay) -> Floats:
    """Price of the session at each candidate in its tariff's currency, (r, n), NaN if unknown.

    Energy and time by the hours of this session, not by those of now; time plugged in without
    charging, before and after, by PARKING_TIME. Source: paper 2.3.2.2 (price by the pricing
    standard of pile and parking lot).
    """
    if not district.tariffs:
        return np.full(during.charge_s.shape, np.nan)
    clock, tariff = _clock_of(district, during.now_s)
    parts = clock.parts(candidates.of_station(tariff[candidates.stations]), during)
    price: Floats = sum(parts[1:], parts[0])
    return price


def breakdown(
    district: District, station: int, during: OneStay
) -> tuple[tuple[tuple[str, float], ...], float | None]:
    """Lines (dimension, amount) and end of validity of a price; no lines if unknown.

    The lines add up to what `session_price` gives for the same session.

    Source: paper 2.3.2.2 (price).
    """
    tariff = district.tariffs.get(district.stations[station].tariff_id)
    if tariff is None:
        return (), None
    clock, tariffs = _clock_of(district, during.now_s)
    amounts = clock.parts_of_one(int(tariffs[station]), during)
    told = tuple(
        (dimension, amount)
        for dimension, amount in zip(DIMENSIONS, amounts, strict=True)
        if amount > 0
    )
    return told, tariff.valid_until_s


def _clock_of(district: District, now_s: float) -> tuple[TariffClock, Index]:
    """The rates of the coming hours, kept for some, and the tariff of each station."""
    kept = district.derived.get("tariff_clock")
    if not isinstance(kept, tuple) or not 0.0 <= now_s - kept[0].base_s < REFRESH_S:
        tariffs = district.tariffs
        number = {tariff_id: index for index, tariff_id in enumerate(tariffs)}
        of_station = [number.get(s.tariff_id, len(number)) for s in district.stations]
        base_s = np.floor(now_s / SLOT_S) * SLOT_S
        clock = TariffClock(list(tariffs.values()), float(base_s))
        kept = district.derived["tariff_clock"] = clock, np.array(of_station, dtype=np.intp)
    return kept


class Judged(Protocol):
    """Figures of one EVSE as they are told. Source: paper 2.3.2.2 (price)."""

    @property
    def eta_s(self) -> float:
        """Drive."""

    @property
    def wait_s(self) -> float:
        """Wait after arrival, the median."""

    @property
    def charge_s(self) -> float:
        """Charging to target."""

    @property
    def energy_kwh(self) -> float:
        """Energy of the session."""

    @property
    def destination_km(self) -> float:
        """From the pile to the destination, NaN without one."""


def stay_of(request: ChargingRequest, figures: Judged, now_s: float) -> OneStay:
    """The stay behind the figures of one EVSE, for its price lines.

    Source: paper 2.3.2.2 (price).
    """
    full_s = 0.0
    if request.charge_place is ChargePlace.AT_DESTINATION and request.destination is not None:
        away_km, charge_s = np.array([figures.destination_km]), np.array([figures.charge_s])
        full_s = float(idle_s(away_km, charge_s)[0])
    return OneStay(
        now_s, now_s + figures.eta_s + figures.wait_s, figures.charge_s, figures.energy_kwh,
        request.vehicle.setup_s, full_s,
    )  # fmt: skip
