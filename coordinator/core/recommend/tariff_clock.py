"""What tariffs charge over the coming hours, and so what a session in them costs.

Which tariff applies where, and when a session is, is decided in `price.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from coordinator.core.pile import Tariff
from coordinator.core.rates import rate_at, valid, zone_of
from coordinator.core.tariff_faults import element_faults

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

SLOT_S = 300.0  # a rate that changes within a slot changes at its end
SLOTS = 576  # two days
DIMENSIONS = ("FLAT", "ENERGY", "TIME", "PARKING_TIME")


@dataclass(frozen=True, slots=True)
class Stay:
    """A session and the time around it: arrays of one shape, or single values in arrays.

    Source: paper 2.3.2.2 (price).
    """

    now_s: float  # domain time, as the next
    begin_s: Floats  # of the charge
    charge_s: Floats
    energy_kwh: Floats
    setup_s: Floats | float  # plugged in before the charge begins
    idle_s: Floats | float  # plugged in after it has ended


@dataclass(frozen=True, slots=True)
class OneStay:
    """The same of one EVSE, in plain numbers. Source: paper 2.3.2.2 (price)."""

    now_s: float
    begin_s: float
    charge_s: float
    energy_kwh: float
    setup_s: float
    idle_s: float


class TariffClock:
    """What every tariff charges over the two days after `base_s`; the last tariff is unknown.

    Source: paper 2.3.2.2 (price).
    """

    def __init__(self, tariffs: Sequence[Tariff], base_s: float) -> None:
        self.base_s = base_s
        rates = [_hours(tariff, base_s) for tariff in tariffs]
        unknown = np.full((len(DIMENSIONS), 1), np.nan)
        # One slot is enough where nothing changes with the time of day.
        slots = max((one.shape[1] for one in rates), default=1)
        table = np.stack([np.broadcast_to(one, (4, slots)) for one in (*rates, unknown)], axis=1)
        self._rates: Floats = np.ascontiguousarray(table)  # (dimension, tariff, slot)
        self._first: Floats = np.ascontiguousarray(table[:, :, 0])
        self._plain: list[list[float]] = self._first.T.tolist()
        self._slots = slots
        self.varies = slots > 1
        # Rate x hours from the base to the begin of each slot, one more for the end.
        passed = np.nan_to_num(table[1:3]).cumsum(axis=2) * (SLOT_S / 3600.0)
        self._passed: Floats = np.concatenate([np.zeros((2, len(rates) + 1, 1)), passed], axis=2)

    def parts(self, tariff: Index, during: Stay) -> tuple[Floats, Floats, Floats, Floats]:
        """What is paid, flat, for energy, for time, and for not charging; NaN if unknown."""
        hours = during.charge_s / 3600.0
        if not self.varies:
            flat, energy, time, parking = (one.take(tariff) for one in self._first)
            idle_h = (during.setup_s + during.idle_s) / 3600.0
            return flat, energy * during.energy_kwh, time * hours, parking * idle_h
        begin = (during.begin_s - self.base_s) / SLOT_S
        end = begin + during.charge_s / SLOT_S
        first, last = self._slot(begin), self._slot(end)
        # Within a slot the rate is one; a zero-length session has the rate of its begin.
        sums = [
            self._until(one, tariff, end, last) - self._until(one, tariff, begin, first)
            for one in (0, 1)
        ]
        rate = self._rates[1][tariff, first]
        mean = np.where(hours > 0, sums[0] / np.where(hours > 0, hours, 1.0), rate)
        after = self._rates[3][tariff, last]
        known = rate + after - rate - after  # 0, or NaN if unknown at either end
        parking = self._rates[3][tariff, first] * during.setup_s + after * during.idle_s
        return (
            self._rates[0][tariff, first],
            mean * during.energy_kwh + known,
            sums[1] + known,
            parking / 3600.0,
        )

    def parts_of_one(self, tariff: int, during: OneStay) -> tuple[float, ...]:
        """The same of one stay; without any array where no rate changes with the time."""
        if not self.varies:
            flat, energy, time, parking = self._plain[tariff]
            idle_h = (during.setup_s + during.idle_s) / 3600.0
            hours = during.charge_s / 3600.0
            return flat, energy * during.energy_kwh, time * hours, parking * idle_h
        begin_s, charge_s, energy_kwh = (
            np.array([value]) for value in (during.begin_s, during.charge_s, during.energy_kwh)
        )
        alone = Stay(during.now_s, begin_s, charge_s, energy_kwh, during.setup_s, during.idle_s)
        return tuple(float(part[0]) for part in self.parts(np.array([tariff]), alone))

    def _slot(self, at: Floats) -> Index:
        slot: Index = np.clip(at, 0, self._slots - 1).astype(np.intp)
        return slot

    def _until(self, dimension: int, tariff: Index, at: Floats, slot: Index) -> Floats:
        """Rate x hours from the base to this time."""
        inside = (at - slot) * (SLOT_S / 3600.0)
        rate = np.nan_to_num(self._rates[dimension + 1][tariff, slot])
        passed: Floats = self._passed[dimension][tariff, slot] + rate * inside
        return passed


def _hours(tariff: Tariff, base_s: float) -> Floats:
    """Rates by slot, (dimension, slots): one slot if they do not change, NaN where not valid.

    A tariff with an element that cannot be read is NaN throughout: its price is unknown.
    """
    if any(fault for element in tariff.elements for fault in element_faults(element)):
        return np.full((len(DIMENSIONS), 1), np.nan)
    changes = sorted(_changes(tariff, base_s))
    starts = np.array([base_s, *changes])
    rows = [_rates(tariff, at_s) for at_s in starts.tolist()]
    if len(set(rows)) == 1:
        return np.array(rows[0])[:, None]
    slots = base_s + np.arange(SLOTS) * SLOT_S
    which = np.searchsorted(starts, slots, side="right") - 1
    return np.array(rows).T[:, which]


def _rates(tariff: Tariff, at_s: float) -> tuple[float, float, float, float]:
    if not valid(tariff, at_s):
        return (np.nan,) * 4
    rate = rate_at(tariff, at_s)
    return rate.flat, rate.energy_per_kwh, rate.time_per_h, rate.parking_per_h


def _changes(tariff: Tariff, base_s: float) -> Iterator[float]:
    """Instants after the base, within the table, at which a rate may change."""
    end_s = base_s + SLOTS * SLOT_S
    for bound in (tariff.valid_from_s, tariff.valid_until_s):
        if bound is not None and base_s < bound < end_s:
            yield bound
    clocks = {clock for e in tariff.elements for clock in (e.start_time, e.end_time) if clock}
    if any(element.weekdays for element in tariff.elements):
        clocks.add("00:00")
    zone = zone_of(tariff)
    first = datetime.fromtimestamp(base_s, zone).date()
    for days in range(4):
        for clock in clocks:
            hour, minute = int(clock[:2]) % 24, int(clock[3:5])
            day = first + timedelta(days=days)
            at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).timestamp()
            if base_s < at < end_s:
                yield at
