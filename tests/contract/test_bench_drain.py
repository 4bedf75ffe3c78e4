"""The drain bench runs as documented; how fast it was is never judged here."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_bench_drain_prints_one_object_with_its_keys() -> None:
    """A short run ends well; its last line has the rate, the age of live words, and the ceiling."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench.drain", "--json", "--records", "20000"),
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
    assert told["records"] == 20_000
    assert told["records_per_s"] > 0
    assert told["ratio"] > 0
    assert told["product"]["live_records"] > 0
