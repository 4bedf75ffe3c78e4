"""The spool on disk, one thread only: append, read, settle, thin, each in its own transaction.

Every record has a record_seq, gapless within a spool_id. Grouping commits and talking to the event
loop belong to `spool.py`, what else the database remembers to `memory.py`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from edge_agent.core.ranges import Runs, leading, normalise, size, subtract
from edge_agent.core.reading import Record
from edge_agent.errors import (
    SpoolBroken,
    SpoolBusy,
    SpoolDamaged,
    SpoolError,
    SpoolFull,
    SpoolVolatile,
)
from edge_agent.uplink.spool_blocks import Blocks, StoredRun
from edge_agent.uplink.spool_lost import Dropped, StoredGap
from edge_agent.uplink.spool_migrate import bring_up_to_date
from edge_agent.uplink.spool_numbers import DISK_FULL, SEQ_MASK, THINNED, SpoolNumbers
from edge_agent.uplink.spool_salvage import salvage
from edge_agent.uplink.spool_schema import (
    DATABASE,
    IdSource,
    Mark,
    connect,
    keep_head,
    quarantine,
    read_mark,
    write_mark,
)
from edge_agent.uplink.spool_thin import Thinner

# The mark is written anew each time that so many numbers were given out.
RESERVE: Final = 10_000
# Records given up at a time when the budget has ended.
THIN_STEP: Final = 2_000


Also = Callable[[sqlite3.Connection], None]


class SpoolFile:
    """The spool database of one data folder; create and use it on one thread.

    `folder` None keeps everything in memory. `max_bytes` is the room that records may take, 0 for
    no limit; beyond, history is thinned. `damaged` says that the file is known to be so. Raises
    `SpoolFull` where the disk has no room, `SpoolBusy` where another program holds the file and
    `SpoolBroken` on I/O errors and damage; then nothing of the call is durable. `quarantined` is
    the new name of a damaged database, or ""; `thinned` counts records given up for room.
    """

    def __init__(
        self, folder: Path | None, new_id: IdSource, max_bytes: int = 0, *, damaged: bool = False
    ) -> None:
        self._folder = folder
        self._new_id = new_id
        self._max_bytes = max_bytes
        self.quarantined = ""
        self.thinned = 0
        self._reserved = 0
        mark = read_mark(folder) if folder is not None else None
        try:
            if damaged:
                raise sqlite3.DatabaseError("was found damaged")
            self._open()
            self._square(mark)
        except sqlite3.OperationalError as error:
            raise translated(error) from error
        except (sqlite3.DatabaseError, SpoolDamaged, ValueError):
            if folder is None:
                raise
            self._begin_anew(folder, mark)
            self._square(mark)
        if folder is not None:
            keep_head(folder)
        self._mark()

    def close(self) -> None:
        """Leaves an exact mark and closes the database."""
        self._mark()
        self.connection.close()

    @property
    def volatile(self) -> bool:
        """True where nothing of it outlives the process."""
        return self._folder is None

    @property
    def spool_id(self) -> str:
        """Identifier of the spool that new records join."""
        return self.numbers.current.spool_id

    @property
    def next_record_seq(self) -> int:
        """The number that the next record will get."""
        return self.numbers.current.next_record_seq

    def used_bytes(self) -> int:
        """Room taken by what the database holds; pages that are free again do not count."""
        pages, free, page = (
            self.connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * page)

    def append(
        self, records: Sequence[Record], dropped: Dropped | None = None, also: Also | None = None
    ) -> int:
        """Commits the records, and what `also` writes, at once; gives back the first's number."""
        with _translating():
            if self._max_bytes and self.used_bytes() > self._max_bytes:
                self.thin(THIN_STEP, THINNED)
        row = self.numbers.current
        first = row.next_record_seq
        with self.transaction():
            if dropped is not None:
                last = first + dropped.count - 1
                since, until = dropped.from_at_ms, dropped.to_at_ms
                self.numbers.add_gap(row, first, last, DISK_FULL, since, until)
                first = last + 1
            self.blocks.insert(row.position(first), records)
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

        Damaged blocks become gaps on the way.
        """
        while True:
            with _translating():
                run = self.blocks.read_run(from_position, before_position, limit, max_bytes)
            if not isinstance(run, int):
                return run
            with self.transaction():
                self.blocks.give_up(run)

    def gaps(
        self, limit: int = 200, before: int = 1 << 62, beyond: int = 1 << 62, start: int = 0
    ) -> list[StoredGap]:
        """Gaps that the coordinator has not settled, oldest first.

        Only those at `start` or later that lie before a position, or beyond (at) another.
        """
        with _translating():
            rows = self.connection.execute(
                "SELECT position, last_seq, reason, from_at_ms, to_at_ms FROM gap"
                " WHERE position >= ? AND (position < ? OR position >= ?)"
                " ORDER BY position LIMIT ?",
                (start, before, beyond, limit),
            ).fetchall()
        of = self.numbers.of_position
        return [
            StoredGap(of(p).spool_id, p & SEQ_MASK, last, why, since, until, p)
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
        """Gives up about `count` measurements, never news; gives back how many, each in a gap."""
        with self.transaction():
            gone = self.thinner.thin(count, reason)
        self.thinned += gone
        with contextlib.suppress(sqlite3.Error):
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return gone

    def need_disk(self) -> None:
        """Raises `SpoolVolatile` where nothing that is written here would be durable."""
        if self.volatile:
            raise SpoolVolatile("the data folder cannot be written, so nothing can be kept")

    def adopt(self, other: SpoolFile) -> None:
        """Takes over what another file holds, under its own identifiers and numbers."""
        with self.transaction():
            self.numbers.adopt(other.connection)
        self.numbers.load()
        self._mark()

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
                raise translated(error) from error
            raise

    def _open(self) -> None:
        path = self._folder / DATABASE if self._folder is not None else None
        self.connection = connect(path or ":memory:")
        try:
            bring_up_to_date(self.connection, path)
            self._take(SpoolNumbers(self.connection, self._new_id))
        except BaseException:
            self.connection.close()
            raise

    def _take(self, numbers: SpoolNumbers) -> None:
        self.numbers = numbers
        self.blocks = Blocks(self.connection, numbers)
        self.thinner = Thinner(self.connection, numbers, self.blocks)

    def _square(self, mark: Mark | None) -> None:
        with self.transaction():
            self.numbers.square_with_mark(mark)

    def _begin_anew(self, folder: Path, mark: Mark | None) -> None:
        """Puts the damaged file aside and goes on with a new one that has what could be read."""
        aside = quarantine(folder / DATABASE)
        self.quarantined = str(aside)
        self._open()
        with contextlib.suppress(sqlite3.DatabaseError, SpoolError, ValueError), self.transaction():
            self._take(salvage(folder, aside, self.connection, mark, self._new_id))
        self._take(SpoolNumbers(self.connection, self._new_id))

    def _mark(self) -> None:
        if self._folder is None:
            return
        row = self.numbers.current
        reserved = row.next_record_seq + RESERVE
        mark = Mark(row.spool_id, row.next_record_seq, reserved, leading(row.settled))
        # Without room for the mark the database alone decides; tried again with the next commit.
        with contextlib.suppress(OSError):
            write_mark(self._folder, mark)
            self._reserved = reserved


@contextlib.contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error) from error


def translated(error: sqlite3.Error) -> SpoolError:
    """The same as an error of ours, by what has to be done about it."""
    text = str(error)
    if "full" in text:
        return SpoolFull(text)
    if "locked" in text or "busy" in text:
        return SpoolBusy(text)
    if "malformed" in text or "not a database" in text:
        return SpoolDamaged(text)
    return SpoolBroken(text)
