"""How a SQLite file of the coordinator is opened, and who may own the directory it lies in.

Every file has one writing connection (`writer.py`); readers open their own by `open_reader`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Any, Protocol

import structlog
from sqlite_utils import Database

from coordinator.errors import DirectoryBusy, DirectoryUnusable, StoreTooNew, StoreUnavailable

log = structlog.get_logger()

_OPEN = " has files open"
COPIED_BYTES = 1 << 30  # a larger file is not copied before its schema changes


class MigrationSet(Protocol):
    """What `sqlite_utils.Migrations` gives: known migrations and how to apply them."""

    def apply(self, db: Any) -> None:
        """Brings the schema up to date."""
        ...

    def applied(self, db: Any) -> list[Any]:
        """Migrations that the file has seen, each with a `name`."""
        ...

    def pending(self, db: Any) -> list[Any]:
        """Migrations that the file has not seen."""
        ...


def open_database(path: Path, migrations: MigrationSet) -> Database:
    """A connection for the one writer of this file, with the schema brought up to date.

    Raises `StoreTooNew` for a file of a newer version and `StoreUnavailable` if it cannot open.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=5000")
        connection.execute("PRAGMA wal_autocheckpoint=4000")
        database = Database(connection)
        applied = {entry.name for entry in migrations.applied(database)}
        known = {entry.name for entry in migrations.pending(Database(memory=True))}
        if unknown := sorted(applied - known):
            raise StoreTooNew(path.name, unknown)
        pending = [entry.name for entry in migrations.pending(database)]
        if applied and pending:
            keep_copy(connection, path, pending[0])
        migrations.apply(database)
    except sqlite3.Error as error:
        raise StoreUnavailable(path.name, str(error)) from error
    return database


def keep_copy(connection: sqlite3.Connection, path: Path, change: str) -> None:
    """Keeps the file as it is before a change of its schema; a very large one is only said."""
    copy = path.with_name(f"{path.name}.before-{change}")
    if copy.exists():
        return
    if path.stat().st_size > COPIED_BYTES:
        log.warning("changed without a copy", store=path.name, change=change)
        return
    fresh = copy.with_name(f"{copy.name}.part")
    fresh.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(fresh)) as other:
        connection.backup(other)
    fresh.rename(copy)


def copies_of(path: Path) -> list[Path]:
    """Copies of a file from before changes of its schema."""
    return sorted(path.parent.glob(f"{path.name}.before-*"))


def open_reader(path: Path) -> Database:
    """A connection that only reads and never checkpoints, for use in one worker thread.

    Raises `StoreUnavailable` if it cannot open.
    """
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA busy_timeout=5000")
    except sqlite3.Error as error:
        raise StoreUnavailable(path.name, str(error)) from error
    return Database(connection)


class DirectoryLock:
    """Ownership of a data directory by this process until `release` or its death.

    `abandoned`: whoever owned it last had its files open and never said that it closed them.
    """

    def __init__(self, directory: Path) -> None:
        """Makes the directory if needed.

        Raises `DirectoryUnusable`, and `DirectoryBusy` if another process owns it.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = os.open(directory / "owner.lock", flags, 0o600)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise DirectoryUnusable(str(directory), why or str(error)) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner, _ = self._told()
            os.close(self._file)
            raise DirectoryBusy(str(directory), f"process {owner}" if owner else "") from error
        _, self.abandoned = self._told()
        self.note_files(are_open=False)

    def note_files(self, *, are_open: bool) -> None:
        """Says whether this process has the directory's files open, for whoever owns it next."""
        words = f"{os.getpid()}{_OPEN if are_open else ''}"
        # One write over what is there, which needs no room; a disk that refuses it stops nothing.
        with contextlib.suppress(OSError):
            os.pwrite(self._file, f"{words:<63}\n".encode(), 0)

    def _told(self) -> tuple[str, bool]:
        """The last owner, and whether it had files open when it was last heard of."""
        words = os.pread(self._file, 64, 0).decode(errors="replace").strip()
        return words.removesuffix(_OPEN), words.endswith(_OPEN)

    def release(self) -> None:
        """Gives the directory free."""
        os.close(self._file)
