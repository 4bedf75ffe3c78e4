"""Several policies in the same scenes, by paired seeds: who is served sooner, and how sure that is.

`python -m city_sim compare`. What a policy does is in `policies.py` and `product.py`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from city_sim.cars import Car
from city_sim.report import indexes, played, policies
from city_sim.scenarios import CAMPUS_LAYOUT, campus
from coordinator.core.vehicle import WarningLevel
from coordinator.models.serving import Serving, open_models, unhurried

SCENARIOS = ("campus-280",)
YARDSTICK, OURS = "greedy-hold", "pilewise"
RESAMPLES = 4_000
LEVELS = (WarningLevel.HIGH, WarningLevel.MEDIUM, WarningLevel.LOW)


@dataclass(frozen=True, slots=True)
class Run:
    """One policy in one scene."""

    policy: str
    cars: int
    seed: int
    walk_in_share: float
    failing_share: float
    layout: int


def outcome(run: Run) -> dict[str, Any]:
    """Figures of the cars that asked; those who just came are counted apart. Minutes.

    The same for the same run. Levels go by the charge with which a car asked.
    """
    scene = campus(
        run.seed, run.cars, walk_in_share=run.walk_in_share, failing_share=run.failing_share,
        layout=run.layout,
    )  # fmt: skip
    policy = policies(_shipped() if run.policy == OURS else None)[run.policy](scene)
    cars, served = played(scene, policy)
    asked = [car for car in cars if not car.demand.walk_in]
    came = [car for car in cars if car.demand.walk_in]
    made: dict[str, Any] = asdict(indexes(asked, served))
    made["switches_per_car"] = made["switches"] / max(len(asked), 1)
    made["degraded_share"] = getattr(policy, "degraded", 0) / max(len(asked), 1)
    made["walk_in_drive_plus_wait_min"] = indexes(came, served).mean_drive_plus_wait_min
    for level in LEVELS:
        waits = [car.wait_s / 60.0 for car in asked if level_of(car) is level]
        made[f"wait_{level.name.lower()}"] = float(np.mean(waits)) if waits else None
    return made


@cache
def _shipped() -> Serving:
    """The models that the product ships, opened once a process."""
    return unhurried(open_models())


def level_of(car: Car) -> WarningLevel:
    """How urgent a car was by its charge alone, as the coordinator judges it."""
    soc_pct = car.demand.soc_pct
    if soc_pct < 15.0:
        return WarningLevel.HIGH
    return WarningLevel.MEDIUM if soc_pct < 40.0 else WarningLevel.LOW


def gain(ours: Sequence[float], yardstick: Sequence[float]) -> tuple[float, float, float]:
    """Share of the yardstick's mean that ours saves on paired seeds, and its 95 % interval.

    >>> gain([9.0, 18.0], [10.0, 20.0])
    (0.1, 0.1, 0.1)
    """
    pairs = np.array([ours, yardstick])
    drawn = np.random.default_rng(280).integers(0, pairs.shape[1], (RESAMPLES, pairs.shape[1]))
    means = pairs[:, drawn].mean(axis=2)
    low, high = np.quantile(1.0 - means[0] / means[1], (0.025, 0.975))
    middle = 1.0 - pairs[0].mean() / pairs[1].mean()
    return round(float(middle), 5), round(float(low), 5), round(float(high), 5)


def summed(runs: Sequence[Run], made: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means by number of cars and policy, and what ours gains at the largest number."""
    by_cars: dict[str, dict[str, Any]] = {}
    for run, row in zip(runs, made, strict=True):
        by_cars.setdefault(str(run.cars), {}).setdefault(run.policy, []).append(row)
    means = {
        cars: {name: _mean(rows) for name, rows in policies.items()}
        for cars, policies in by_cars.items()
    }
    most = by_cars[str(max(run.cars for run in runs))]
    told: dict[str, Any] = {"results": means}
    if OURS in most:
        ours = means[str(max(run.cars for run in runs))][OURS]
        told["switches_per_car"] = ours["switches_per_car"]
        told["degraded_share"] = ours["degraded_share"]
        told["wait_by_level"] = {
            level.name.lower(): ours[f"wait_{level.name.lower()}"] for level in LEVELS
        }
    if OURS in most and YARDSTICK in most:
        key = "mean_drive_plus_wait_min"
        pair = [[row[key] for row in most[name]] for name in (OURS, YARDSTICK)]
        told["greedy_hold_min"] = round(float(np.mean(pair[1])), 3)
        told["pilewise_min"] = round(float(np.mean(pair[0])), 3)
        told["gain_over_greedy_hold"], told["gain_ci_low"], told["gain_ci_high"] = gain(*pair)
    return told


