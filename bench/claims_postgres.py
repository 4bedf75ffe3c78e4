"""The shared ledger under contention, by the clock, and over a failover: for `bench.claims`.

Two ledgers, as of two coordinators, work on one private PostgreSQL (fsync on). A trigger logs what
was stored; whether two cars ever had one place is judged from that log in `claims_trail.py`. Then
claims come at a fixed rate whether or not answers do, and last the primary is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import structlog

from bench.claims_load import BEGIN, LENGTH_S, TICK_S, Load
from bench.claims_trail import log_changes, trail
from bench.measure import percentile
from bench.postgres_cluster import HINT, Cluster, programs
from bench.postgres_pair import Pair
from coordinator.core.areas.ledger import OFFER_S, Claim, ClaimState, Moment, Step
from coordinator.core.vehicle import WarningLevel
from coordinator.errors import StoreUnavailable
from coordinator.store.postgres import PostgresClaims

LEDGERS: Final = 2
EVSES: Final = 200
RATE: Final = 500.0
HELD_S: Final = 0.4  # for which a place is kept in the open loop before it is given back
FAILOVER_RATE: Final = 100.0
DETECT_S: Final = 0.5  # until somebody notices that the primary is dead, and promotes
FOLLOW_S: Final = 0.1


def measured(
    attempts: int, tasks: int, seconds: float, failovers: int, seed: int
) -> dict[str, Any]:
    """Figures of the three runs; raises `SystemExit` without PostgreSQL."""
    if programs() is None:
        raise SystemExit(HINT)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    cluster = Cluster(durable=True)
    try:
        cluster.make()
        cluster.start()
        with tempfile.TemporaryDirectory(prefix="pilewise-bench-") as folder:
            found = asyncio.run(contended(cluster, Path(folder), attempts, tasks, seed))
            found |= asyncio.run(open_loop(cluster, Path(folder), seconds, seed))
            found |= over_failovers(Path(folder), failovers, seed)
    finally:
        cluster.remove()
    return {"engine": "postgres", **found, "seed": seed}


@dataclass
class SharedLoad(Load):
    """The load of one of several ledgers; counts the steps that found no agreement."""

    beside: list[Load] = field(default_factory=list)  # the loads of all ledgers
    unavailable: int = 0

    def moment(self) -> Moment:
        """Time goes on with the attempts of all."""
        passed_s = sum(load.attempts for load in self.beside) * TICK_S
        return Moment(self.begin.now_s + passed_s, self.begin.link_s + passed_s)

    async def _work(self, attempts: int) -> None:
        while self.attempts < attempts:
            try:
                await super()._work(attempts)
            except StoreUnavailable:
                self.unavailable += 1


async def contended(
    cluster: Cluster, folder: Path, attempts: int, tasks: int, seed: int
) -> dict[str, Any]:
    """Two ledgers whose cars all want the same few EVSEs."""
    stores = [
        PostgresClaims(cluster.dsn(), "bench", folder, BEGIN, schema="contended", plays_time=True)
        for _ in range(LEDGERS)
    ]
    log_changes(cluster.dsn(), "contended")
    loads = [SharedLoad(store, seed + number) for number, store in enumerate(stores)]
    for load in loads:
        load.beside = [*loads]
    begun_s = time.perf_counter()
    followers = [
        asyncio.ensure_future(_follow(store, load))
        for store, load in zip(stores, loads, strict=True)
    ]
    await asyncio.gather(*(load.run(attempts // LEDGERS, tasks // LEDGERS) for load in loads))
    seconds = time.perf_counter() - begun_s
    for follower in followers:
        follower.cancel()
    for store in stores:
        await store.close()
    made = sum(load.attempts for load in loads)
    seen = trail(cluster.dsn(), "contended")
    told = {name for load in loads for name in load.told}
    fences = [fence for load in loads for drawn in load.fences.values() for fence in drawn]
    return {
        "attempts": made,
        "granted_share": round(sum(load.granted for load in loads) / made, 4),
        "overlaps": seen.overlaps,
        "double_cars": seen.double_cars,
        "granted_lost": len(told - seen.claims),
        "steps_without_agreement": sum(load.unavailable for load in loads),
        "fences": len(fences),
        "fences_rising": all(
            drawn == sorted(set(drawn)) for load in loads for drawn in load.fences.values()
        ),
        "changes": seen.changes,
        "seconds": round(seconds, 1),
        "attempts_per_s": round(made / seconds, 1),
        "ledgers": LEDGERS,
    }


async def _follow(store: PostgresClaims, load: Load) -> None:
    while True:
        await asyncio.sleep(FOLLOW_S)
        with contextlib.suppress(StoreUnavailable):
            await store.catch_up(load.moment())


@dataclass
class Arrivals:
    """Claims at fixed instants, whoever waits; times are from those instants to the answer."""

    store: PostgresClaims
    rng: random.Random
    rate: float
    held_s: float
    evses: int = EVSES
    granted_ms: list[float] = field(default_factory=list)
    granted_at_s: list[float] = field(default_factory=list)
    granted: list[str] = field(default_factory=list)
    attempts: int = 0
    refused: int = 0
    unavailable: int = 0
    late_ms: float = 0.0  # the most that this process was behind its own plan

    async def run(self, seconds: float) -> None:
        """So long at this rate; returns when the last one is answered."""
        begun_s = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(int(seconds * self.rate)):
                due_s = begun_s + number / self.rate
                if (wait_s := due_s - time.perf_counter()) > 0.0:
                    await asyncio.sleep(wait_s)
                self.late_ms = max(self.late_ms, (time.perf_counter() - due_s) * 1000.0)
                group.create_task(self._one(number, due_s), name=f"bench:claim-{number}")

    async def _one(self, number: int, due_s: float) -> None:
        wish = self._wish(number)
        self.attempts += 1
        try:
            outcome = await self.store.claim(wish, _now())
        except StoreUnavailable:
            self.unavailable += 1
            return
        if not isinstance(outcome, Step):
            self.refused += 1
            return
        told_s = time.perf_counter()
        self.granted_ms.append((told_s - due_s) * 1000.0)
        self.granted_at_s.append(told_s)
        self.granted.append(wish.claim_id)
        if self.held_s > 0.0:
            await asyncio.sleep(self.held_s)
            with contextlib.suppress(StoreUnavailable):  # its lease ends it then
                await self.store.release(wish.claim_id, _now())

    def _wish(self, number: int) -> Claim:
        moment = _now()
        from_s = moment.now_s + LENGTH_S * self.rng.randrange(3)
        return Claim(
            f"{id(self):x}-{number}", f"E{self.rng.randrange(self.evses):05d}", f"car-{number}",
            from_s, from_s + LENGTH_S / 2, WarningLevel.LOW, ClaimState.OFFERED,
            moment.link_s + OFFER_S,
        )  # fmt: skip


def _now() -> Moment:
    return Moment(time.time(), time.monotonic())


async def open_loop(cluster: Cluster, folder: Path, seconds: float, seed: int) -> dict[str, Any]:
    """Claims at the rate over few EVSEs; each place is given back after a moment."""
    store = PostgresClaims(cluster.dsn(), "bench", folder, _now(), schema="open_loop")
    arrivals = Arrivals(store, random.Random(seed), RATE, HELD_S)
    await arrivals.run(seconds)
    await store.close()
    times = sorted(arrivals.granted_ms)
    return {
        "open_loop_attempts": arrivals.attempts,
        "open_loop_granted": len(times),
        "open_loop_unavailable": arrivals.unavailable,
        "open_loop_per_s": RATE,
        "p50_ms": percentile(times, 0.50),
        "p99_ms": percentile(times, 0.99),
        "max_ms": round(times[-1], 1) if times else None,
        # What the machine did beside: with more than its cores the times tell of that.
        "load_average": round(os.getloadavg()[0], 1),
        "load_late_ms": round(arrivals.late_ms, 1),
        "evses": EVSES,
    }


def over_failovers(folder: Path, failovers: int, seed: int) -> dict[str, Any]:
    """So many pairs whose primary is killed under load: what was lost, and for how long."""
    runs = [_failover(folder, seed + number) for number in range(failovers)]
    return {
        "failovers": failovers,
        "failover_acknowledged": sum(run["acknowledged"] for run in runs),
        "failover_lost": sum(run["lost"] for run in runs),
        "failover_unheld": sum(run["unheld"] for run in runs),
        "outage_s": max((run["outage_s"] for run in runs), default=0.0),
        "promoted_after_s": DETECT_S,
    }


def _failover(folder: Path, seed: int) -> dict[str, Any]:
    pair = Pair(durable=True)
    try:
        pair.start()
        store = PostgresClaims(pair.dsn, "bench", folder, _now())
        arrivals = Arrivals(store, random.Random(seed), FAILOVER_RATE, 0.0, evses=20_000)
        asyncio.run(_killed_midway(arrivals, pair.fail_over_after))
        kept = pair.claims()
    finally:
        pair.remove()
    gaps = [later - earlier for earlier, later in pairwise(arrivals.granted_at_s)]
    return {
        "acknowledged": len(arrivals.granted),
        "lost": len(set(arrivals.granted) - kept),
        "unheld": arrivals.unavailable,
        "outage_s": round(max(gaps), 3),
    }


async def _killed_midway(arrivals: Arrivals, fail_over: Callable[[float], None]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(arrivals.run(12.0), name="bench:arrivals")
        await asyncio.sleep(4.0 + arrivals.rng.random())
        await asyncio.to_thread(fail_over, DETECT_S)
    await arrivals.store.close()
