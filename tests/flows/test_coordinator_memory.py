"""C7: the kernel kills the coordinator for want of memory."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import pytest
from memory_limit import memory_limit
from told_district import ToldDistrict
from told_ledger import Found

from bench.measure import cpu_s

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(300)]
READY_CPU_S = 5.0  # a start is mostly computing; a clock on the wall would judge the machine
ROOM = 2 << 20


async def test_C7_coordinator_killed_for_want_of_memory_keeps_its_word(tmp_path: Path) -> None:
    """At its limit under load the process is killed; started again it holds what it had told."""
    district = ToldDistrict(tmp_path)
    await district.open()
    try:
        with memory_limit() as group:
            group.take(district.process.pid)
            async with district.load(random.Random(37)):
                await asyncio.sleep(0.5)
                # What was used before it came into the group is not counted there.
                group.limit(group.used + ROOM)
                how = await asyncio.wait_for(district.process.ended(), 120)
        found = await asyncio.to_thread(district.told.judge, district.process.data_dir)
        standing = district.told.standing[-3:]
        await district.process.start()
        took_s = cpu_s(district.process.pid)
        held = [await district.holds(name) for name in standing]
    finally:
        await district.process.stop()

    print(f"ready again after {took_s:.2f} s of computing")
    assert how == -signal.SIGKILL
    assert found == Found(0, 0, 0, 0, 0, 0, 0)
    assert standing
    assert all(held)
    assert took_s <= READY_CPU_S
