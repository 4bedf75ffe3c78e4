"""The bench of the joint re-plan runs, and its plan is as good as one without budget."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_bench_replan_prints_its_figures() -> None:
    """A small instance gives one JSON object: served as many of each level, at the same cost."""
    command = [sys.executable, "-m", "bench.replan", "--json", "--cars", "120", "--rounds", "2"]
    command += ["--live", "300"]
    ran = subprocess.run(
        [*command, "--stations", "30"], cwd=ROOT, capture_output=True, timeout=100, check=True
    )

    figures = json.loads(ran.stdout.decode().splitlines()[-1])

    assert figures["cars"] == 120
    assert figures["gap"] <= 0.01
    assert figures["same_served"]
    assert figures["served"] == figures["served_unbudgeted"]
    assert figures["most_at_one_station"] <= figures["places"]
    assert figures["unplanned"] == 0
    assert figures["live_cars"] == 300
    assert figures["live_turn_cpu_ms"] <= 30.0  # what was not cut in turns takes half a second
    assert {"candidates", "stations", "median_ms", "p99_ms", "loop_stall_ms"} <= figures.keys()
