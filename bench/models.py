"""What the bundled models cost on one thread: `python -m bench.models --json`.

Each part that the package brings is run over its own file, alone, with random inputs of the shapes
that serving uses: the ranker with 64 candidates of one request, the others with 64 rows. `together`
is what one request of a pass of 64 costs. There is no ceiling here; the budgets are absolute.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.measure import percentile
from coordinator.models.manifest import Tensor
from coordinator.models.onnx import OnnxModel
from coordinator.models.registry import PARTS
from coordinator.models.serving import BUNDLED, open_models

CANDIDATES = 64
REQUESTS = 64
WARM_UP = 200
BUDGET_US = 150.0  # of the ranker
BUDGET_BYTES = 1_000_000

Feed = dict[str, NDArray[Any]]


def main() -> int:
    """Runs the bench, prints one JSON object last."""
    parser = argparse.ArgumentParser(prog="python -m bench.models", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the JSON object only")
    parser.add_argument("--calls", type=int, default=5_000, help="timed runs of each model")
    options = parser.parse_args()
    result = measure(options.calls)
    if not options.json:
        for name, part in result["parts"].items():
            print(f"{name}: {json.dumps(part)}", file=sys.stderr)
    print(json.dumps(result, separators=(",", ":")))
    return 0


def measure(calls: int) -> dict[str, Any]:
    """p50 and p99 in microseconds and the size of each part, and of all together."""
    serving = open_models()
    parts: dict[str, Any] = {}
    for name in sorted(serving.models):
        content = (BUNDLED / f"{name}.onnx").read_bytes()
        model = OnnxModel(name, content)
        inputs = PARTS[name].inputs
        by_request = any("candidates" in tensor.shape for tensor in inputs)
        alone = feed(inputs, 1 if by_request else CANDIDATES)
        crowd = feed(inputs, REQUESTS if by_request else REQUESTS * CANDIDATES)
        times = timed(model, alone, calls)
        together = percentile(timed(model, crowd, max(calls // 50, 20)), 0.5)
        parts[name] = {
            "p50_us": percentile(times, 0.5),
            "p99_us": percentile(times, 0.99),
            "together_us": round(together / REQUESTS, 2),
            "bytes": len(content),
        }
    sizes = [file.stat().st_size for file in BUNDLED.iterdir() if file.is_file()]
    ranker = parts.get("ranker", {}).get("p50_us", math.inf)
    return {
        "ranker_p50_us": ranker,
        "ranker_p99_us": parts.get("ranker", {}).get("p99_us", math.inf),
        "bundle_bytes": sum(sizes),
        "within_budget": bool(ranker <= BUDGET_US and sum(sizes) < BUDGET_BYTES),
        "candidates": CANDIDATES,
        "calls": calls,
        "parts": parts,
    }


def feed(inputs: list[Tensor], batch: int) -> Feed:
    """Random inputs of a part; a mask is all ones."""
    rng = np.random.default_rng(7)
    sizes = {"candidates": CANDIDATES}
    made: Feed = {}
    for tensor in inputs:
        shape = [axis if isinstance(axis, int) else sizes.get(axis, batch) for axis in tensor.shape]
        values = np.ones(shape) if tensor.name == "mask" else rng.random(shape)
        made[tensor.name] = values.astype(tensor.dtype)
    return made


def timed(model: OnnxModel, inputs: Feed, calls: int) -> list[float]:
    """Microseconds of each run, ascending."""
    for _ in range(min(WARM_UP, calls)):
        model.finite(inputs)
    times = []
    for _ in range(calls):
        begun = time.perf_counter_ns()
        model.finite(inputs)
        times.append((time.perf_counter_ns() - begun) / 1_000.0)
    return sorted(times)


if __name__ == "__main__":
    sys.exit(main())
