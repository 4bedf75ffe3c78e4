"""The short form of the soak: hanging up, coming again and new models leave nothing behind."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from bench.soak import slope_per_h

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
async def test_soak_of_moments_fails_nothing_and_leaves_no_stream() -> None:
    """Cars that hang up, agents and operators that return, two models in turns."""
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.soak", "--json", "--minutes", "0.2", "--kept", "50",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(run.communicate(), 115)
    found = json.loads(out.decode().splitlines()[-1])

    assert run.returncode == 0
    assert found["failed"] == {}
    assert found["streams_left"] == 0
    for done in ("recommended", "cancelled", "guided", "agent_returns", "watches"):
        assert found[done] > 0, done
    assert found["model_swaps"] + found["swaps_refused"] > 0
    # A descriptor for each call that was hung up would be hundreds.
    assert found["fds_end"] < found["fds_begin"] + 40


def test_slope_is_that_of_the_line_through_the_samples() -> None:
    """A sample that is off does not make a slope of nothing; too few samples make none."""
    flat = [(60.0 * n, 200.0 + (1.0 if n % 2 else -1.0), 0, 0.0) for n in range(40)]

    assert slope_per_h(flat[:2]) is None
    found = slope_per_h(flat)
    assert found is not None
    assert abs(found) < 3.0
