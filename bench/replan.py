"""How long a joint re-plan takes, how near the optimum it is, and whether the loop still answers.

Half of the cars stand in one hot spot. The budgeted plan is measured in a worker process, as the
coordinator runs it; the yardstick is a dense matcher without budget, level by level. Whole rounds
over promises that stand are in `replan_live.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from bench.measure import percentile
from bench.replan_live import live
from coordinator.app import SWITCH_INTERVAL_S
from coordinator.core.areas.assignment import (
    LEVELS,
    NOWHERE,
    SWITCH_S,
    Plan,
    Problem,
    Settings,
    assign,
)
from coordinator.jobs.solver import BUDGET_S, WorkerSolver

CARS, CANDIDATES, STATIONS, PLACES = 1_000, 20, 400, 5
ROUNDS = 15
LIVE, LIVE_ROUNDS = 5_000, 3
COMPARED = 4  # rounds whose plans are held against the yardstick, which takes seconds
SIDE_KM, SPREAD_KM, KMH = 12.0, 0.8, 25.0
HOT_KM = (6.0, 6.0)
SHARE_OF_LEVEL = (0.1, 0.4, 0.5)
STAY_S = 2_400.0
Floats = NDArray[np.float64]
T = TypeVar("T")


def main() -> int:
    """Runs the bench, prints one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the JSON object only")
    parser.add_argument("--cars", type=int, default=CARS)
    parser.add_argument("--candidates", type=int, default=CANDIDATES)
    parser.add_argument("--stations", type=int, default=STATIONS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--hot-share", type=float, default=0.5, help="cars in the hot spot, 0-1")
    parser.add_argument("--live", type=int, default=LIVE, help="promises of whole rounds, 0 none")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    figures = asyncio.run(run(options))
    if options.live:
        figures |= asyncio.run(live(options.live, LIVE_ROUNDS, options.seed))
    if not options.json:
        for name, value in figures.items():
            print(f"{name:>24} {value}", file=sys.stderr)
    print(json.dumps(figures))
    return 0


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """What was measured, and the size of it."""
    problems = [instance(options, options.seed + n) for n in range(options.rounds)]
    sys.setswitchinterval(SWITCH_INTERVAL_S)  # as the coordinator does
    solver = WorkerSolver()
    await solver.plan(problems[0])  # the process starts
    times, stalls, idle, plans = [], [], [], []
    for problem in problems:
        started = time.perf_counter()
        plan, stall_ms = await _watched(solver.plan(problem))
        times.append(1e3 * (time.perf_counter() - started))
        stalls.append(stall_ms)
        plans.append(plan)
        idle.append((await _watched(asyncio.sleep(times[-1] / 1e3)))[1])
    await solver.close()
    judged = list(zip(problems, plans, strict=True))[:COMPARED]
    figures = [compare(problem, plan) for problem, plan in judged if plan]
    own = [_own_cpu_ms(problem) for problem in problems[:5]]
    for measured in (times, stalls, idle, own):
        measured.sort()
    return {
        "cars": options.cars,
        "candidates": options.candidates,
        "stations": options.stations,
        "places": PLACES,
        "hot_share": options.hot_share,
        "rounds": options.rounds,
        "median_ms": round(percentile(times, 0.5), 1),
        "p99_ms": round(percentile(times, 0.99), 1),
        "cpu_ms": round(percentile(own, 0.5), 1),
        "gap": max(f["gap"] for f in figures) if figures else None,
        "served": figures[0]["served"] if figures else None,
        "served_unbudgeted": figures[0]["served_unbudgeted"] if figures else None,
        "same_served": bool(figures) and all(f["same_served"] for f in figures),
        "most_at_one_station": max(f["most_at_one_station"] for f in figures) if figures else None,
        "without_place": figures[0]["without_place"] if figures else None,
        "repaired": sum(plan.repaired for plan in plans if plan),
        "unplanned": sum(plan is None for plan in plans),
        "loop_stall_ms": round(percentile(stalls, 0.5), 2),
        "loop_stall_most_ms": round(stalls[-1], 2),
        "loop_stall_idle_ms": round(percentile(idle, 0.5), 2),
        "budget_ms": round(1e3 * BUDGET_S),
        "seed": options.seed,
    }


async def _watched(work: Awaitable[T]) -> tuple[T, float]:
    """What the work gives, and by how much the loop was late at worst meanwhile, ms."""
    late_ms = [0.0]

    async def tick() -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + 0.001
            await asyncio.sleep(0.001)
            late_ms.append(1e3 * (loop.time() - due))

    watch = asyncio.create_task(tick(), name="bench:stalls")
    try:
        made = await work
        return made, max(late_ms)
    finally:
        watch.cancel()


def _own_cpu_ms(problem: Problem) -> float:
    started = time.process_time()
    assign(problem)
    return 1e3 * (time.process_time() - started)


def instance(options: argparse.Namespace, seed: int) -> Problem:
    """Cars on a square, each with its nearest stations; most hold what was best when they asked."""
    rng = np.random.default_rng(seed)
    n, candidates = options.cars, min(options.candidates, options.stations)
    stations = rng.uniform(0.0, SIDE_KM, (options.stations, 2))
    hot = rng.normal(HOT_KM, SPREAD_KM, (n, 2))
    at = np.where(rng.random((n, 1)) < options.hot_share, hot, rng.uniform(0.0, SIDE_KM, (n, 2)))
    km = np.hypot(*(at[:, None, :] - stations[None]).transpose(2, 0, 1))
    near = np.argsort(km, axis=1, kind="stable")[:, :candidates]
    drive_s = np.take_along_axis(km, near, 1) * 1.3 / KMH * 3600.0
    ready = np.where(rng.random((options.stations, PLACES)) < 0.5, 0.0, rng.uniform(0, STAY_S))
    ready = np.sort(ready + rng.uniform(0.0, 1.0, ready.shape) * (ready > 0) * 600.0, axis=1)
    rest_s = rng.uniform(0.0, 120.0, (n, candidates))
    cost = np.maximum(drive_s[:, :, None], ready[near]) + rest_s[:, :, None]
    place = near[:, :, None] * PLACES + np.arange(PLACES)
    levels = np.array(LEVELS)[rng.choice(3, n, p=SHARE_OF_LEVEL)]
    flat = place.reshape(n, -1)
    return Problem(
        levels,
        _held(flat, cost.reshape(n, -1)),
        np.zeros(n, dtype=bool),
        np.repeat(np.arange(n), flat.shape[1]),
        flat.ravel(),
        cost.ravel(),
        np.repeat(np.arange(options.stations), PLACES),
    )


def _held(places: NDArray[np.intp], cost: Floats) -> NDArray[np.intp]:
    """What each car was promised when it asked: the best that was left, in order of asking."""
    taken: set[int] = set()
    held = np.full(len(places), NOWHERE, dtype=np.intp)
    for car, order in enumerate(np.argsort(cost, axis=1, kind="stable")):
        for place in places[car, order].tolist():
            if place not in taken:
                held[car] = place
                taken.add(place)
                break
    return held


def compare(problem: Problem, plan: Plan) -> dict[str, Any]:
    """The plan beside the one of a matcher without budget, served cost and numbers by level."""
    best = unbudgeted(problem)
    served, most = _by_level(problem, plan.place), _by_level(problem, best)
    cost, least = _cost(problem, plan.place), _cost(problem, best)
    used = plan.place[plan.place != NOWHERE]
    return {
        "gap": round(max(cost / least - 1.0, 0.0), 5),
        "served": served,
        "served_unbudgeted": most,
        "same_served": served == most,
        "most_at_one_station": int(np.bincount(problem.station[used]).max(initial=0)),
        "without_place": int(np.count_nonzero(plan.place == NOWHERE)),
    }


def _by_level(problem: Problem, place: NDArray[np.intp]) -> dict[str, int]:
    has = place != NOWHERE
    names = ("high", "medium", "low")
    counts = [int(np.count_nonzero(has & (problem.level == level))) for level in LEVELS]
    return dict(zip(names, counts, strict=True))


def _cost(problem: Problem, place: NDArray[np.intp]) -> float:
    """Seconds of all served cars, with what switching costs."""
    chosen = place[problem.car] == problem.place
    here = problem.now[problem.car]
    moved = (here != NOWHERE) & (problem.station[problem.place] != problem.station[here])
    return float((problem.cost_s + SWITCH_S * moved)[chosen].sum())


def unbudgeted(problem: Problem) -> NDArray[np.intp]:
    """The plan of a dense matcher, one level after the other, however long it takes."""
    settings = Settings()
    n, count = problem.count, len(problem.station)
    here = problem.now[problem.car]
    has = here != NOWHERE
    moved = has & (problem.station[problem.place] != problem.station[here])
    price = problem.cost_s + settings.switch_s * moved
    own = has & (problem.place == here)
    most = np.full(n, np.inf)
    most[problem.car[own]] = problem.cost_s[own] + settings.loss_s
    price = np.where(problem.cost_s <= most[problem.car], price, np.inf)
    table = np.full((n, count), np.inf)
    table[problem.car, problem.place] = price
    out = 1e7
    place = np.full(n, NOWHERE, dtype=np.intp)
    for level in LEVELS:
        cars = np.flatnonzero(problem.level == level)
        later = np.flatnonzero((problem.level > level) & (problem.now != NOWHERE))
        rows = np.concatenate([cars, later])
        leave = np.full((len(rows), len(rows)), np.inf)
        np.fill_diagonal(leave, np.where(problem.now[rows] != NOWHERE, 1e3 * out, out))
        weight = np.where(np.arange(len(rows)) < len(cars), 1.0, 1e-5)[:, None]
        row, column = linear_sum_assignment(np.hstack([table[rows] * weight, leave]))
        served = (column < count) & (row < len(cars))
        place[rows[row[served]]] = column[served]
        table[:, column[served]] = np.inf
    return place


if __name__ == "__main__":
    sys.exit(main())
