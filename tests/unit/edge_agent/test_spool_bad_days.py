"""The spool on disks that fill up, turn read-only, lose pages, or are held by others."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_disk import mounted, remount

from edge_agent.core.ranges import normalise
from edge_agent.core.reading import EvseStatus, Record, RecordKind, StatusSource, Values
from edge_agent.errors import SpoolError, SpoolVolatile
from edge_agent.uplink import memory, spool_disk, spool_schema
from edge_agent.uplink.rows import checksum, to_bytes
from edge_agent.uplink.spool import Spool
from edge_agent.uplink.spool_file import SpoolFile

END = 1 << 62


def record(at_ms: int, kind: RecordKind = RecordKind.METER, noise: float = 1.5) -> Record:
    urgent = kind is not RecordKind.METER
    return Record(
        "A*1",
        kind,
        at_ms,
        EvseStatus.CHARGING,
        StatusSource.MODBUS,
        values=Values(power_kw=noise),
        urgent=urgent,
    )


def noisy(count: int, start_ms: int, rng: random.Random) -> list[Record]:
    return [record(start_ms + i, noise=rng.random()) for i in range(count)]


def numbers(file: SpoolFile) -> dict[tuple[str, int], int]:
    found: dict[tuple[str, int], int] = {}
    position = 0
    while run := file.read_run(position, END, 1000, 1 << 20):
        for i, kept in enumerate(run.records):
            found[run.spool_id, run.first_record_seq + i] = kept.observed_at_ms
        position = run.position + len(run.records)
    return found


def missing(file: SpoolFile) -> set[tuple[str, int]]:
    return {(gap.spool_id, n) for gap in file.gaps() for n in range(gap.first, gap.last + 1)}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB of its own."""
    with mounted(tmp_path / "disk", "size=1m") as folder:
        yield folder


@pytest.mark.slow
async def test_S1_full_disk_thins_and_recovers_by_itself(small_disk: Path) -> None:
    """On a disk that is full the ballast goes, history is thinned, faults stay; it comes back."""
    spool = Spool(small_disk, lambda: "one")
    await spool.start()
    rng, refused, faults = random.Random(3), 0, 0
    for turn in range(400):
        try:
            await spool.commit(noisy(200, turn * 200, rng))
            await spool.commit([record(turn, RecordKind.FAULT)])
            faults += 1
        except SpoolError:
            refused += 1
    had_ballast = (small_disk / "spool.ballast").exists()
    kept = await spool.call(
        lambda file: [r for run in iter_runs(file) for r in run if r.kind is RecordKind.FAULT]
    )
    gaps = await spool.call(lambda file: file.gaps())

    remount(small_disk, "size=8m")
    await spool.commit([record(1, RecordKind.SESSION_START)])
    laid = await spool.call(lambda file: spool_schema.lay_ballast(small_disk))

    assert not had_ballast
    assert gaps
    assert {gap.reason for gap in gaps} == {"DISK_FULL"}
    assert len(kept) >= faults
    assert laid
    await spool.close()


def iter_runs(file: SpoolFile) -> Iterator[tuple[Record, ...]]:
    position = 0
    while run := file.read_run(position, END, 1000, 1 << 20):
        yield run.records
        position = run.position + len(run.records)


