"""The writer thread: groups, isolation of failures, order, and the end."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Migrations

from coordinator.errors import DirectoryBusy, Overloaded, StoreClosed, StoreTooNew, StoreUnavailable
from coordinator.store.database import DirectoryLock, open_reader
from coordinator.store.rows import RowStatement
from coordinator.store.writer import Writer

INSERT = RowStatement("INSERT INTO thing (id, name)", 2)


def things() -> Migrations:
    """One table."""
    migrations = Migrations("things")

    def thing(db: Any) -> None:
        db["thing"].create({"id": int, "name": str}, pk="id", not_null={"name"})

    migrations(name="0001_thing")(thing)
    return migrations


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    writer = Writer(tmp_path / "things.db", things())
    yield writer
    await writer.close()


def names(path: Path) -> list[str]:
    return [name for (name,) in open_reader(path).execute("SELECT name FROM thing ORDER BY id")]


async def test_put_is_readable_by_others_when_it_returns(writer: Writer) -> None:
    """A row is committed, not only written, when `put` returns."""
    await writer.put(INSERT, (1, "one"))

    assert names(writer.path) == ["one"]


async def test_many_callers_share_commits(writer: Writer) -> None:
    """A hundred rows that wait together need far fewer commits than rows."""
    commits = 0

    def count(statement: str) -> None:
        nonlocal commits
        commits += statement == "COMMIT"

    writer.database.conn.set_trace_callback(count)
    await asyncio.gather(*(writer.put(INSERT, (n, f"n{n}")) for n in range(100)))

    assert names(writer.path) == [f"n{n}" for n in range(100)]
    assert commits < 20


async def test_a_failing_unit_does_not_take_its_group_down(writer: Writer) -> None:
    """Only the row that breaks a constraint fails; its neighbours are stored."""
    results = await asyncio.gather(
        writer.put(INSERT, (1, "one")),
        writer.put(INSERT, (2, None)),
        writer.submit(lambda c: c.execute("INSERT INTO thing VALUES (3, 'three')").rowcount),
        writer.put(INSERT, (1, "again")),
        return_exceptions=True,
    )

    assert isinstance(results[1], sqlite3.IntegrityError)
    assert isinstance(results[3], sqlite3.IntegrityError)
    assert results[0] is None
    assert results[2] == 1
    assert names(writer.path) == ["one", "three"]


async def test_a_unit_that_fails_leaves_nothing_behind(writer: Writer) -> None:
    """Statements before the failure within one unit are undone."""

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO thing VALUES (1, 'one')")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await writer.submit(half)

    assert names(writer.path) == []


async def test_database_faults_are_store_faults(writer: Writer) -> None:
    """A statement that SQLite cannot run is a retryable error of the store, with its cause."""
    with pytest.raises(StoreUnavailable) as caught:
        await writer.submit(lambda c: c.execute("INSERT INTO nothing VALUES (1)"))

    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)


async def test_units_run_in_order_of_submission(writer: Writer) -> None:
    """A function sees the rows put before it in the same group, not those after it."""
    seen = await asyncio.gather(
        writer.put(INSERT, (1, "one")),
        writer.submit(lambda c: c.execute("SELECT count(*) FROM thing").fetchone()[0]),
        writer.put(INSERT, (2, "two")),
        writer.submit(lambda c: c.execute("SELECT count(*) FROM thing").fetchone()[0]),
    )

    assert seen[1::2] == [1, 2]


async def test_close_waits_for_what_was_submitted(tmp_path: Path) -> None:
    """Everything submitted before `close` is durable; nothing is taken after it."""
    writer = Writer(tmp_path / "things.db", things())
    futures = [writer.post(INSERT, (n, f"n{n}")) for n in range(50)]
    await writer.close()

    assert len(names(writer.path)) == 50
    assert all(future.done() for future in futures)
    with pytest.raises(StoreClosed):
        await writer.put(INSERT, (99, "late"))


async def test_a_full_queue_refuses(tmp_path: Path) -> None:
    """Beyond the limit a submission is refused at once, with facts."""
    writer = Writer(tmp_path / "things.db", things(), limit=3)
    waiting = [writer.post(INSERT, (n, "x")) for n in range(3)]

    with pytest.raises(Overloaded, match="3 waiting, at most 3"):
        writer.post(INSERT, (9, "x"))

    await asyncio.gather(*waiting)
    await writer.close()


async def test_a_cancelled_caller_does_not_disturb_the_group(writer: Writer) -> None:
    """A row whose caller went away is stored with the others."""
    gone = writer.post(INSERT, (1, "one"))
    gone.cancel()
    await writer.put(INSERT, (2, "two"))

    assert names(writer.path) == ["one", "two"]


async def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """A file with a migration that is unknown here is not opened."""
    newer = things()
    newer(name="0002_newer")(lambda db: None)
    await Writer(tmp_path / "things.db", newer).close()

    with pytest.raises(StoreTooNew, match="0002_newer"):
        Writer(tmp_path / "things.db", things())


def test_a_directory_has_one_owner(tmp_path: Path) -> None:
    """A second lock on a directory is refused until the first is released."""
    lock = DirectoryLock(tmp_path / "data")

    with pytest.raises(DirectoryBusy, match="in use by process"):
        DirectoryLock(tmp_path / "data")

    lock.release()
    DirectoryLock(tmp_path / "data").release()


async def test_work_that_must_be_alone_is_outside_of_any_transaction(writer: Writer) -> None:
    """Rows that wait beside it are committed before and after; `VACUUM` refuses to run in one."""

    def anew(connection: sqlite3.Connection) -> bool:
        connection.execute("VACUUM")
        return connection.in_transaction

    before, inside, after = await asyncio.gather(
        writer.put(INSERT, (1, "one")), writer.alone(anew), writer.put(INSERT, (2, "two"))
    )

    assert (before, inside, after) == (None, False, None)
    assert names(writer.path) == ["one", "two"]
