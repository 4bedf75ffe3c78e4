"""How well the simulated battery fits real fast-charging sessions, and what would fit best.

`python -m bench.battery_fit SESSIONS.csv [--json]`: SESSIONS.csv is the EPFL Level-3 data set. The
earlier 80 % of the sessions, by arrival, make the fit; the later 20 % judge it.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from firmware_sim.core.battery import ENVELOPE, SETTLING_S, warm_share

# Monthly means of the air at the site (western Switzerland, 400 m), whole degrees.
MONTH_C: Final = (3, 4, 7, 11, 15, 19, 21, 20, 16, 12, 7, 4)
_FIT_SHARE: Final = 0.8
# Peaks count where the battery is one: smaller ones are slips of the charge that cars told.
_LEAST_KWH: Final = 30.0
_WITHIN_PCT: Final = 7.5
_MOST_SETTLING_MIN: Final = 8.0
# Minutes up to which an error counts square, and linearly above: people stay for other reasons.
_ROBUST_MIN: Final = 2.0
_SLICE_PCT: Final = 2.0

Column = NDArray[np.float64]
_KNOTS: Final = np.array([soc_pct for soc_pct, _ in ENVELOPE])


class Stays:
    """Sessions as columns: charge on arrival and departure, capacity, peak, stay, warmth."""

    def __init__(self, rows: list[dict[str, str]]) -> None:
        self.arrival_pct = _column(rows, "SOC arrival")
        self.departure_pct = _column(rows, "SOC departure")
        gained_pct = self.departure_pct - self.arrival_pct
        self.capacity_kwh = _column(rows, "Energy (Wh)") / gained_pct / 10
        self.peak_kw = _column(rows, "Pmax (W)") / 1000
        self.stay_min = _column(rows, "Stay (min)")
        air_c = [MONTH_C[int(row["Arrival"][5:7]) - 1] for row in rows]
        self.warm = np.array([warm_share(c) for c in air_c])
        middle = np.arange(_SLICE_PCT / 2, 100, _SLICE_PCT)
        self.slices_pct = middle
        upper = np.minimum(self.departure_pct[:, None], middle + _SLICE_PCT / 2)
        lower = np.maximum(self.arrival_pct[:, None], middle - _SLICE_PCT / 2)
        self.shares = np.clip(upper - lower, 0, None) / 100

    def minutes(self, envelope_c: Column, settling_min: float) -> Column:
        """Predicted stays, with each session's own peak as the pile's limit."""
        rate_c = np.interp(self.slices_pct, _KNOTS, envelope_c)[None, :] * self.warm[:, None]
        power_kw = np.minimum(self.peak_kw[:, None], self.capacity_kwh[:, None] * rate_c)
        hours = (self.shares * self.capacity_kwh[:, None] / power_kw).sum(axis=1)
        return np.asarray(settling_min + hours * 60)

    def peaks_c(self, share: float) -> Column:
        """That quantile of the warm-weather peaks, in C, of cars arriving near each knot."""
        peaks = self.peak_kw / self.capacity_kwh / self.warm
        real = self.capacity_kwh > _LEAST_KWH
        near = [real & (abs(self.arrival_pct - knot) <= _WITHIN_PCT) for knot in _KNOTS]
        quantiles = [np.quantile(peaks[chosen], share) for chosen in near]
        return np.asarray(np.minimum.accumulate(quantiles))

    def error(self, envelope_c: Column, settling_min: float) -> dict[str, float]:
        """How far predicted stays are from real ones, minutes."""
        predicted = self.minutes(envelope_c, settling_min)
        off = predicted - self.stay_min
        return {
            "sessions": len(off),
            "mean_real_min": round(float(self.stay_min.mean()), 2),
            "mean_predicted_min": round(float(predicted.mean()), 2),
            "mean_absolute_error_min": round(float(abs(off).mean()), 2),
            "median_absolute_error_min": round(float(np.median(abs(off))), 2),
        }


def read_rows(path: Path) -> list[dict[str, str]]:
    """The usable sessions of a file by arrival; those that gained no charge are left out."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    usable = [
        row
        for row in rows
        if float(row["SOC departure"]) - float(row["SOC arrival"]) >= 1
        and float(row["SOC departure"]) <= 100
    ]
    return sorted(usable, key=lambda row: row["Arrival"])


def fitted(stays: Stays) -> tuple[Column, float]:
    """The falling envelope within the peaks that were seen, and the settling, that fit best."""
    low_c, high_c = stays.peaks_c(0.5), stays.peaks_c(0.95) + 0.01

    def off(wanted: Column) -> Column:
        rising = np.clip(np.diff(wanted[:-1]), 0, None) * 100
        wrong = stays.minutes(wanted[:-1], float(wanted[-1])) - stays.stay_min
        return np.concatenate([wrong, rising])

    found = least_squares(
        off,
        np.append((low_c + high_c) / 2, _MOST_SETTLING_MIN / 2),
        bounds=(np.append(low_c, 0.0), np.append(high_c, _MOST_SETTLING_MIN)),
        loss="soft_l1",
        f_scale=_ROBUST_MIN,
    )
    return np.asarray(found.x[:-1]), float(found.x[-1])


def report(path: Path) -> dict[str, Any]:
    """The shipped and the best envelope, each with its errors on both parts."""
    rows = read_rows(path)
    cut = int(_FIT_SHARE * len(rows))
    earlier, later = Stays(rows[:cut]), Stays(rows[cut:])
    best_c, settling_min = fitted(earlier)
    shipped_c = np.array([rate_c for _, rate_c in ENVELOPE])
    return {
        "sessions": len(rows),
        "knots_pct": [float(knot) for knot in _KNOTS],
        "shipped_c": [float(rate_c) for rate_c in shipped_c],
        "shipped_settling_min": round(SETTLING_S / 60, 2),
        "shipped_earlier": earlier.error(shipped_c, SETTLING_S / 60),
        "shipped_later": later.error(shipped_c, SETTLING_S / 60),
        "fitted_c": [round(float(rate_c), 2) for rate_c in best_c],
        "fitted_settling_min": round(settling_min, 2),
        "fitted_earlier": earlier.error(best_c, settling_min),
        "fitted_later": later.error(best_c, settling_min),
    }


def _column(rows: list[dict[str, str]], name: str) -> Column:
    return np.array([float(row[name]) for row in rows])


def main() -> None:
    """Prints the report: a table for people, or one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.battery_fit")
    parser.add_argument("sessions", type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    told = report(asked.sessions)
    if asked.json:
        print(json.dumps(told, separators=(",", ":")))
        return
    for name, value in told.items():
        print(f"{name:22} {value}")


if __name__ == "__main__":
    main()