@pytest.mark.slow
async def test_S2_read_only_disk_reports_from_memory_and_comes_back(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a read-only disk records wait in memory, transactions are refused, nothing is lost."""
    monkeypatch.setattr(spool_disk, "RETURN_S", 0.0)
    SpoolFile(small_disk, lambda: "disk").close()
    remount(small_disk, "ro")
    spool = Spool(small_disk, lambda: "memory")
    await spool.start()
    spool.offer([record(1, RecordKind.FAULT)])
    await asyncio.wait_for(spool.news.wait(), 60)
    seen = await spool.call(numbers)
    said = spool.failing
    start = record(2, RecordKind.SESSION_START)

    with pytest.raises(SpoolVolatile):
        await spool.commit([start])
    with pytest.raises(SpoolVolatile):
        await spool.call(lambda file: memory.begin_transaction(file, "A", "k", start))
    remount(small_disk, "rw")
    async with asyncio.timeout(60):
        while spool.generation == 0:
            await asyncio.sleep(0.05)
    await spool.commit([record(3, RecordKind.SESSION_START)])

    assert seen == {("memory", 1): 1}
    assert "memory only" in said
    await spool.close()
    assert numbers(SpoolFile(small_disk, lambda: "x")) == {("memory", 1): 1, ("memory", 2): 3}


@pytest.mark.parametrize("page", [0, 3, 7, 12])
def test_S4_damaged_page_costs_only_what_lay_on_it(tmp_path: Path, page: int) -> None:
    """Every number of a damaged file is a record with its own number, or inside a gap."""
    rng = random.Random(9)
    file = SpoolFile(tmp_path, lambda: "one")
    told = {}
    for turn in range(60):
        records = noisy(40, 1_000 + turn * 40, rng)
        first = file.append(records)
        told.update({("one", first + i): r.observed_at_ms for i, r in enumerate(records)})
    file.close()
    path = tmp_path / "spool.db"
    raw = bytearray(path.read_bytes())
    raw[page * 4096 : page * 4096 + 4096] = bytes(rng.randrange(256) for _ in range(4096))
    path.write_bytes(raw)

    found = SpoolFile(tmp_path, lambda: "two")
    try:
        here, lost = numbers(found), missing(found)
    except SpoolError:
        found.connection.close()
        found = SpoolFile(tmp_path, lambda: "two", damaged=True)
        here, lost = numbers(found), missing(found)

    assert here.items() <= told.items()
    assert set(told) <= set(here) | lost
    assert not set(here) & lost
    assert len(here) > len(told) / 2


async def test_S4_damage_found_while_running_is_salvaged(tmp_path: Path) -> None:
    """A page that turns bad under a running agent ends in a new file, not in a loop of errors."""
    spool = Spool(tmp_path, lambda: "one")
    await spool.start()
    for turn in range(40):
        await spool.commit(noisy(40, turn * 40, random.Random(turn)))

    def spoil(file: SpoolFile) -> None:
        file.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        raw = bytearray((tmp_path / "spool.db").read_bytes())
        raw[12 * 4096 : 13 * 4096] = b"\xff" * 4096
        (tmp_path / "spool.db").write_bytes(raw)
        file.connection.execute("PRAGMA shrink_memory")

    await spool.call(spoil)
    for _ in range(3):
        try:
            here = await spool.call(numbers)
            break
        except SpoolError:
            continue

    assert len(here) >= 40 * 30
    assert (tmp_path / "spool.db.damaged-1").exists()
    await spool.commit([record(1)])
    await spool.close()


def test_S5_emptied_file_is_told_as_lost(tmp_path: Path) -> None:
    """A database of no bytes does not look like a new gateway: the mark knows its numbers."""
    file = SpoolFile(tmp_path, lambda: "one")
    file.append(noisy(10, 0, random.Random(1)))
    file.close()
    (tmp_path / "spool.db").write_bytes(b"")
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"spool.db{suffix}").unlink(missing_ok=True)

    fresh = SpoolFile(tmp_path, lambda: "two")

    assert fresh.spool_id == "two"
    gap = fresh.gaps()[0]
    assert (gap.spool_id, gap.first) == ("one", 1)
    assert gap.last >= 10


@pytest.mark.slow
async def test_S6_file_held_by_a_backup_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another program holds the file telemetry waits, and it is written afterwards."""
    monkeypatch.setattr(spool_schema, "BUSY_S", 0.2)
    spool = Spool(tmp_path, lambda: "one")
    await spool.start()
    other = sqlite3.connect(tmp_path / "spool.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    spool.offer([record(1, RecordKind.FAULT)])
    async with asyncio.timeout(60):
        while not spool.failing:
            await asyncio.sleep(0.02)

    other.execute("ROLLBACK")
    other.close()
    await asyncio.wait_for(spool.news.wait(), 60)

    assert await spool.call(numbers) == {("one", 1): 1}
    assert not spool.failing
    await spool.close()


def test_S7_file_of_schema_1_is_migrated_with_a_copy(tmp_path: Path) -> None:
    """Rows of an older agent keep their numbers; a row with a bad checksum becomes a gap."""
    with sqlite3.connect(tmp_path / "spool.db") as old:
        old.executescript(
            "CREATE TABLE spool(spool_no INTEGER PRIMARY KEY, spool_id TEXT, next_record_seq"
            " INTEGER, settled TEXT, unproven_from INTEGER);"
            "CREATE TABLE record(position INTEGER PRIMARY KEY, kind INTEGER, observed_at_ms"
            " INTEGER, crc INTEGER, body BLOB);"
            "CREATE TABLE gap(position INTEGER PRIMARY KEY, last_seq INTEGER, reason TEXT,"
            " from_at_ms INTEGER, to_at_ms INTEGER);"
            "INSERT INTO spool VALUES (1, 'old', 501, '[[1,100]]', 301); PRAGMA user_version=1;"
        )
        for number in range(101, 501):
            body = to_bytes(record(number))
            crc = checksum(body) ^ (number == 200)
            old.execute(
                "INSERT INTO record VALUES (?, 2, ?, ?, ?)",
                (1 << 40 | number, number, crc, body),
            )

    file = SpoolFile(tmp_path, lambda: "new")

    kept = set(range(101, 501)) - {200}
    assert numbers(file) == {("old", number): number for number in kept}
    assert [(g.first, g.last, g.reason) for g in file.gaps()] == [(200, 200, "CORRUPT")]
    assert (tmp_path / "spool.db.schema-1").exists()


def test_history_is_thinned_to_the_budget_and_news_stay(tmp_path: Path) -> None:
    """At the end of the budget history grows coarse from its old end; each loss is in a gap."""
    rng = random.Random(4)
    budget = 150_000
    file = SpoolFile(tmp_path, lambda: "one", budget)
    given = faults = 0
    at_ms = 1_700_000_000_000
    for turn in range(400):
        file.append(noisy(60, at_ms, rng))
        given += 60
        if turn % 40 == 0:
            file.append([record(at_ms, RecordKind.FAULT)])
            given, faults = given + 1, faults + 1
        at_ms += 1_000

    here = numbers(file)
    lost = normalise((gap.first, gap.last) for gap in file.gaps(10_000))
    kept = [r for run in iter_runs(file) for r in run]

    assert file.used_bytes() < budget * 1.1
    assert sum(1 for r in kept if r.kind is RecordKind.FAULT) == faults
    assert len(here) + sum(b - a + 1 for a, b in lost) == given
    assert file.thinned == given - len(here)
    # The newest stretch is whole, the oldest is there in part.
    assert kept[-1].observed_at_ms >= at_ms - 1_000
    assert sum(1 for r in kept if r.observed_at_ms < 1_700_000_100_000) > 60
    assert {gap.reason for gap in file.gaps()} == {"THINNED"}
