"""The spool on disk, one thread only: append, read, settle, thin, each in its own transaction.

Every record has a record_seq, gapless within a spool_id. Grouping commits and talking to the event
loop belong to `spool.py`, what else the database remembers to `memory.py`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.core.ranges import Runs, leading, normalise, size, subtract
from edge_agent.core.reading import Record, RecordKind
from edge_agent.errors import SpoolBroken, SpoolFull
from edge_agent.uplink.rows import checksum, from_bytes, to_bytes
from edge_agent.uplink.spool_numbers import SEQ_MASK, SpoolNumbers
from edge_agent.uplink.spool_schema import (
    DATABASE,
    IdSource,
    Mark,
    connect,
    quarantine,
    read_mark,
    write_mark,
)

# The mark is written anew each time that so many numbers were given out.
RESERVE: Final = 10_000
# Reasons of gaps.
CORRUPT: Final = "CORRUPT"
DISK_FULL: Final = "DISK_FULL"


@dataclass(frozen=True, slots=True)
class StoredGap:
    """Numbers of a spool that are lost for good; instants are 0 where unknown."""

    spool_id: str
    first: int
    last: int
    reason: str
    from_at_ms: int = 0
    to_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class StoredRun:
    """Consecutive records of one spool; record i has number `first_record_seq` + i."""

    spool_id: str
    first_record_seq: int
    position: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Dropped:
    """Records that were given up before they had numbers; they use up numbers as a gap."""

    count: int
    from_at_ms: int
    to_at_ms: int


def merged(one: Dropped | None, two: Dropped | None) -> Dropped | None:
    """Both as one; None where both are."""
    if one is None or two is None:
        return one or two
    return Dropped(
        one.count + two.count,
        min(one.from_at_ms, two.from_at_ms),
        max(one.to_at_ms, two.to_at_ms),
    )


Also = Callable[[sqlite3.Connection], None]


class SpoolFile:
    """The spool database of one data folder; create and use it on one thread.

    Raises `SpoolFull` where the disk has no room and `SpoolBroken` on I/O errors and damage; then
    nothing of the call is durable. `quarantined` is the new name of a damaged database, or "".
    """

    def __init__(self, folder: Path, new_id: IdSource) -> None:
        self._folder = folder
        self.quarantined = ""
        self._reserved = 0
        path = folder / DATABASE
        try:
            self.connection = connect(path)
            self.numbers = SpoolNumbers(self.connection, new_id)
        except sqlite3.OperationalError as error:
            raise _translated(error) from error
        except (sqlite3.DatabaseError, ValueError):
            self.quarantined = str(quarantine(path))
            self.connection = connect(path)
            self.numbers = SpoolNumbers(self.connection, new_id)
        with self.transaction():
            self.numbers.square_with_mark(read_mark(folder))
        self._mark()

    def close(self) -> None:
        """Leaves an exact mark and closes the database."""
        self._mark()
        self.connection.close()

    @property
    def spool_id(self) -> str:
        """Identifier of the spool that new records join."""
        return self.numbers.current.spool_id

    @property
    def next_record_seq(self) -> int:
        """The number that the next record will get."""
        return self.numbers.current.next_record_seq

    def append(
        self, records: Sequence[Record], dropped: Dropped | None = None, also: Also | None = None
    ) -> int:
        """Commits the records, and what `also` writes, at once; gives back the first's number."""
        row = self.numbers.current
        first = row.next_record_seq
        with self.transaction():
            if dropped is not None:
                last = first + dropped.count - 1
                since, until = dropped.from_at_ms, dropped.to_at_ms
                self.numbers.add_gap(row, first, last, DISK_FULL, since, until)
                first = last + 1
            bodies = [to_bytes(record) for record in records]
            self.connection.executemany(
                "INSERT INTO record(position, kind, observed_at_ms, crc, body)"
                " VALUES (?, ?, ?, ?, ?)",
                [
                    (row.position(first + i), r.kind, r.observed_at_ms, checksum(body), body)
                    for i, (r, body) in enumerate(zip(records, bodies, strict=True))
                ],
            )
            following = first + len(records)
            self.connection.execute(
                "UPDATE spool SET next_record_seq=? WHERE spool_no=?", (following, row.spool_no)
            )
            if also is not None:
                also(self.connection)
        # Only now: a number counts as given out when the commit is on the disk.
        row.next_record_seq = following
        if row.next_record_seq > self._reserved:
            self._mark()
        return first

    def read_run(
        self, from_position: int, before_position: int, limit: int, max_bytes: int
    ) -> StoredRun | None:
        """The first consecutive records at or after a position; None where there are none.

        Damaged rows become gaps on the way.
        """
        while True:
            rows = self._fetch(from_position, before_position, limit)
            if not rows:
                return None
            start = int(rows[0][0])
            records: list[Record] = []
            used = 0
            for offset, (position, crc, body) in enumerate(rows):
                used += len(body)
                record = _record_in(body, crc) if position == start + offset else None
                if record is None or (records and used > max_bytes):
                    break
                records.append(record)
            if records:
                spool_id = self.numbers.of_position(start).spool_id
                return StoredRun(spool_id, start & SEQ_MASK, start, tuple(records))
            self._give_up(start)

    def gaps(self, limit: int = 200) -> list[StoredGap]:
        """Gaps that the coordinator has not settled, oldest first."""
        rows = self.connection.execute(
            "SELECT position, last_seq, reason, from_at_ms, to_at_ms FROM gap"
            " ORDER BY position LIMIT ?",
            (limit,),
        ).fetchall()
        return [
            StoredGap(self.numbers.of_position(p).spool_id, p & SEQ_MASK, last, why, since, until)
            for p, last, why, since, until in rows
        ]

    def settle(self, spool_id: str, stored: Runs) -> int:
        """Forgets what the coordinator has stored; gives back how many numbers that were."""
        row = self.numbers.by_id(spool_id)
        if row is None:
            return 0
        given_out = ((1, row.next_record_seq - 1),)
        fresh = subtract(normalise(stored), row.settled)
        fresh = subtract(fresh, subtract(fresh, given_out))
        if not fresh:
            return 0
        with self.transaction():
            self.numbers.settle(row, fresh)
        return size(fresh)

    def reconcile(self, stored: Runs) -> None:
        """Squares the present spool with what `Welcome` says the coordinator has."""
        with self.transaction():
            self.numbers.reconcile(normalise(stored))
        self._mark()

    def thin(self, count: int, reason: str) -> int:
        """Gives up the oldest `count` measurements, never statuses, faults or sessions."""
        rows = self.connection.execute(
            "SELECT position, observed_at_ms FROM record WHERE kind=? ORDER BY position LIMIT ?",
            (RecordKind.METER, count),
        ).fetchall()
        at_ms = dict(rows)
        with self.transaction():
            for first, last in normalise((p, p) for p, _ in rows):
                row = self.numbers.of_position(first)
                inside = [at_ms[p] for p in range(first, last + 1)]
                self.numbers.add_gap(
                    row, first & SEQ_MASK, last & SEQ_MASK, reason, min(inside), max(inside)
                )
            self.connection.executemany(
                "DELETE FROM record WHERE position=?", [(p,) for p, _ in rows]
            )
        with contextlib.suppress(sqlite3.Error):
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(rows)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction, durable when the block ends; what it did is forgotten on any error."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            yield
            self.connection.execute("COMMIT")
        except BaseException as error:
            try:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                self.numbers.load()
            except sqlite3.Error:
                # What is believed in memory may not be on the disk: only opening anew helps.
                self.connection.close()
            if isinstance(error, sqlite3.Error):
                raise _translated(error) from error
            raise

    def _fetch(self, start: int, before: int, limit: int) -> list[tuple[int, int, bytes]]:
        try:
            return self.connection.execute(
                "SELECT position, crc, body FROM record WHERE position >= ? AND position < ?"
                " ORDER BY position LIMIT ?",
                (start, before, limit),
            ).fetchall()
        except sqlite3.Error as error:
            raise _translated(error) from error

    def _give_up(self, position: int) -> None:
        row = self.numbers.of_position(position)
        with self.transaction():
            self.connection.execute("DELETE FROM record WHERE position=?", (position,))
            self.numbers.add_gap(row, position & SEQ_MASK, position & SEQ_MASK, CORRUPT)

    def _mark(self) -> None:
        row = self.numbers.current
        reserved = row.next_record_seq + RESERVE
        mark = Mark(row.spool_id, row.next_record_seq, reserved, leading(row.settled))
        # Without room for the mark the database alone decides; tried again with the next commit.
        with contextlib.suppress(OSError):
            write_mark(self._folder, mark)
            self._reserved = reserved


def _record_in(body: bytes, crc: int) -> Record | None:
    if checksum(body) != crc:
        return None
    try:
        return from_bytes(body)
    except (msgspec.DecodeError, ValueError):
        return None


def _translated(error: sqlite3.Error) -> SpoolFull | SpoolBroken:
    if "full" in str(error):
        return SpoolFull(str(error))
    return SpoolBroken(str(error))
