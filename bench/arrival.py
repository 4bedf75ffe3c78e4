"""What chances on arrival cost a request: `python -m bench.arrival --json`.

The shipped model's table, the rules, and the model itself run over all candidates, on the same
candidates of one ranking pass, in turns. No server: this is a part of what `bench.recommend` has in
its figures.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from coordinator.core.pile import EvseStatus
from coordinator.core.ports import Approach
from coordinator.core.recommend.arrival import KIND, p_free, p_working
from coordinator.models.arrival import OnnxArrivalModel
from coordinator.models.arrival_table import rows
from coordinator.models.serving import open_models

CANDIDATES = 64
PASSES = (1, 4, 16, 64)  # requests that are ranked together
ROUNDS, RUNS = 7, 40


def approaches(requests: int) -> Approach:
    """Candidates as a busy city has them."""
    rng = np.random.default_rng(requests)
    shape = (requests, CANDIDATES)
    live = np.array([EvseStatus.AVAILABLE, EvseStatus.AVAILABLE, EvseStatus.CHARGING], dtype="i1")
    return Approach(
        rng.choice(live, shape),
        rng.random(shape) < 0.5,
        rng.exponential(3_000.0, shape),
        rng.exponential(20.0, shape),
        rng.uniform(60.0, 3_000.0, shape),
        np.full((requests, 1), 14.3),
        rng.random(shape),
        rng.random(shape).astype(np.float32) ** 4,
    )


def ways(model: OnnxArrivalModel, seen: Approach) -> dict[str, Callable[[], object]]:
    """The three ways to the chances of these candidates."""

    def by_rules() -> object:
        return p_working(seen.status, seen.failure_rate, seen.drive_s), p_free(
            seen.status, seen.drive_s
        )

    def by_running() -> object:
        ahead_min = (seen.drive_s + seen.unseen_s) / 60.0
        columns = (
            KIND[seen.status], seen.rapid, seen.lasted_s / 60.0, seen.hour + ahead_min / 60.0,
            ahead_min, seen.free_share, np.asarray(seen.failure_rate),
        )  # fmt: skip
        return model.exactly(rows(*(column.ravel() for column in columns)))

    return {"table": lambda: model.chances(seen), "rules": by_rules, "run": by_running}


def measure() -> dict[str, object]:
    """Microseconds a request, the best of some rounds, by requests in a pass and by way."""
    model = open_models().arrival
    if not isinstance(model, OnnxArrivalModel):
        raise SystemExit("the shipped bundle has no arrival part")
    begun_s = time.perf_counter()
    model.chances(approaches(1))
    found: dict[str, object] = {"fill_ms": round((time.perf_counter() - begun_s) * 1e3, 2)}
    for requests in PASSES:
        best: dict[str, float] = {}
        found[f"pass_{requests}"] = best
        for _ in range(ROUNDS):
            for name, way in ways(model, approaches(requests)).items():
                begun_s = time.perf_counter()
                for _ in range(RUNS):
                    way()
                took_us = (time.perf_counter() - begun_s) / RUNS / requests * 1e6
                best[name] = round(min(took_us, best.get(name, np.inf)), 2)
    return {"candidates": CANDIDATES, **found}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    asked = parser.parse_args()
    print(json.dumps(measure(), separators=(",", ":") if asked.json else None))
