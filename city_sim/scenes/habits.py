"""How full plugs are by the hour, and what a charge is: read from real data, else made alike.

Data are read in place and never copied. Who comes when and where by it is in `shenzhen.py`.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

DURATION = Path("saopaulo/duration.csv.gz")
PILES = Path("saopaulo/stations.csv")
SESSIONS = Path("epfl_dc/sessions.csv")
SHORTEST_MIN, LEAST_PCT, LEAST_KWH = 5.0, 5.0, 2.0  # shorter is an attempt, not a charge

EVENING = (17, 23)  # hours of the day

# The same shape, made up: share of the plugs in use by hour, lowest in the afternoon.
MADE_UTILISATION: tuple[float, ...] = (
    *(0.26, 0.26, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.24, 0.24, 0.23, 0.22),
    *(0.22, 0.21, 0.20, 0.20, 0.20, 0.19, 0.20, 0.22, 0.26, 0.29, 0.28, 0.26),
)
MADE_CHARGES = 2_000


@dataclass(frozen=True, slots=True)
class Charges:
    """Charges to draw from, one row each: state of charge before and after, kWh, minutes."""

    soc_pct: Float64
    to_pct: Float64
    energy_kwh: Float64
    stay_min: Float64


@dataclass(frozen=True, slots=True)
class Habits:
    """`utilisation` has 24 shares of a working day; `sources` says where both are from."""

    utilisation: tuple[float, ...]
    charges: Charges
    sources: tuple[str, ...]


def habits(folder: Path | None) -> Habits:
    """What this folder says of demand and charges; what it lacks is made up, and said so."""
    sources = []
    if folder is not None and (folder / DURATION).is_file() and (folder / PILES).is_file():
        utilisation = utilisation_by_hour(folder / DURATION, folder / PILES)
        sources.append("demand by hour: Sao Paulo, working days of 2023 (CHARGED)")
    else:
        utilisation = MADE_UTILISATION
        sources.append("demand by hour: made up, of the usual shape")
    if folder is not None and (folder / SESSIONS).is_file():
        charges = charges_of(folder / SESSIONS)
        sources.append("charges: sessions of the EPFL fast charger")
    else:
        charges = made_charges()
        sources.append("charges: made up, of the usual shape")
    return Habits(utilisation, charges, tuple(sources))


def busiest(utilisation: tuple[float, ...], hours: int) -> int:
    """The hour at which the busiest hours in a row of the evening begin.

    >>> busiest((0.9,) * 17 + (0.2, 0.4, 0.5, 0.3) + (0.1,) * 3, 3)
    18
    """
    first, last = EVENING
    sums = [sum(utilisation[begin : begin + hours]) for begin in range(first, last + 1 - hours)]
    return first + int(np.argmax(sums))


def utilisation_by_hour(duration: Path, stations: Path) -> tuple[float, ...]:
    """Share of the plugs in use by hour of working days, over the stations that report a power.

    `duration` has pile-hours per hour, a column a station; `stations` how many piles each has.
    """
    with stations.open(newline="", encoding="utf-8") as lines:
        piles = {
            row["station_id"]: float(row["pile_num"])
            for row in csv.DictReader(lines)
            if float(row["avg_power"] or 0.0) > 0.0
        }
    used: list[list[float]] = [[] for _ in range(24)]
    with gzip.open(duration, "rt", newline="", encoding="utf-8") as lines:
        rows = csv.reader(lines)
        columns = [n for n, name in enumerate(next(rows)) if name in piles]
        for row in rows:
            at = datetime.fromisoformat(row[0])
            if at.weekday() < 5:
                used[at.hour].append(sum(float(row[n] or 0.0) for n in columns))
    total = sum(piles.values())
    return tuple(float(np.mean(of_hour or [0.0])) / total for of_hour in used)


def charges_of(sessions: Path) -> Charges:
    """The charges of a file of sessions; what was broken off at once is left out."""
    with sessions.open(newline="", encoding="utf-8") as lines:
        rows = [_charge(row) for row in csv.DictReader(lines)]
    table = np.array([row for row in rows if row is not None])
    return Charges(*table.T)


def _charge(row: Mapping[str, str]) -> tuple[float, float, float, float] | None:
    before, after = float(row["SOC arrival"]), min(float(row["SOC departure"]), 100.0)
    energy_kwh, stay_min = float(row["Energy (Wh)"]) / 1_000.0, float(row["Stay (min)"])
    whole = after - before >= LEAST_PCT and stay_min >= SHORTEST_MIN and energy_kwh >= LEAST_KWH
    return (before, after, energy_kwh, stay_min) if whole else None


def made_charges() -> Charges:
    """Charges as the data's means have them: 33 minutes, 32 kWh, from 34 to 79 %."""
    rng = np.random.default_rng(33)
    before = np.clip(rng.normal(34.0, 19.0, MADE_CHARGES), 3.0, 80.0)
    after = np.clip(rng.normal(79.0, 12.0, MADE_CHARGES), before + 10.0, 100.0)
    energy_kwh = rng.uniform(55.0, 88.0, MADE_CHARGES) * (after - before) / 100.0
    power_kw = np.clip(rng.normal(68.0, 22.0, MADE_CHARGES), 25.0, 120.0)
    return Charges(before, after, energy_kwh, energy_kwh / power_kw * 60.0)
