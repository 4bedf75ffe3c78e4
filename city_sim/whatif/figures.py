"""A day as it was beside the same day changed: waits, who was turned away, use, who feels it.

Minutes; only cars of the day count, and those who asked apart from those who just came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from city_sim.cars import Car
from city_sim.whatif.day import at_start
from city_sim.whatif.replay import Played
from coordinator.core.pile import Station

FELT_MIN = 1.0  # of drive and wait, more or less: who is affected
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two days, with what is asked of it most."""

    played: Played
    begins_s: float
    ends_s: float

    @property
    def asked(self) -> list[Car]:
        """The cars of the day that asked."""
        return [car for car in self._of_the_day() if not car.demand.walk_in]

    @property
    def came(self) -> list[Car]:
        """The cars of the day that just came."""
        return [car for car in self._of_the_day() if car.demand.walk_in]

    def _of_the_day(self) -> list[Car]:
        return [car for car in self.played.cars if not at_start(car.demand, self.begins_s)]

    def figures(self) -> dict[str, float]:
        """The day in numbers."""
        asked, came = self.asked, self.came
        waits, drives = minutes(asked, "wait_s"), minutes(asked, "drive_s")
        return {
            "mean_wait_min": _mean(waits),
            "p95_wait_min": _p95(waits),
            "mean_drive_min": _mean(drives),
            "mean_drive_plus_wait_min": _mean(waits + drives),
            "walk_in_mean_wait_min": _mean(minutes(came, "wait_s")),
            "turned_away": sum(len(in_vain(car)) for car in (*asked, *came)),
            "unserved": sum(not car.served for car in (*asked, *came)),
            "utilisation": self.utilisation(),
        }

    def utilisation(self) -> float:
        """Share of the plugs' time of the day in which a car stood at them, 0-1."""
        plugs = len(self.played.district)
        return float(self.taken_s().sum() / max(plugs * (self.ends_s - self.begins_s), 1e-9))

    def taken_s(self) -> Float64:
        """Seconds of the day in which cars stood at plugs, by station row."""
        taken = np.zeros(len(self.played.district.stations))
        for stay in self.played.stays:
            taken[stay.station] += max(
                min(stay.to_s, self.ends_s) - max(stay.from_s, self.begins_s), 0.0
            )
        return taken

    def taken_at(self, instants_s: Sequence[float]) -> list[float]:
        """Share of the plugs taken at instants."""
        begins = np.sort([stay.from_s for stay in self.played.stays])
        ends = np.sort([stay.to_s for stay in self.played.stays])
        at = np.asarray(instants_s)
        taken = np.searchsorted(begins, at, "right") - np.searchsorted(ends, at, "right")
        shares: list[float] = (taken / max(len(self.played.district), 1)).tolist()
        return shares

    def by_station(self) -> dict[str, dict[str, float]]:
        """Plugs, sessions, use, waits and who left in vain, by station."""
        district = self.played.district
        taken_s = self.taken_s()
        span_s = self.ends_s - self.begins_s
        waits: dict[int, list[float]] = {}
        vain = np.zeros(len(district.stations), dtype=int)
        for car in (*self.asked, *self.came):
            if car.served:
                waits.setdefault(car.station, []).append(car.wait_s / 60.0)
            for station in in_vain(car):
                vain[station] += 1
        return {
            station.station_id: {
                "plugs": int(district.station_size[row]),
                "served": len(waits.get(row, ())),
                "mean_wait_min": _mean(np.array(waits.get(row, ()))),
                "utilisation": float(taken_s[row] / (district.station_size[row] * span_s)),
                "turned_away": int(vain[row]),
            }
            for row, station in enumerate(district.stations)
        }


def in_vain(car: Car) -> set[int]:
    """Rows of the stations to which a car came and where it was not charged."""
    return car.tried - ({car.station} if car.served else set())


def minutes(cars: Sequence[Car], name: str) -> Float64:
    """A time of each car, in minutes."""
    return np.array([getattr(car, name) for car in cars], dtype=np.float64) / 60.0


def compared(base: Side, changed: Side, stations: Sequence[Station]) -> dict[str, Any]:
    """Figures of both days, who is affected, and every station's."""
    told: dict[str, Any] = {}
    before, after = base.figures(), changed.figures()
    told |= {name: _round(value) for name, value in after.items()}
    told |= {f"base_{name}": _round(value) for name, value in before.items()}
    told["wait_change_min"] = _round(after["mean_wait_min"] - before["mean_wait_min"])
    told |= affected(base, changed)
    told["stations"] = _stations(base.by_station(), changed.by_station(), stations)
    return told


def affected(base: Side, changed: Side) -> dict[str, int]:
    """Drivers in both days for whom it is another station, or another minute at least."""
    before = {car.demand.car_id: car for car in base.asked}
    counts = {"drivers_compared": 0, "drivers_affected": 0, "drivers_worse": 0, "drivers_better": 0}
    for car in changed.asked:
        other = before.get(car.demand.car_id)
        if other is None or other.demand.at_s != car.demand.at_s:
            continue
        longer_min = (car.drive_s + car.wait_s - other.drive_s - other.wait_s) / 60.0
        worse = longer_min >= FELT_MIN or (other.served and not car.served)
        better = longer_min <= -FELT_MIN or (car.served and not other.served)
        elsewhere = _place(base.played, other) != _place(changed.played, car)
        counts["drivers_compared"] += 1
        counts["drivers_affected"] += bool(worse or better or elsewhere)
        counts["drivers_worse"] += bool(worse)
        counts["drivers_better"] += bool(better and not worse)
    return counts


def _place(played: Played, car: Car) -> str:
    return played.district.stations[car.station].station_id if car.station >= 0 else ""


def _stations(
    before: dict[str, dict[str, float]],
    after: dict[str, dict[str, float]],
    stations: Sequence[Station],
) -> list[dict[str, Any]]:
    """A row a station, the most changed first."""
    empty = {"plugs": 0, "served": 0, "mean_wait_min": None, "utilisation": None, "turned_away": 0}
    rows = []
    for station in stations:
        one = before.get(station.station_id, empty)
        other = after.get(station.station_id, empty)
        row: dict[str, Any] = {"station_id": station.station_id, "name": station.name}
        for name in empty:
            row[f"base_{name}"] = _round(one[name])
            row[name] = _round(other[name])
        rows.append(row)

    def change(row: dict[str, Any]) -> tuple[float, float, str]:
        plugs = abs(row["plugs"] - row["base_plugs"])
        served = abs(row["served"] - row["base_served"])
        return -plugs, -served, str(row["station_id"])

    return sorted(rows, key=change)


def _round(value: float | None) -> float | None:
    if value is None or isinstance(value, int):
        return value
    return round(value, 4) + 0.0


def _mean(values: Float64) -> float:
    return float(values.mean()) if len(values) else 0.0


def _p95(values: Float64) -> float:
    return float(np.quantile(values, 0.95)) if len(values) else 0.0
