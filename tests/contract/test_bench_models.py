"""The bench of the bundled models, run as its command."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from coordinator.models.serving import open_models

pytestmark = pytest.mark.slow


def test_bench_models_prints_its_figures() -> None:
    """One JSON object: the ranker's time, the size of all, and each part that is served."""
    command = [sys.executable, "-m", "bench.models", "--json", "--calls", "50"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(result["parts"]) == set(open_models().models)
    assert 0.0 < result["ranker_p50_us"] <= result["ranker_p99_us"]
    assert 0 < sum(part["bytes"] for part in result["parts"].values()) < result["bundle_bytes"]
    assert result["bundle_bytes"] < 1_000_000
    assert all(0.0 < part["p50_us"] <= part["p99_us"] for part in result["parts"].values())
