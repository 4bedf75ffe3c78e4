"""The agent's bench runs as documented; what it measures is never judged here."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_bench_agent_prints_one_object_with_its_keys() -> None:
    """A short run ends well; its last line has the figures, and nothing needless was loaded."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench.agent", "--json", "--seconds", "3"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        stdout, stderr = await asyncio.wait_for(process.communicate(), 150)
    finally:
        if process.returncode is None:
            process.terminate()

    assert process.returncode == 0, stderr.decode()
    told = json.loads(stdout.decode().splitlines()[-1])
    assert {"rss_mib", "cpu_ratio", "disk_write_mib_per_day"} <= told.keys()
    assert told["loaded_without_need"] == []
    assert told["everything"]["connected"]
    assert told["everything"]["records_per_s"] > 0
    assert told["product"]["polls_per_s"] > 0
    assert told["ceiling"]["polls_per_s"] > 0
