"""What many seeds came to: means, spreads, and how much less distance than by preference alone.

Pure; the outcomes come from `runs.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from city_sim.paper.runs import HOLD, IN_STEPS, OPTIMUM, PILEWISE, Rows

Floats = NDArray[np.float64]

YARDSTICK = "preference"
PUBLISHED = 0.2873  # Source: paper 3, with Fig. 13
RESAMPLES = 4_000
# Reductions that stand by themselves in what a run tells, by the name of the way to choose.
HEADLINES = {
    "integrated": "integrated", PILEWISE: "pilewise", IN_STEPS: "pilewise_in_steps",
    HOLD: "greedy_hold", OPTIMUM: "optimum", "distance": "distance", "traffic": "traffic",
}  # fmt: skip
DIGITS = 4


def reductions(rows: Sequence[Rows], name: str) -> Floats:
    """By how much each scene's total distance is less than by preference, as a share, (seeds,)."""
    own, usual = (np.array([row[way]["total_km"] for row in rows]) for way in (name, YARDSTICK))
    less: Floats = 1.0 - own / usual
    return less


def interval(values: Floats) -> tuple[float, float]:
    """95 % bootstrap interval of the mean, over seeds.

    >>> interval(np.array([0.3, 0.3, 0.3]))
    (0.3, 0.3)
    """
    drawn = np.random.default_rng(280).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))
    return round(float(low), DIGITS), round(float(high), DIGITS)


def spread(values: Floats) -> float:
    """Standard deviation over seeds; 0 of a single one."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def summed(rows: Sequence[Rows]) -> dict[str, Any]:
    """All that a run tells of one configuration, as plain values.

    `pilewise_over_capacity` counts stations with more cars than slots, over all seeds together.
    """
    told: dict[str, Any] = {}
    for name, key in HEADLINES.items():
        less = reductions(rows, name)
        low, high = interval(less)
        told |= {
            f"{key}_reduction": round(float(less.mean()), DIGITS),
            f"{key}_reduction_sd": round(spread(less), DIGITS),
            f"{key}_reduction_ci_low": low,
            f"{key}_reduction_ci_high": high,
        }
    near = np.abs(reductions(rows, "integrated") - PUBLISHED) <= 0.01
    told["published_reduction"] = PUBLISHED
    told["near_published_share"] = round(float(near.mean()), DIGITS)
    for name, key in HEADLINES.items():
        if name in (PILEWISE, IN_STEPS, OPTIMUM):
            told[f"{key}_gini"] = round(_mean(rows, name, "gini"), DIGITS)
            told[f"{key}_over_capacity"] = int(sum(row[name]["stations_over"] for row in rows))
    gap = _mean(rows, PILEWISE, "total_km") / _mean(rows, OPTIMUM, "total_km") - 1.0
    told["pilewise_gap_to_optimum"] = round(gap, DIGITS)
    told["methods"] = {name: means(rows, name) for name in rows[0]}
    return told


def means(rows: Sequence[Rows], name: str) -> dict[str, float]:
    """Mean of every figure of a way to choose, and the spread of its distance and balance."""
    made = {key: round(_mean(rows, name, key), DIGITS) for key in rows[0][name]}
    for key in ("total_km", "gini", "over"):
        made[f"{key}_sd"] = round(spread(_column(rows, name, key)), DIGITS)
    return made


def _column(rows: Sequence[Rows], name: str, key: str) -> Floats:
    return np.array([row[name][key] for row in rows], dtype=np.float64)


def _mean(rows: Sequence[Mapping[str, Mapping[str, float]]], name: str, key: str) -> float:
    return float(np.mean([row[name][key] for row in rows]))
