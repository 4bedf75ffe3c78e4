"""S2 and S5 on the coordinator: a disk that can only be read, a file without its journal."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import grpc
import pytest
from faulty_disk import faulty_disk
from served_brain import station
from small_disk import mounted, remount
from small_town import SmallTown, open_town

from pilewise.v1 import operator_service_pb2 as op

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(300)]
STATIONS = [station("A", 1.0, evse_count=4)]


async def test_S2_start_on_a_read_only_disk_is_refused_in_plain_words(tmp_path: Path) -> None:
    """It names the directory and what to do, and ends with the code that is not tried again."""
    with mounted(tmp_path / "disk", "size=64m") as folder:
        async with open_town(tmp_path, STATIONS, data_dir=str(folder / "data")) as town:
            held = await town.confirmed("car-1")
            assert await town.process.stop() == 0
            remount(folder, "ro")
            try:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "coordinator", "-c", str(town.process.config)),
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                )
                _, words = await asyncio.wait_for(process.communicate(), 100)
            finally:
                remount(folder, "rw")
            await town.process.start()
            await town.dial()
            again = await town.holds(held.recommendation_id)

    assert process.returncode == 3
    assert "error[CFG-018]: " in words.decode()
    assert "Read-only file system" in words.decode()
    assert str(folder / "data") in words.decode()
    assert again == held.choice.evse.evse_id


def journal(town: SmallTown, name: str) -> Path:
    """Where the newest commits of a database lie."""
    return town.process.data_dir / f"{name}-wal"


async def killed_without(town: SmallTown, name: str) -> str:
    """Kills the coordinator, takes the journal away, starts it; gives what it logged."""
    assert town.process.log is not None
    await town.process.kill()
    assert journal(town, name).stat().st_size > 0
    journal(town, name).unlink()
    journal(town, name).with_name(f"{name}-shm").unlink(missing_ok=True)
    await town.process.start()
    await town.dial()
    return town.process.log.read_text()


async def test_S5_ledger_without_its_journal_grants_nothing_until_it_is_advanced(
    tmp_path: Path,
) -> None:
    """What was promised last may be forgotten: that is said, and nobody gets the place twice."""
    async with open_town(tmp_path, STATIONS) as town:
        await town.confirmed("car-1")
        words = await killed_without(town, "claims.db")
        refused = (await town.ask("car-2")).promise
        assert await town.process.stop() == 0
        await town.process.start()
        await town.dial()
        refused_still = (await town.ask("car-2", 2)).promise
        await town.operator.AdvanceFence(op.AdvanceFenceRequest(by=1000), timeout=60)
        granted = await town.confirmed("car-3")

    assert "journal lost" in words
    assert "claims.db lost its journal" in words
    assert refused.choice.hold.reason_code == "FENCE_BEHIND"
    assert refused_still.choice.hold.reason_code == "FENCE_BEHIND"
    assert granted.choice.hold.claim_id


async def test_S5_readings_without_their_journal_come_again(tmp_path: Path) -> None:
    """The agent is told how little is stored, and its stream goes on from there."""
    async with open_town(tmp_path, STATIONS) as town:
        async with town.agent() as agent:
            await town.report(agent)
        words = await killed_without(town, "telemetry.db")
        await town.tell_stations()
        async with town.agent() as agent:
            stored = agent.welcome.stored.acked_through
            town.resume_at(stored + 1)
            await town.report(agent)
        granted = await town.confirmed("car-2")

    assert "journal lost" in words
    assert stored < len(town.evse_ids)
    assert granted.choice.hold.claim_id


@pytest.mark.parametrize("how", ["killed", "ended"])
async def test_S5_whole_files_are_not_called_lost(tmp_path: Path, how: str) -> None:
    """A kill alone loses nothing, and neither does an orderly end, whatever came before."""
    async with open_town(tmp_path, STATIONS) as town:
        held = await town.confirmed("car-1")
        await town.process.kill()
        await town.process.start()
        await (town.process.kill() if how == "killed" else town.process.stop())
        await town.process.start()
        await town.dial()
        held_now = await town.holds(held.recommendation_id)
        words = (tmp_path / "coordinator.log").read_text()

    assert held_now == held.choice.evse.evse_id
    assert "journal lost" not in words


async def test_S2_disk_that_becomes_read_only_is_said_and_comes_back(tmp_path: Path) -> None:
    """Promises made stand, new ones and records are refused with the reason, until it can write."""
    disk = faulty_disk(tmp_path, tmp_path / "data")
    async with open_town(tmp_path, STATIONS, disk.environment) as town:
        before = await town.confirmed("car-1")
        async with town.agent() as agent:
            await town.report(agent)
            known = town.acked
            disk.refuse()
            refused = (await town.ask("car-2")).promise.choice.hold
            held = await town.holds(before.recommendation_id)
            with pytest.raises((EOFError, grpc.aio.AioRpcError)):
                await town.report(agent)
        disk.mend()
        async with asyncio.timeout(60):
            while not (after := await town.ask("car-3", 1)).promise.choice.hold.claim_id:
                await asyncio.sleep(0.2)
        town.resume_at(known + 1)
        async with town.agent() as agent:
            stored = agent.welcome.stored.acked_through
            await town.report(agent)

    assert (refused.claim_id, refused.reason_code) == ("", "STORE_UNAVAILABLE")
    assert held == before.choice.evse.evse_id
    assert after.promise.choice.evse.evse_id != held
    assert stored == known
