"""The health check of the coordinator's container, against a real coordinator."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from coordinator_process import CoordinatorProcess

CHECK = Path(__file__).resolve().parents[2] / "deploy" / "healthy.py"


async def checked(address: str) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(CHECK), address, stderr=asyncio.subprocess.DEVNULL
    )
    return await asyncio.wait_for(process.wait(), 60)


@pytest.mark.slow
async def test_health_is_that_of_the_coordinator(tmp_path: Path) -> None:
    """0 while it serves, 1 once it is gone."""
    coordinator = CoordinatorProcess(tmp_path)
    await coordinator.start()
    try:
        assert await checked(coordinator.address) == 0
    finally:
        await coordinator.stop()

    assert await checked(coordinator.address) == 1
