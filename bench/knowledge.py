"""The knowledge map of 20,000 piles: `python -m bench.knowledge --json`.

A seeded fleet in a real `District`, kept by the coordinator's own `Knowledge` with the bundled
failure model. Faults are told to it as ingest tells them, one at a time; an update is timed from
there until the district's rates are written. What a whole settlement of the same evidence would
say is computed afterwards, far more exactly than the product does it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from typing import Any

import numpy as np

from bench.measure import percentile, resident_mib
from coordinator.core.district import Changes, District
from coordinator.core.pile import Connector, Evse, EvseStatus, Pile, PowerType, Station
from coordinator.core.reliability.knowledge_map import KnowledgeMap
from coordinator.core.reliability.map_settings import MapSettings
from coordinator.core.reliability.pile_vector import MAKERS, MODELS
from coordinator.jobs.knowledge import Knowledge
from coordinator.models.serving import open_models

PILES = 20_000
PILES_PER_STATION = 10
UPDATES = 200
YEAR_S = 365.25 * 86_400.0
NOW_S = 56.0 * YEAR_S


def main() -> int:
    """Runs the bench, prints one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the JSON object only")
    parser.add_argument("--piles", type=int, default=PILES)
    parser.add_argument("--updates", type=int, default=UPDATES)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    figures = asyncio.run(run(options.piles, options.updates, options.seed))
    if not options.json:
        for name, value in figures.items():
            print(f"{name:>24} {value}", file=sys.stderr)
    print(json.dumps(figures))
    return 0


async def run(piles: int, updates: int, seed: int) -> dict[str, Any]:
    """What was measured of this fleet."""
    rng = np.random.default_rng(seed)
    district = fleet(piles, rng)
    before_mib, _ = resident_mib(os.getpid())
    knowledge = Knowledge(district, open_models().failure, lambda: NOW_S)
    started = time.perf_counter()
    made = await knowledge.refresh()
    build_s = time.perf_counter() - started
    after_mib, most_mib = resident_mib(os.getpid())
    times, cpu, touched = [], [], []
    for evse in rng.integers(0, piles, updates).tolist():
        change = fault(district, evse)
        rates = district.failure_rate.copy()
        started, used = time.perf_counter(), time.thread_time()
        knowledge.observe(change)
        cpu.append(1e3 * (time.thread_time() - used))
        times.append(1e3 * (time.perf_counter() - started))
        touched.append(int(np.count_nonzero(district.failure_rate != rates)))
    error, settle_ms = against_whole(district, made.knowledge)
    times.sort()
    cpu.sort()
    return {
        "piles": piles,
        "update_ms": percentile(times, 0.5),
        "update_p99_ms": percentile(times, 0.99),
        "update_cpu_ms": percentile(cpu, 0.5),
        "max_abs_error": float(f"{error:.3g}"),
        "updates": updates,
        "touched_median": percentile(sorted(touched), 0.5),
        "build_s": round(build_s, 2),
        "settle_ms": round(settle_ms, 1),
        "edges": int(made.knowledge.similarity.nnz),
        "map_mib": round(after_mib - before_mib, 1),
        "peak_rss_mib": most_mib,
        "degraded": made.degraded,
        "seed": seed,
    }


def fleet(piles: int, rng: np.random.Generator) -> District:
    """Piles of every maker and model, 0 to 12 years old; a tenth was never observed."""
    stations = []
    for number in range(0, piles, PILES_PER_STATION):
        name = f"S{number // PILES_PER_STATION:05d}"
        count = min(PILES_PER_STATION, piles - number)
        members = tuple(a_pile(f"{name}-{place}", name, rng) for place in range(count))
        stations.append(Station(name, name, 22.6, 114.0, members))
    district = District(stations)
    days = rng.uniform(1.0, 400.0, piles) * (rng.random(piles) > 0.1)
    district.exposure_days[:] = days
    uses = rng.poisson(6.0 * days)
    district.session_count[:] = uses
    district.charging_s[:] = uses * rng.uniform(1_200.0, 5_400.0, piles)
    district.fault_count[:] = rng.poisson(days * rng.lognormal(-5.5, 1.0, piles))
    district.status[:] = EvseStatus.AVAILABLE
    return district


def a_pile(pile_id: str, station_id: str, rng: np.random.Generator) -> Pile:
    """A pile with one EVSE; some facts are unknown."""
    direct = bool(rng.random() < 0.5)
    power_type = PowerType.DC if direct else PowerType.AC_3_PHASE
    connector = Connector("1", 33 if direct else 32, power_type, 120.0 if direct else 7.0)
    age_years = rng.uniform(0.0, 12.0)
    return Pile(
        pile_id,
        station_id,
        (Evse(f"{pile_id}*1", (connector,)),),
        maker=MAKERS[rng.integers(len(MAKERS))] if rng.random() > 0.05 else "",
        model=MODELS[rng.integers(len(MODELS))] if rng.random() > 0.1 else "",
        commissioned_at_s=NOW_S - age_years * YEAR_S if rng.random() > 0.15 else None,
    )


def fault(district: District, evse: int) -> Changes:
    """An outage as ingest tells it: counted, then shown."""
    district.fault_count[evse] += 1
    before = district.status[evse]
    district.status[evse] = EvseStatus.OUTOFORDER
    down = np.array([EvseStatus.OUTOFORDER], dtype=np.int8)
    return Changes(np.array([evse]), np.array([before], dtype=np.int8), down)


def against_whole(district: District, kept: KnowledgeMap) -> tuple[float, float]:
    """The largest error of the district's rates, and how long a whole settlement takes, ms."""
    exact = MapSettings(tolerance=1e-12)
    whole = KnowledgeMap.on(kept.similarity, kept.prior, kept.exposure_days, exact)
    usual = KnowledgeMap.on(kept.similarity, kept.prior, kept.exposure_days)
    usual.rates = usual.prior.copy()
    started = time.perf_counter()
    usual.settle()
    settle_ms = 1e3 * (time.perf_counter() - started)
    return float(np.abs(district.failure_rate - whole.rates).max()), settle_ms


if __name__ == "__main__":
    sys.exit(main())
