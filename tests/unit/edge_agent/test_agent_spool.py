"""The spool on a real disk: kills, damage, full disks, and a random life of it."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge_agent.core.ranges import Runs, normalise, size, subtract
from edge_agent.core.reading import (
    Detail,
    EvseStatus,
    Record,
    RecordKind,
    StatusSource,
    Values,
)
from edge_agent.errors import SpoolError, SpoolTooNew
from edge_agent.uplink import memory, spool, spool_disk, spool_schema
from edge_agent.uplink.rows import from_bytes, to_bytes
from edge_agent.uplink.spool import Spool
from edge_agent.uplink.spool_blocks import StoredRun
from edge_agent.uplink.spool_file import SpoolFile
from edge_agent.uplink.spool_numbers import CORRUPT

END = 1 << 62


def meter(number: int, **more: object) -> Record:
    fields: dict[str, object] = {
        "evse_id": "A*1",
        "kind": RecordKind.METER,
        "observed_at_ms": number,
        "status": EvseStatus.CHARGING,
        "source": StatusSource.MODBUS,
        "values": Values(power_kw=1.5, soc_pct=40.0),
    }
    return Record(**{**fields, **more})  # type: ignore[arg-type]


def names() -> Iterator[str]:
    return (f"spool-{n}" for n in count(1))


def opened(folder: Path) -> SpoolFile:
    made = names()
    taken = {row[0] for row in _spools(folder)}
    return SpoolFile(folder, lambda: next(name for name in made if name not in taken))


def _spools(folder: Path) -> list[tuple[str]]:
    path = folder / "spool.db"
    if not path.exists() or not path.stat().st_size:
        return []
    with sqlite3.connect(path) as db:
        try:
            return db.execute("SELECT spool_id FROM spool").fetchall()
        except sqlite3.Error:
            return []


def everything(file: SpoolFile) -> list[StoredRun]:
    runs: list[StoredRun] = []
    position = 0
    while run := file.read_run(position, END, 1000, 1 << 20):
        runs.append(run)
        position = run.position + len(run.records)
    return runs


def stamps(file: SpoolFile) -> list[int]:
    return [record.observed_at_ms for run in everything(file) for record in run.records]


def flip_a_byte(file: SpoolFile, number: int) -> None:
    """Changes one byte of the block that begins with a number, as a bad disk would."""
    position = file.numbers.current.position(number)
    query = "SELECT body FROM block WHERE position=?"
    body = file.connection.execute(query, (position,)).fetchone()[0]
    damaged = bytes([*body[:5], body[5] ^ 1, *body[6:]])
    file.connection.execute("UPDATE block SET body=? WHERE position=?", (damaged, position))


def test_row_keeps_every_field() -> None:
    """A record comes back from its bytes as it went in, urgency aside."""
    record = meter(
        7, kind=RecordKind.FAULT, queue_length=3, detail=Detail(fault_code="CX003", text="heiß")
    )

    assert from_bytes(to_bytes(record)) == record


def test_numbers_are_gapless_through_a_kill(tmp_path: Path) -> None:
    """E1: a file that was never closed goes on with the next number, and nothing is missing."""
    first = opened(tmp_path)
    first.append([meter(1), meter(2)])
    spool_id = first.spool_id

    second = opened(tmp_path)
    begun = second.append([meter(3)])

    assert (second.spool_id, begun) == (spool_id, 3)
    assert stamps(second) == [1, 2, 3]


def test_writing_is_full_and_wal(tmp_path: Path) -> None:
    """Commits are flushed to the disk: FULL, not NORMAL, in WAL mode."""
    file = opened(tmp_path)

    assert file.connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert file.connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_S4_flipped_byte_becomes_a_gap(tmp_path: Path) -> None:
    """A row whose bytes changed on the disk is not sent: its number goes up as CORRUPT."""
    file = opened(tmp_path)
    for n in (1, 2, 3):
        file.append([meter(n)])
    flip_a_byte(file, 2)

    runs = everything(file)

    assert [run.first_record_seq for run in runs] == [1, 3]
    assert [(gap.first, gap.last, gap.reason) for gap in file.gaps()] == [(2, 2, CORRUPT)]


def test_S4_destroyed_file_is_put_aside_and_told(tmp_path: Path) -> None:
    """A database that is none any more is kept for inspection; its numbers go up as a gap."""
    file = opened(tmp_path)
    file.append([meter(n) for n in range(5)])
    file.settle(file.spool_id, ((1, 2),))
    old = file.spool_id
    file.close()
    (tmp_path / "spool.db").write_bytes(b"this is not a database" * 400)

    fresh = SpoolFile(tmp_path, lambda: "fresh")

    assert fresh.spool_id == "fresh"
    assert Path(fresh.quarantined).exists()
    gap = fresh.gaps()[0]
    assert (gap.spool_id, gap.first) == (old, 3)
    assert gap.last >= 5


def test_S5_database_without_its_wal_never_reuses_numbers(tmp_path: Path) -> None:
    """Rows that lived only in a lost WAL leave a gap, and later rows join a new spool."""
    file = opened(tmp_path)
    file.append([meter(1)])
    file.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    old = (tmp_path / "spool.db").read_bytes()
    file.append([meter(2), meter(3)])
    spool_id = file.spool_id
    file.close()
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"spool.db{suffix}").unlink(missing_ok=True)
    (tmp_path / "spool.db").write_bytes(old)

    again = SpoolFile(tmp_path, lambda: "second")

    assert again.spool_id == "second"
    assert stamps(again) == [1]
    assert [(gap.spool_id, gap.first) for gap in again.gaps()] == [(spool_id, 2)]
    assert again.append([meter(4)]) == 1


def test_S7_newer_file_is_refused_in_plain_words(tmp_path: Path) -> None:
    """A spool of a newer agent is not touched, and the message says what to do."""
    file = opened(tmp_path)
    file.connection.execute("PRAGMA user_version=99")
    file.close()

    with pytest.raises(SpoolTooNew, match="run the newer agent"):
        opened(tmp_path)


def test_thinning_spares_faults_and_statuses(tmp_path: Path) -> None:
    """Room is made of measurements only, each run of them told with its instants."""
    file = opened(tmp_path)
    file.append([meter(10), meter(11), meter(12, kind=RecordKind.FAULT), meter(13)])

    gone = file.thin(2, "DISK_FULL")

    assert gone == 3
    assert stamps(file) == [12]
    assert [(gap.first, gap.last) for gap in file.gaps()] == [(1, 2), (4, 4)]
    assert {(gap.from_at_ms, gap.to_at_ms) for gap in file.gaps()} == {(10, 13)}


def test_settled_part_of_a_gap_is_forgotten(tmp_path: Path) -> None:
    """What the coordinator has of a gap is not told again; the rest still is."""
    file = opened(tmp_path)
    file.append([meter(n) for n in range(10)])
    file.thin(10, "DISK_FULL")

    file.settle(file.spool_id, ((4, 6),))

    assert [(gap.first, gap.last) for gap in file.gaps()] == [(1, 3), (7, 10)]


def test_acked_rows_that_the_coordinator_lost_are_told(tmp_path: Path) -> None:
    """A coordinator restored from an old backup learns which numbers it will never get."""
    file = opened(tmp_path)
    file.append([meter(n) for n in range(8)])
    file.append([meter(8), meter(9)])
    file.settle(file.spool_id, ((1, 8),))

    file.reconcile(((1, 5),))

    assert [(g.first, g.last, g.reason) for g in file.gaps()] == [(6, 8, "ACKED_THEN_MISSING")]
    assert stamps(file) == [8, 9]


def test_acked_rows_that_still_lie_here_are_sent_again(tmp_path: Path) -> None:
    """What the coordinator lost of a block that was not settled as a whole is no gap."""
    file = opened(tmp_path)
    file.append([meter(n) for n in range(10)])
    file.settle(file.spool_id, ((1, 8),))

    file.reconcile(((1, 5),))

    assert file.gaps() == []
    assert stamps(file) == [5, 6, 7, 8, 9]


def test_open_session_and_energy_are_remembered(tmp_path: Path) -> None:
    """What a restart needs of an EVSE is committed with the records that tell it."""
    file = opened(tmp_path)
    started = meter(1, kind=RecordKind.SESSION_START, detail=Detail(session_id="s1"))
    measured = meter(2, values=Values(energy_kwh=104.0, session_energy_kwh=4.0))
    file.append([started, measured], also=lambda conn: memory.carry(conn, [started, measured]))

    carried = memory.carried(opened(tmp_path))["A*1"]

    assert carried.session_id == "s1"
    assert (carried.register.base_kwh, carried.register.session_kwh) == (100.0, 4.0)


class SpoolLife(RuleBasedStateMachine):
    """A spool and a far store: appends, acks, lost acks, kills, thinning, restarts, in any order.

    Invariant: every number is in exactly one place: far store, rows here, or gaps here; and what
    the far store has is what was appended under that number.
    """

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.folder = Path(tempfile.mkdtemp(prefix="spool-life-"))
        self.rng = random.Random(7)
        self.file = SpoolFile(self.folder, lambda: "life")
        self.next_stamp = 1
        self.appended: dict[int, int] = {}
        self.far: dict[int, int] = {}
        self.far_gaps: set[int] = set()

    def stored(self) -> Runs:
        return normalise((n, n) for n in [*self.far, *self.far_gaps])

    @rule(number=st.integers(1, 12))
    def append(self, number: int) -> None:
        records = [meter(self.next_stamp + i) for i in range(number)]
        first = self.file.append(records)
        self.appended.update({first + i: self.next_stamp + i for i in range(number)})
        self.next_stamp += number

    @rule(skip=st.integers(0, 20), limit=st.integers(1, 8), acked=st.booleans())
    def send(self, skip: int, limit: int, acked: bool) -> None:
        start = self.file.numbers.current.position(skip)
        run = self.file.read_run(start, END, limit, 1 << 20)
        if run is None:
            return
        for i, record in enumerate(run.records):
            number = run.first_record_seq + i
            assert self.far.setdefault(number, record.observed_at_ms) == record.observed_at_ms
        if acked:
            self.file.settle("life", self.stored())

    @rule()
    def send_gaps(self) -> None:
        for gap in self.file.gaps():
            self.far_gaps.update(range(gap.first, gap.last + 1))
        self.file.settle("life", self.stored())

    @rule(number=st.integers(1, 5))
    def thin(self, number: int) -> None:
        self.file.thin(number, "DISK_FULL")

    @rule()
    def kill_and_reconnect(self) -> None:
        # No close: what a SIGKILL leaves. The old connection is dropped without a checkpoint.
        self.file = SpoolFile(self.folder, lambda: "another")
        self.file.reconcile(self.stored())

    @precondition(lambda self: hasattr(self, "file"))
    @invariant()
    def every_number_is_in_one_place(self) -> None:
        if not hasattr(self, "file"):
            return
        assert self.file.spool_id == "life"
        assert self.file.next_record_seq == len(self.appended) + 1
        here = {
            run.first_record_seq + i: record.observed_at_ms
            for run in everything(self.file)
            for i, record in enumerate(run.records)
        }
        gaps = {n for gap in self.file.gaps() for n in range(gap.first, gap.last + 1)}
        assert not gaps & set(here)
        everywhere = set(here) | gaps | set(self.far) | self.far_gaps
        assert everywhere == set(self.appended)
        assert all(self.appended[n] == stamp for n, stamp in {**self.far, **here}.items())
        assert self.file.numbers.depth() == len(here) + len(gaps)

    def teardown(self) -> None:
        import shutil

        if hasattr(self, "file"):
            self.file.connection.close()
            shutil.rmtree(self.folder)


SpoolLife.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestSpoolLife = pytest.mark.slow(SpoolLife.TestCase)


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Spool]:
    made = Spool(tmp_path, lambda: "live")
    await made.start()
    yield made
    await made.close()


async def test_offered_records_become_durable(live: Spool) -> None:
    """Telemetry is committed shortly after it was offered, and the reporter is told."""
    live.offer([meter(1), meter(2)])

    await asyncio.wait_for(live.news.wait(), 60)

    run = await live.call(lambda file: file.read_run(0, END, 10, 1 << 20))
    assert run is not None
    assert len(run.records) == 2
    assert live.committed == 2


async def test_commit_returns_after_the_disk(live: Spool, tmp_path: Path) -> None:
    """After `commit` another process finds the record in the file."""
    await live.commit([meter(5)])

    with sqlite3.connect(tmp_path / "spool.db") as other:
        assert other.execute("SELECT count(*) FROM block").fetchone()[0] == 1


async def test_second_agent_on_the_same_folder_is_refused(live: Spool, tmp_path: Path) -> None:
    """Two agents never write one spool."""
    with pytest.raises(BlockingIOError):
        await Spool(tmp_path, lambda: "x").start()


@pytest.mark.slow
async def test_S1_full_disk_costs_measurements_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no room left the ballast gives way, measurements are thinned, and faults get through.

    The page limit of SQLite stands in for the disk: it fails inserts in the same way.
    """
    monkeypatch.setattr(spool_disk, "THIN_RECORDS", 300)
    made = Spool(tmp_path, lambda: "full")
    await made.start()
    await made.call(lambda file: file.connection.execute("PRAGMA max_page_count=24") and None)
    stamp, rng = 0, random.Random(5)
    for _ in range(60):
        # Noise, so that it takes room.
        noise = [Values(power_kw=rng.random()) for _ in range(100)]
        await made.commit([meter(stamp + i, values=noise[i]) for i in range(100)])
        stamp += 100

    await made.commit([meter(stamp, kind=RecordKind.FAULT)])

    gaps = await made.call(lambda file: file.gaps())
    depth = await made.call(lambda file: file.numbers.depth())
    last = await made.call(stamps)
    assert gaps
    assert {gap.reason for gap in gaps} == {"DISK_FULL"}
    assert last[-1] == stamp
    assert depth == stamp + 1
    assert not (tmp_path / "spool.ballast").exists()
    await made.close()


