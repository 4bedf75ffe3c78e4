"""The bench of the knowledge map runs, and says what its documents say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_bench_knowledge_prints_its_figures() -> None:
    """A small fleet gives one JSON object with every promised key and an error within bounds."""
    command = [sys.executable, "-m", "bench.knowledge", "--json", "--piles", "300"]
    ran = subprocess.run(
        [*command, "--updates", "20"], cwd=ROOT, capture_output=True, timeout=60, check=True
    )

    figures = json.loads(ran.stdout.decode().splitlines()[-1])

    assert figures["piles"] == 300
    assert figures["updates"] == 20
    assert figures["max_abs_error"] <= 1e-4 + 1e-7
    assert {"update_ms", "build_s", "map_mib", "peak_rss_mib", "seed"} <= figures.keys()
    assert figures["degraded"] == ""
