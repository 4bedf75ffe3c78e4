"""What a tariff charges at one instant: the first element that fits wins, per dimension.

What a whole session costs is in `recommend/price.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from coordinator.core.pile import Tariff, TariffElement


@dataclass(frozen=True, slots=True)
class Rate:
    """What a tariff charges at one instant. Source: paper 2.3.2.2 (pricing standard)."""

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


def rate_at(tariff: Tariff, at_s: float) -> Rate:
    """What the tariff charges at an instant: the first element that fits wins, per dimension.

    Source: paper 2.3.2.2 (pricing standard).

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
    """The tariff's time zone; UTC if its name is unknown here.

    Source: paper 2.3.2.2 (pricing standard).
    """
    try:
        return ZoneInfo(tariff.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _fits(element: TariffElement, clock: str, weekday: int) -> bool:
    if element.weekdays and weekday not in element.weekdays:
        return False
    start, end = element.start_time or "00:00", element.end_time or "24:00"
    if start <= end:
        return start <= clock < end
    return clock >= start or clock < end


def valid(tariff: Tariff, at_s: float) -> bool:
    """Whether the tariff applies at all at an instant. Source: paper 2.3.2.2 (pricing standard)."""
    return (tariff.valid_from_s or -np.inf) <= at_s < (tariff.valid_until_s or np.inf)
