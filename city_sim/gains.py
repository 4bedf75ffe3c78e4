"""What runs say together: means by policy, what ours gains, what each removed part costs.

Always on paired seeds: the same cars under each policy. How runs are played is in `play_all.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from city_sim.parts import REMOVABLE
from city_sim.policies.named import OURS, without
from city_sim.runs import LEVELS, OPTIMUM, Run
from coordinator.core.indexes_field import gap_to_optimum

YARDSTICK, FREE_NOW = "greedy-hold", "nearest-free"
RESAMPLES = 4_000
HEADLINE = "mean_drive_plus_wait_min"
# What a removed part may cost, each so that more is worse.
COSTS = (
    HEADLINE, "p95_drive_plus_wait_min", "wait_high", "burden_min", "no_plug_share",
    "failed_charge_share",
)  # fmt: skip

Row = Mapping[str, Any]
Runs = dict[str, dict[int, Row]]  # by policy and seed


def gain(ours: Sequence[float], yardstick: Sequence[float]) -> tuple[float, float, float]:
    """Share of the yardstick's mean that ours saves on paired seeds, and its 95 % interval.

    >>> gain([9.0, 18.0], [10.0, 20.0])
    (0.1, 0.1, 0.1)
    """
    means = _resampled(ours, yardstick)
    low, high = np.quantile(1.0 - means[0] / means[1], (0.025, 0.975))
    middle = 1.0 - float(np.mean(ours)) / float(np.mean(yardstick))
    return round(middle, 5), round(float(low), 5), round(float(high), 5)


def difference(removed: Sequence[float], whole: Sequence[float]) -> dict[str, float]:
    """Mean of how much more one has than the other on paired seeds, and its 95 % interval.

    >>> difference([3.0, 5.0], [1.0, 3.0])
    {'difference': 2.0, 'ci_low': 2.0, 'ci_high': 2.0}
    """
    means = _resampled(removed, whole)
    low, high = np.quantile(means[0] - means[1], (0.025, 0.975))
    middle = float(np.mean(removed)) - float(np.mean(whole))
    return {
        "difference": round(middle, 5),
        "ci_low": round(float(low), 5),
        "ci_high": round(float(high), 5),
    }


def _resampled(one: Sequence[float], other: Sequence[float]) -> NDArray[np.float64]:
    """Means of both over seeds drawn again and again, the same seeds for both, (2, resamples)."""
    pairs = np.array([one, other], dtype=np.float64)
    drawn = np.random.default_rng(280).integers(0, pairs.shape[1], (RESAMPLES, pairs.shape[1]))
    return np.asarray(pairs[:, drawn].mean(axis=2))


def summed(runs: Sequence[Run], made: Sequence[Row]) -> dict[str, Any]:
    """Means by number of cars and policy, and what ours gains at the largest number."""
    by_cars: dict[int, Runs] = {}
    for run, row in zip(runs, made, strict=True):
        by_cars.setdefault(run.cars or 0, {}).setdefault(run.policy, {})[run.seed] = row
    means = {
        cars: {name: mean_of(list(rows.values())) for name, rows in policies.items()}
        for cars, policies in by_cars.items()
    }
    told: dict[str, Any] = {"results": {_name(cars): rows for cars, rows in means.items()}}
    most, best = by_cars[max(by_cars)], means[max(by_cars)]
    if OURS in most:
        told |= _of_ours(most, best)
    ablation = ablated(most)
    return {**told, "ablation": ablation} if ablation else told


def _name(cars: int) -> str:
    return str(cars) if cars else "usual"


def _of_ours(most: Runs, means: Mapping[str, Row]) -> dict[str, Any]:
    """The figures of the product alone, and beside the others that were played."""
    ours = means[OURS]
    told: dict[str, Any] = {
        "switches_per_car": ours["switches_per_car"],
        "degraded_share": ours["degraded_share"],
        "wait_by_level": {
            level.name.lower(): ours[f"wait_{level.name.lower()}"] for level in LEVELS
        },
        "pilewise_min": round(ours[HEADLINE], 3),
    }
    if YARDSTICK in most:
        told["greedy_hold_min"] = round(means[YARDSTICK][HEADLINE], 3)
        pair = paired(most, OURS, YARDSTICK, HEADLINE)
        told["gain_over_greedy_hold"], told["gain_ci_low"], told["gain_ci_high"] = gain(*pair)
    if FREE_NOW in most:
        told["nearest_free_min"] = round(means[FREE_NOW][HEADLINE], 3)
        saved, low, high = gain(*paired(most, OURS, FREE_NOW, HEADLINE))
        told["pilewise_over_nearest_free"] = round(1.0 - saved, 5)
        told["pilewise_over_nearest_free_ci_low"] = round(1.0 - high, 5)
        told["pilewise_over_nearest_free_ci_high"] = round(1.0 - low, 5)
    if OPTIMUM in most and means[OPTIMUM][HEADLINE] is not None:
        told["optimum_min"] = round(means[OPTIMUM][HEADLINE], 3)
        told["gap_to_optimum"] = gap_to_optimum(ours[HEADLINE], means[OPTIMUM][HEADLINE])
    return told


def paired(runs: Runs, one: str, other: str, key: str) -> tuple[list[float], list[float]]:
    """The figure under both policies, seed by seed, where both have it."""
    both = [
        (runs[one][seed][key], runs[other][seed][key])
        for seed in sorted(runs[one].keys() & runs[other].keys())
    ]
    known = [pair for pair in both if None not in pair]
    return [pair[0] for pair in known], [pair[1] for pair in known]


def ablated(runs: Runs) -> dict[str, dict[str, dict[str, float]]]:
    """How much more each of `COSTS` is without a part, by the part's name; those that were played.

    A figure whose interval lies above 0 is what the part is worth.
    """
    if OURS not in runs:
        return {}
    told: dict[str, dict[str, dict[str, float]]] = {}
    for part in REMOVABLE:
        name = without(part)
        if name not in runs:
            continue
        told[name] = {}
        for key in COSTS:
            removed, whole = paired(runs, name, OURS, key)
            if removed:
                told[name][key] = difference(removed, whole)
    return told


def mean_of(rows: Sequence[Row]) -> dict[str, Any]:
    """Means of the figures that are known."""
    known = {key: [row[key] for row in rows if row[key] is not None] for key in rows[0]}
    return {
        key: round(float(np.mean(values)), 4) if values else None for key, values in known.items()
    }
