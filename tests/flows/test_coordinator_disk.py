"""The storage rows of the list of faults on the coordinator's own files."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_disk import faulty_disk
from served_brain import station
from small_town import SmallTown, open_town
from told_district import ToldDistrict
from told_ledger import Found

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(300)]
STATIONS = [station("A", 1.0, evse_count=6)]
SOUND = Found(0, 0, 0, 0, 0, 0, 0)


@contextlib.contextmanager
def held(database: Path) -> Iterator[None]:
    """Another program writes to the file meanwhile."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def database(town: SmallTown, name: str) -> Path:
    return town.process.data_dir / name


async def test_S10_lock_that_is_soon_free_costs_a_car_only_time(tmp_path: Path) -> None:
    """Another program holds the ledger for two seconds: the car waits and is promised a place."""
    async with open_town(tmp_path, STATIONS) as town:
        with held(database(town, "claims.db")):
            waiting = asyncio.ensure_future(town.ask("car-1"))
            await asyncio.sleep(2.0)
            answered_early = waiting.done()
        hold = (await waiting).promise.choice.hold

        assert not answered_early
        assert hold.claim_id


async def test_S10_lock_that_stays_is_told_in_time_and_forgotten_afterwards(
    tmp_path: Path,
) -> None:
    """Held for long, the ledger promises nothing and says why, all who wait within one wait."""
    async with open_town(tmp_path, STATIONS) as town:
        with held(database(town, "claims.db")):
            asking = [town.ask(f"car-{number}") for number in range(5)]
            async with asyncio.timeout(60):
                answers = await asyncio.gather(*asking)
        after = await town.confirmed("car-9")

        assert {a.promise.choice.hold.reason_code for a in answers} == {"STORE_UNAVAILABLE"}
        assert {a.promise.choice.hold.claim_id for a in answers} == {""}
        assert after.choice.hold.claim_id
        assert after.choice.hold.queue_position == 0


async def test_S6_telemetry_held_by_a_backup_is_acknowledged_afterwards(tmp_path: Path) -> None:
    """Records wait for a short backup; a long one ends the stream, and they come again, once."""
    async with open_town(tmp_path, STATIONS) as town:
        async with town.agent() as agent:
            await town.report(agent)
            with held(database(town, "telemetry.db")):
                waiting = asyncio.ensure_future(town.report(agent))
                await asyncio.sleep(1.5)
                acked_early = waiting.done()
            await waiting
            with held(database(town, "telemetry.db")), pytest.raises(EOFError):
                await town.report(agent)
        async with town.agent() as agent:
            known = agent.welcome.stored.acked_through
            town.resume_at(known + 1)
            await town.report(agent)

        assert not acked_early
        assert known == 2 * len(town.evse_ids)
        assert town.acked == 3 * len(town.evse_ids)


async def test_S3_failed_sync_acknowledges_and_promises_nothing(tmp_path: Path) -> None:
    """Syncs fail with EIO under load, then work again: nothing is lost, nothing comes twice."""
    disk = faulty_disk(tmp_path, tmp_path / "data")
    district = ToldDistrict(tmp_path)
    district.process.environment = disk.environment
    await district.open()
    rng = random.Random(31)
    try:
        for _ in range(3):
            async with district.load(rng):
                await asyncio.sleep(0.3)
                disk.fail()
                await asyncio.sleep(0.5)
                acked, granted = district.told.through, len(district.told.claims)
                await asyncio.sleep(0.5)
                told_meanwhile = district.told.through - acked, len(district.told.claims) - granted
            disk.mend()
            assert told_meanwhile == (0, 0)
        async with district.load(rng):
            await asyncio.sleep(0.3)
            grown = district.told.through > acked and len(district.told.claims) > granted
            await district.process.kill()
        found = await asyncio.to_thread(district.told.judge, district.process.data_dir)
        await district.process.start()
    finally:
        disk.mend()
        await district.process.stop()

    assert grown
    assert found == SOUND


async def start_code(config: Path) -> tuple[int | None, str]:
    """Exit code and words of a coordinator that must not come up."""
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


def change(path: Path, *statements: str) -> None:
    """Executes them on a file that nobody has open."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


async def test_S7_file_of_an_older_coordinator_is_brought_up_to_date_with_a_copy(
    tmp_path: Path,
) -> None:
    """Promises of the older version stand, and its file is kept as it was."""
    async with open_town(tmp_path, STATIONS) as town:
        promise = await town.confirmed("car-1")
        assert await town.process.stop() == 0
        older = (
            "DROP TABLE owner",
            "DELETE FROM _sqlite_migrations WHERE name = '0013_owner'",
        )
        change(database(town, "claims.db"), *older)
        await town.process.start()
        await town.dial()
        held_now = await town.holds(promise.recommendation_id)
        copy = database(town, "claims.db.before-0013_owner")

        assert held_now == promise.choice.evse.evse_id
        with contextlib.closing(sqlite3.connect(copy)) as kept:
            tables = {name for (name,) in kept.execute("SELECT name FROM sqlite_master")}
            steps = kept.execute("SELECT count(*) FROM step").fetchone()[0]
        assert "owner" not in tables
        assert steps > 0


@pytest.mark.parametrize("name", ["claims.db", "telemetry.db"])
async def test_S7_file_of_a_newer_coordinator_is_refused_untouched(
    tmp_path: Path, name: str
) -> None:
    """It says which file, which change it does not know, and what to do; exit 3."""
    async with open_town(tmp_path, STATIONS) as town:
        assert await town.process.stop() == 0
        newer = (
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " SELECT migration_set, '9999_later', applied_at FROM _sqlite_migrations LIMIT 1"
        )
        change(database(town, name), newer)
        before = database(town, name).read_bytes()
        code, words = await start_code(town.process.config)

        assert code == 3
        assert "error[STORE-011]" in words
        assert name in words
        assert "9999_later" in words
        assert "hint: run the newer version" in words
        assert database(town, name).read_bytes() == before
