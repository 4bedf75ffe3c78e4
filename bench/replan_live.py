"""A whole round of the joint re-plan over promises that stand: looking at all, planning, moving.

The parts are the coordinator's, in this process, with its shipped models; the plan is made in the
worker. What one plan costs by itself is in `replan.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, cast

import numpy as np

from bench.measure import percentile
from coordinator.brain import Brain, assemble_brain, core_models
from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.pile import (
    Connector,
    Evse,
    EvseStatus,
    Pile,
    PowerType,
    Station,
    Tariff,
    TariffElement,
)
from coordinator.core.vehicle import ChargingRequest, Vehicle
from coordinator.jobs.solver import WorkerSolver
from coordinator.models.serving import open_models
from coordinator.store.claims import MemoryClaims
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events

STATIONS, EVSES = 600, 5
SOUTH_DEG, WEST_DEG, SIDE_DEG = 22.45, 113.85, 0.20
HOT_DEG, SPREAD_DEG, HOT_SHARE = (22.55, 113.95), 0.015, 0.5
CCS2 = 27
BUSY_SHARE = 0.4


async def live(cars: int, rounds: int, seed: int) -> dict[str, Any]:
    """What rounds over so many promises cost, and for how long at most the loop was held up."""
    rng = np.random.default_rng(seed)
    brain, district = _brain(rng)
    promised = await _promise(brain, cars, rng)
    brain.plan_on_a_thread()
    solver = WorkerSolver()
    await brain.replanner.once(solver)  # the process starts
    times, turns, stalls, idle, moved = [], [], [], [], 0
    for _ in range(rounds):
        _busy(district, rng)
        took_s, turn_ms, stall_ms, count = await _watched(brain.replanner.once(solver))
        times.append(took_s)
        turns.append(turn_ms)
        stalls.append(stall_ms)
        moved += count
        await brain.replanner.proposals.expire()
        idle.append((await _watched(_nothing(took_s)))[2])
    await solver.close()
    for measured in (times, turns, stalls, idle):
        measured.sort()
    return {
        "live_cars": promised,
        "live_evses": len(district),
        "live_rounds": rounds,
        "live_round_s": round(percentile(times, 0.5), 2),
        "live_moved": moved,
        "live_turn_cpu_ms": round(percentile(turns, 0.5), 2),
        "live_turn_cpu_most_ms": round(turns[-1], 2),
        "live_loop_stall_ms": round(percentile(stalls, 0.5), 2),
        "live_loop_stall_idle_ms": round(percentile(idle, 0.5), 2),
    }


async def _nothing(for_s: float) -> int:
    await asyncio.sleep(min(for_s, 3.0))
    return 0


async def _watched(work: Awaitable[int]) -> tuple[float, float, float, int]:
    """Seconds, the loop's longest turn in CPU time and its latest tick, ms, and what it gave.

    The CPU time of this thread is not lengthened by what else runs on the machine.
    """
    late_s, turns_s = [0.0], [0.0]

    async def tick() -> None:
        while True:
            due_s = time.perf_counter() + 0.001
            await asyncio.sleep(0.001)
            late_s.append(time.perf_counter() - due_s)

    def run(handle: asyncio.Handle) -> None:
        began_s = time.thread_time()
        _run(handle)
        turns_s.append(time.thread_time() - began_s)

    watch = asyncio.create_task(tick(), name="bench:turns")
    began_s, handles = time.perf_counter(), cast("Any", asyncio.Handle)
    _run, handles._run = handles._run, run
    try:
        count = await work
        return time.perf_counter() - began_s, 1e3 * max(turns_s), 1e3 * max(late_s), count
    finally:
        handles._run = _run
        watch.cancel()


def _brain(rng: np.random.Generator) -> tuple[Brain, District]:
    clock = Clock()
    district = District(_station(number, rng) for number in range(STATIONS))
    district.put_tariffs([Tariff("T", "CNY", (TariffElement("ENERGY", 1.0),))])
    _busy(district, rng)
    events = Events(clock.now_s, clock.system_s)
    brain = assemble_brain(
        district, core_models(open_models()), clock, events, Counters(), MemoryClaims()
    )
    return brain, district


def _station(number: int, rng: np.random.Generator) -> Station:
    name = f"S{number}"
    at = np.array([SOUTH_DEG, WEST_DEG]) + rng.random(2) * SIDE_DEG
    piles = tuple(
        Pile(
            f"{name}-{place}",
            name,
            (Evse(f"{name}-{place}*1", (Connector("1", CCS2, PowerType.DC, 120.0),)),),
        )
        for place in range(EVSES)
    )
    return Station(name, name, float(at[0]), float(at[1]), piles, tariff_id="T")


def _busy(district: District, rng: np.random.Generator) -> None:
    """Other cars come and go."""
    status = np.full(len(district), EvseStatus.AVAILABLE, dtype=np.int8)
    status[rng.random(len(district)) < BUSY_SHARE] = EvseStatus.CHARGING
    district.status[:] = status
    district.observed_at_s[:] = time.time()
    district.heard_at_s[:] = time.monotonic()


async def _promise(brain: Brain, cars: int, rng: np.random.Generator) -> int:
    """Cars that ask and confirm; gives how many have a place."""
    for number in range(cars):
        at = np.array([SOUTH_DEG, WEST_DEG]) + rng.random(2) * SIDE_DEG
        if rng.random() < HOT_SHARE:
            at = rng.normal(HOT_DEG, SPREAD_DEG)
        request = ChargingRequest(
            f"r{number}", f"car-{number}", Vehicle(60.0, connector_mask=1 << CCS2),
            latitude_deg=float(at[0]), longitude_deg=float(at[1]),
            soc_pct=float(rng.uniform(12.0, 60.0)),
        )  # fmt: skip
        answer = await brain.recommender.recommend(request)
        if answer.hold.claim_id:
            await brain.guidance.confirm(answer.recommendation_id)
    return len(brain.promises)