async def test_S3_failed_flush_is_not_durable_and_recovers(
    live: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records of a commit that failed are kept and numbered once, when the disk is back."""
    await live.commit([meter(1)])
    real = SpoolFile.append
    failures = iter([True])

    def fail(self: SpoolFile, *args: object, **more: object) -> int:
        if next(failures, False):
            from edge_agent.errors import SpoolBroken

            raise SpoolBroken("disk I/O error")
        return real(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(SpoolFile, "append", fail)
    monkeypatch.setattr(spool, "RETRY_S", 0.05)

    live.offer([meter(2, urgent=True)])
    async with asyncio.timeout(60):
        while live.committed < 2:
            live.news.clear()
            await live.news.wait()

    assert await live.call(stamps) == [1, 2]


async def test_record_that_cannot_be_written_becomes_a_gap(live: Spool) -> None:
    """A record that no row can hold becomes a gap, and the spool goes on."""
    with pytest.raises(SpoolError):
        await live.commit([meter(1 << 70)])

    await live.commit([meter(2)])

    assert await live.call(stamps) == [2]
    assert [(gap.first, gap.last) for gap in await live.call(lambda file: file.gaps())] == [(1, 1)]


async def test_backlog_gives_up_measurements_as_a_gap(
    live: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When more waits than may, measurements are dropped, and their number is told."""
    monkeypatch.setattr(spool, "BACKLOG_RECORDS", 10)

    live.offer([meter(n) for n in range(15)])
    await live.commit([meter(99, kind=RecordKind.FAULT)])

    gaps = await live.call(lambda file: file.gaps())
    assert live.dropped == 15
    assert [(gap.first, gap.last) for gap in gaps] == [(1, 15)]
    assert size(subtract(((1, 16),), ((1, 15),))) == 1


def test_ballast_and_mark_are_laid(tmp_path: Path) -> None:
    """The folder holds room to delete in, and a mark that names the spool."""
    spool_schema.lay_ballast(tmp_path)
    file = opened(tmp_path)

    mark = spool_schema.read_mark(tmp_path)

    assert (tmp_path / "spool.ballast").stat().st_size == spool_schema.BALLAST_BYTES
    assert mark is not None
    assert (mark.spool_id, mark.next_record_seq) == (file.spool_id, 1)
