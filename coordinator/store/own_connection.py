"""The one writing connection of a SQLite file: whose it is, and how it is had again after a fault.

When it commits what is `writer.py`'s part.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from coordinator.errors import StoreUnavailable
from coordinator.store import file_epoch
from coordinator.store.database import MigrationSet, open_database

log = structlog.get_logger()

MakeRoom = Callable[[sqlite3.Connection], bool]
MAKE_ROOM_EVERY_S = 5.0

# What the disk says, of the whole group and not of one unit in it. A lock that was waited for once
# is not waited for again: whoever asked has a deadline.
_OF_THE_DISK = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


def primary_code(error: BaseException) -> int:
    """SQLite's primary result code of an error; 0 if it is none of SQLite's."""
    code = getattr(error, "sqlite_errorcode", 0) if isinstance(error, sqlite3.Error) else 0
    return int(code) & 0xFF


def is_of_the_disk(error: BaseException) -> bool:
    """Whether a second try of the same work at once would fail as well."""
    return isinstance(error, StoreUnavailable) or primary_code(error) in _OF_THE_DISK


class OwnConnection:
    """Open, and this process's, as long as no other has taken the file over."""

    def __init__(
        self,
        path: Path,
        migrations: MigrationSet,
        guarded: Sequence[str] = (),
        make_room: MakeRoom | None = None,
    ) -> None:
        """Raises `StoreUnavailable` and `StoreTooNew`; nobody else inserts into `guarded` then.

        `make_room` is called when the disk is full and says whether another try is worth it.
        """
        self._make_room = make_room
        self._made_room_s = -MAKE_ROOM_EVERY_S
        self._path = path
        self._migrations = migrations
        self._guarded = tuple(guarded)
        self.database = open_database(path, migrations)
        self.epoch = 0
        if guarded:
            try:
                self.epoch = file_epoch.next_epoch(self.database.conn)
                self._guard()
            except sqlite3.Error as error:
                self.database.conn.close()
                raise StoreUnavailable(path.name, str(error)) from error
        self._broken = False

    def ready(self) -> sqlite3.Connection:
        """The connection; opened anew if it must be. Raises `StoreUnavailable` if it cannot."""
        if self._broken:
            self.database = open_database(self._path, self._migrations)
            self._guard()
            self._broken = False
            log.warning("store reopened", store=self._path.name)
        connection: sqlite3.Connection = self.database.conn
        return connection

    def roll_back(self, why: BaseException) -> bool:
        """Leaves no open transaction; whether there is room now on a disk that was full.

        After a failed sync the frames of the commit may lie in the journal, whole. This connection
        knows that they count for nothing and writes over them; a new one would take them for good.
        So it is kept, unless it cannot even roll back.
        """
        try:
            connection: Any = self.database.conn
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            if not self._broken:
                log.warning("store given up for now", store=self._path.name, why=str(error))
            self._broken = True
            self.database.conn.close()
            return False
        return primary_code(why) == sqlite3.SQLITE_FULL and self._room_made(connection)

    def _room_made(self, connection: sqlite3.Connection) -> bool:
        now_s = time.monotonic()
        if self._make_room is None or now_s < self._made_room_s + MAKE_ROOM_EVERY_S:
            return False
        self._made_room_s = now_s
        return self._make_room(connection)

    def _guard(self) -> None:
        for table in self._guarded:
            file_epoch.guard(self.database.conn, table, self.epoch)

    def close(self) -> None:
        """Closes the file."""
        self.database.conn.close()


def named(store: str, error: BaseException) -> BaseException:
    """The error as callers know it: what the disk refused, or the error itself."""
    if file_epoch.is_lost(error):
        log.error("store lost", store=store, why=file_epoch.LOST)
    elif not isinstance(error, sqlite3.Error) or isinstance(error, sqlite3.IntegrityError):
        return error
    unavailable = StoreUnavailable(store, str(error))
    unavailable.__cause__ = error
    return unavailable
