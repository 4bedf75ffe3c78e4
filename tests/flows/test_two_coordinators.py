"""C10: two coordinators want the same district.

The directory has one owner; whoever lost it, without having noticed, grants nothing more.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from served_brain import station
from small_town import SmallTown, open_town

from bench.claims_audit import audit

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(300)]
STATIONS = [station("A", 1.0, evse_count=3)]


async def refused_start(config: Path) -> tuple[int | None, str]:
    """Exit code and words of a coordinator that should not come up."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "coordinator", "-c", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, words = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, words.decode()


async def test_C10_second_coordinator_refuses_while_the_first_is_stopped(tmp_path: Path) -> None:
    """A paused owner still owns: the second names it and ends; the first goes on where it was."""
    async with open_town(tmp_path, STATIONS) as town:
        before = await town.confirmed("car-1")
        town.process.signal(signal.SIGSTOP)
        try:
            code, words = await refused_start(town.process.config)
        finally:
            town.process.signal(signal.SIGCONT)
        after = await town.confirmed("car-2")

        assert code == 3
        assert "error[STORE-010]" in words
        assert f"process {town.process.pid}" in words
        assert await town.holds(before.recommendation_id) == before.choice.evse.evse_id
        assert after.choice.evse.evse_id != before.choice.evse.evse_id


async def taken_over(old: CoordinatorProcess) -> CoordinatorProcess:
    """A second coordinator, started while the first is stopped and its lock file gone."""
    for _ in range(5):
        await asyncio.sleep(0.5)
        old.signal(signal.SIGSTOP)
        try:
            # What cleans up behind a coordinator that it believes dead.
            (old.data_dir / "owner.lock").unlink(missing_ok=True)
            new = CoordinatorProcess(old.folder, agent_open=True)
            await new.start()
        except json.JSONDecodeError:
            # Stopped in the middle of a commit, the first holds the file itself.
            continue
        finally:
            old.signal(signal.SIGCONT)
        return new
    pytest.fail("the second never came up")


async def test_C10_stopped_coordinator_that_lost_its_district_grants_nothing_more(
    tmp_path: Path,
) -> None:
    """Its lock file gone, a second takes over; the first, awake again, promises nobody a place."""
    async with open_town(tmp_path, STATIONS) as town:
        old = town.process
        first = await town.confirmed("car-1")
        new = await taken_over(old)
        heir = SmallTown(new, STATIONS)
        try:
            await heir.dial()
            second = await heir.confirmed("car-2")
            stale = (await town.ask("car-3")).promise
            with pytest.raises(grpc.aio.AioRpcError, match="another coordinator"):
                async with town.agent():
                    pass
            third = await heir.confirmed("car-4")
            inherited = await heir.holds(first.recommendation_id)
            await old.kill()
        finally:
            await heir.close()
            assert await new.stop() == 0

    assert stale.choice.hold.claim_id == ""
    assert stale.choice.hold.reason_code == "STORE_UNAVAILABLE"
    assert inherited == first.choice.evse.evse_id
    assert len({p.choice.evse.evse_id for p in (first, second, third)}) == 3
    books = audit(new.data_dir / "claims.db")
    assert (books.overlaps, books.double_cars) == (0, 0)
    assert "another coordinator" in (tmp_path / "coordinator.log").read_text()
