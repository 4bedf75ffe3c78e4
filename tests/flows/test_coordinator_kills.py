"""C1: a coordinator that is killed, or whose power is cut, keeps what it told.

PILEWISE_LONG=1 makes 300 kills and 50 cuts of the short forms.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from faulty_disk import faulty_disk
from loop_disk import copy_disk, loop_disk, mounted_copy
from told_district import ToldDistrict
from told_ledger import Found

LONG = os.environ.get("PILEWISE_LONG") == "1"
pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(0 if LONG else 600)]
KILLS = 300 if LONG else 5
CUTS = 50 if LONG else 4
LOOK_EVERY = 10 if LONG else 2
READY_S = 5.0


@pytest.fixture
async def district(tmp_path: Path) -> AsyncIterator[ToldDistrict]:
    made = ToldDistrict(tmp_path)
    await made.open()
    yield made
    await made.process.stop()


async def test_C1_killed_coordinator_keeps_what_it_acknowledged_and_granted(
    district: ToldDistrict,
) -> None:
    """Killed at random instants under load: no row, no promise lost, doubled or undone."""
    rng = random.Random(23)
    found: list[Found] = []
    starts_s: list[float] = []
    for turn in range(KILLS):
        async with district.load(rng):
            await asyncio.sleep(rng.uniform(0.0, 0.8))
            await district.process.kill()
        if turn % LOOK_EVERY == LOOK_EVERY - 1 or turn == KILLS - 1:
            data_dir = district.process.data_dir
            found.append(await asyncio.to_thread(district.told.judge, data_dir))
            print(f"after {turn + 1} kills: {found[-1]}", flush=True)
            assert found[-1].sound
        begun_s = time.monotonic()
        await district.process.start()
        starts_s.append(time.monotonic() - begun_s)
        for name in district.told.standing[-2:]:
            assert await district.holds(name)

    told = district.told
    print(
        f"kills {KILLS} acked {told.through} granted {len(told.claims)} firm {len(told.firm)}"
        f" given back {len(told.ended)} slowest start {max(starts_s):.2f} s"
    )
    assert told.through > 20 * KILLS
    assert len(told.claims) > 2 * KILLS
    assert found


async def found_after_cut(district: ToldDistrict, image: Path, folder: Path) -> Found:
    """What a copy of the disk lacks of that which was told before it was taken."""
    copy = folder / "cut.img"
    # Stopped meanwhile: a copy that takes its time would mix two instants, as no power cut does.
    district.process.signal(signal.SIGSTOP)
    told = district.told.copy()
    await asyncio.to_thread(copy_disk, image, copy)
    district.process.signal(signal.SIGCONT)
    with mounted_copy(copy, folder / "cut") as mounted:
        return await asyncio.to_thread(told.judge, mounted / "data")


@pytest.mark.parametrize("honest", [True, False])
async def test_C1_power_cuts_lose_nothing_that_was_acknowledged_or_granted(
    tmp_path: Path, honest: bool
) -> None:
    """Every copy of the disk has what was told; on a disk that does not sync the check fails."""
    rng = random.Random(29)
    found: list[Found] = []
    with loop_disk(tmp_path, 64) as (image, mounted):
        district = ToldDistrict(tmp_path, data_dir=str(mounted / "data"))
        disk = faulty_disk(tmp_path, mounted)
        district.process.environment = disk.environment
        await district.open()
        if not honest:
            disk.lie()
        for _ in range(CUTS if honest else 2):
            async with district.load(rng):
                await asyncio.sleep(rng.uniform(0.1, 0.6))
                found.append(await found_after_cut(district, image, tmp_path))
        disk.mend()
        await district.process.stop()

    told = district.told
    print(f"cuts {len(found)} acked {told.through} granted {len(told.claims)}")
    if honest:
        assert [look for look in found if not look.sound] == []
    else:
        assert any(look.rows_lost and look.claims_lost for look in found)
