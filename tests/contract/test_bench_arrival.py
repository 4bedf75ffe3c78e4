"""The benchmark of chances on arrival prints what it says, from one command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_bench_arrival_prints_each_way_by_requests_in_a_pass() -> None:
    """Table, rules and run, for every size of a pass, as one object on the last line."""
    ran = subprocess.run(
        [sys.executable, "-m", "bench.arrival", "--json"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        cwd=ROOT,
    )
    found = json.loads(ran.stdout.splitlines()[-1])

    for requests in (1, 4, 16, 64):
        cost = found[f"pass_{requests}"]
        assert set(cost) == {"table", "rules", "run"}
        assert all(value > 0 for value in cost.values())
    assert found["pass_64"]["table"] < found["pass_64"]["run"]