def _mean(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    known = {key: [row[key] for row in rows if row[key] is not None] for key in rows[0]}
    return {
        key: round(float(np.mean(values)), 4) if values else None for key, values in known.items()
    }


def main(arguments: Sequence[str]) -> int:
    """Plays everything, prints a table, and with --json one JSON object last."""
    options = _options(arguments)
    runs = [
        Run(policy, cars, options.seed + n, options.walk_in_share, options.failing_share,
            options.layout)
        for n in range(options.seeds)
        for cars in options.cars
        for policy in options.policies
    ]  # fmt: skip
    order = sorted(range(len(runs)), key=lambda n: runs[n].policy != OURS)  # the longest first
    jobs = min(options.jobs or os.cpu_count() or 1, len(runs))
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        played_in_order = pool.map(outcome, [runs[n] for n in order])
        by_run = dict(zip(order, played_in_order, strict=True))
    made = [by_run[n] for n in range(len(runs))]
    told = {
        "scenario": options.scenario, "cars": options.cars, "seeds": options.seeds,
        "seed": options.seed, "policies": options.policies, "layout": options.layout,
        "walk_in_share": options.walk_in_share, "failing_share": options.failing_share,
        **summed(runs, made),
    }  # fmt: skip
    _print(told["results"])
    if options.json:
        print(json.dumps(told, separators=(",", ":")), flush=True)
    return 0


def _print(results: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """The means as a table, for people."""
    columns = ("mean_drive_min", "mean_wait_min", "mean_drive_plus_wait_min",
               "p95_drive_plus_wait_min", "unfinished", "gini", "switches_per_car")  # fmt: skip
    titles = ("drive", "wait", "drive+wait", "p95", "unfinished", "gini", "switches")
    for cars, rows in results.items():
        print(f"{cars} cars, minutes", file=sys.stderr)
        print(f"{'policy':<14}" + "".join(f"{t:>12}" for t in titles), file=sys.stderr)
        for name, row in rows.items():
            cells = "".join(f"{row[key]:>12.2f}" for key in columns)
            print(f"{name:<14}{cells}", file=sys.stderr)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="city_sim compare", description=__doc__)
    parser.add_argument("--scenario", choices=SCENARIOS, default=SCENARIOS[0])
    parser.add_argument("--policies", type=_names, default=sorted(policies()))
    parser.add_argument("--cars", type=_numbers, default=[700, 950], help="with commas")
    parser.add_argument("--seeds", type=int, default=16, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="the first")
    parser.add_argument("--walk-in-share", type=float, default=0.0)
    parser.add_argument("--failing-share", type=float, default=0.0)
    parser.add_argument("--layout", type=int, default=CAMPUS_LAYOUT, help="where stations stand")
    parser.add_argument("--jobs", type=int, default=0, help="processes; 0 for one a core")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = set(names) - set(policies())
    if unknown:
        known = ", ".join(sorted(policies()))
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}; known are {known}")
    return names


def _numbers(text: str) -> list[int]:
    numbers = [int(part) for part in text.split(",")]
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return numbers
