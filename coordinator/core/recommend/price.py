"""The price of *this* session at each candidate, from tariffs; unknown is a value.

Prices per kWh are never compared: a car pays for energy, time and a flat fee.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.pile import Tariff, TariffElement
from coordinator.core.recommend.found import Candidates

Floats = NDArray[np.float64]

_REFRESH_S = 60.0


@dataclass(frozen=True, slots=True)
class Rate:
    """What a tariff charges at one instant."""

    energy_per_kwh: float = 0.0
    time_per_h: float = 0.0
    parking_per_h: float = 0.0
    flat: float = 0.0

    def total(self, energy_kwh: float, charge_s: float) -> float:
        """Price of a session that leaves when it is charged.

        >>> round(Rate(energy_per_kwh=1.2, time_per_h=3.0, flat=2.0).total(30.0, 1800.0), 2)
        39.5
        """
        return self.flat + self.energy_per_kwh * energy_kwh + self.time_per_h * charge_s / 3600.0


@dataclass(frozen=True, slots=True)
class _Table:
    """Rates of all tariffs at one instant, and the tariff of each station; the last is unknown."""

    made_at_s: float
    tariff: NDArray[np.intp]
    energy: Floats
    time: Floats
    flat: Floats


def session_price(
    district: District, candidates: Candidates, energy_kwh: Floats, charge_s: Floats, now_s: float
) -> Floats:
    """Price of the session at each candidate in its tariff's currency, (r, n), NaN if unknown.

    Source: paper 2.3.2.2.
    """
    if not district.tariffs:
        return np.full(energy_kwh.shape, np.nan)
    table = _table(district, now_s)
    tariff = candidates.of_station(table.tariff[candidates.stations])
    price: Floats = table.flat[tariff] + table.energy[tariff] * energy_kwh
    price += table.time[tariff] * (charge_s / 3600.0)
    return price


def breakdown(
    district: District, station: int, energy_kwh: float, charge_s: float, now_s: float
) -> tuple[tuple[tuple[str, float], ...], float | None]:
    """Lines (dimension, amount) and end of validity of a price; no lines if unknown.

    The lines add up to what `session_price` gives for the same session.
    """
    tariff = district.tariffs.get(district.stations[station].tariff_id)
    if tariff is None:
        return (), None
    table = _table(district, now_s)
    index = table.tariff[station]
    lines = (
        ("FLAT", float(table.flat[index])),
        ("ENERGY", float(table.energy[index]) * energy_kwh),
        ("TIME", float(table.time[index]) * charge_s / 3600.0),
    )
    told = tuple((dimension, amount) for dimension, amount in lines if amount > 0)
    return told, tariff.valid_until_s


def rate_at(tariff: Tariff, at_s: float) -> Rate:
    """What the tariff charges at an instant: the first element that fits wins, per dimension.

    >>> night = TariffElement("ENERGY", 0.4, start_time="22:00", end_time="06:00")
    >>> tariff = Tariff("T", "CNY", (night, TariffElement("ENERGY", 1.2)))
    >>> [rate_at(tariff, hour * 3600.0).energy_per_kwh for hour in (5.99, 6.0, 22.0)]
    [0.4, 1.2, 0.4]
    """
    local = datetime.fromtimestamp(at_s, zone_of(tariff))
    clock, weekday = f"{local:%H:%M}", local.isoweekday()
    found: dict[str, float] = {}
    for element in tariff.elements:
        if element.dimension not in found and _fits(element, clock, weekday):
            found[element.dimension] = element.price
    return Rate(
        found.get("ENERGY", 0.0),
        found.get("TIME", 0.0),
        found.get("PARKING_TIME", 0.0),
        found.get("FLAT", 0.0),
    )


def zone_of(tariff: Tariff) -> tzinfo:
    """The tariff's time zone; UTC if its name is unknown here."""
    try:
        return ZoneInfo(tariff.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def _fits(element: TariffElement, clock: str, weekday: int) -> bool:
    if element.weekdays and weekday not in element.weekdays:
        return False
    start, end = element.start_time or "00:00", element.end_time or "24:00"
    if start <= end:
        return start <= clock < end
    return clock >= start or clock < end


def valid(tariff: Tariff, at_s: float) -> bool:
    """Whether the tariff applies at all at an instant."""
    return (tariff.valid_from_s or -np.inf) <= at_s < (tariff.valid_until_s or np.inf)


def _table(district: District, now_s: float) -> _Table:
    table = district.derived.get("rates")
    if isinstance(table, _Table) and abs(now_s - table.made_at_s) < _REFRESH_S:
        return table
    number = {tariff_id: index for index, tariff_id in enumerate(district.tariffs)}
    unknown = len(number)
    rates = [
        rate_at(tariff, now_s) if valid(tariff, now_s) else None
        for tariff in district.tariffs.values()
    ]
    table = district.derived["rates"] = _Table(
        now_s,
        np.array([number.get(s.tariff_id, unknown) for s in district.stations], dtype=np.intp),
        _column(rate.energy_per_kwh if rate else np.nan for rate in (*rates, None)),
        _column(rate.time_per_h if rate else np.nan for rate in (*rates, None)),
        _column(rate.flat if rate else np.nan for rate in (*rates, None)),
    )
    return table


def _column(values: Iterable[float]) -> Floats:
    return np.fromiter(values, dtype=np.float64)
