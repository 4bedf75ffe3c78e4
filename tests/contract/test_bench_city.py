"""`python -m bench.city` with small cities: every size is brought in, asked and told."""

from __future__ import annotations

import asyncio
import sys

import pytest

from bench.measure import last_json

END_S = 240.0


@pytest.mark.slow
async def test_every_size_is_measured_in_turns() -> None:
    """Each size has its rate, its CPU and its times, and nearly every car gets a plug held."""
    command = ("-m", "bench.city", "--sizes", "400,800", "--rounds", "1", "--rest-s", "0", "--json")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await asyncio.wait_for(process.communicate(), END_S)
    result = last_json(told)

    assert process.returncode == 0
    assert [row["evses"] for row in result["sizes"]] == [400, 800]
    for row in result["sizes"]:
        assert row["stations"] * 8 == row["evses"]
        assert min(row["rate_per_s"], row["server_cpu_us"], row["p99_ms"], row["rss_mib"]) > 0
        assert row["held_share"] > 0.1
    assert result["cpu_growth"] is None  # neither is the size that growth is told against
