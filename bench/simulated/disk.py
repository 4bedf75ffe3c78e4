"""Disks that fail at the N-th write, are full, answer nothing of what they did, or lose power.

Modelled: a statement or commit that fails with an I/O error, once or for a while; a full disk; a
commit that is done but reported as failed; a power cut that leaves what was synced, with a torn
tail of the write-ahead log behind it, and without FULL nothing of the log at all. Not modelled:
damaged pages, a file system that loses names; the loop-image tests and the spool's bad days do
those.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

_WRITES = ("COMMIT", "INSERT", "UPDATE", "DELETE")
FULL = 2
_LEVELS = {"OFF": 0, "NORMAL": 1, "FULL": 2, "EXTRA": 3}


@dataclass
class Disk:
    """What one node's disk does next. `fails_in` counts down; 0 means it does not fail."""

    folder: Path
    fails_in: int = 0
    fails_for: int = 1
    how: str = "io"  # "io", "full", "untold": done, and reported as failed
    untold: int = 0  # writes that were done and reported as failed
    synced: dict[str, int] = field(default_factory=dict)  # by file: its PRAGMA synchronous

    def plan(self, fails_in: int, fails_for: int, how: str) -> None:
        """Has the N-th write from now fail, and so many after it."""
        self.fails_in, self.fails_for, self.how = fails_in, fails_for, how

    def heal(self) -> None:
        """It works again."""
        self.fails_in = 0

    def strikes(self) -> bool:
        """Whether this write fails."""
        if self.fails_in == 0:
            return False
        if self.fails_in > 1:
            self.fails_in -= 1
            return False
        self.fails_for -= 1
        if self.fails_for <= 0:
            self.fails_in = 0
        return True

    def error(self) -> sqlite3.OperationalError:
        """What SQLite would say."""
        if self.how == "full":
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = 13
            error.sqlite_errorname = "SQLITE_FULL"
        else:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = 778
            error.sqlite_errorname = "SQLITE_IOERR_WRITE"
        return error

    def power_image(self, rng: random.Random) -> Path:
        """What lies on the disk after a power cut, beside it; call before anything is closed."""
        image = self.folder.with_name(self.folder.name + ".image")
        shutil.rmtree(image, ignore_errors=True)
        shutil.copytree(self.folder, image, ignore=shutil.ignore_patterns("*-shm"))
        for wal in image.glob("*-wal"):
            name = wal.name.removesuffix("-wal")
            if self.synced.get(name, FULL) < FULL:
                wal.write_bytes(b"")
            elif rng.random() < 0.7:
                with wal.open("ab") as file:
                    file.write(rng.randbytes(rng.randrange(1, 6_000)))
        return image

    def replaced_by(self, image: Path) -> None:
        """The node starts from this image; nobody has the files open."""
        shutil.rmtree(self.folder)
        image.rename(self.folder)


class _Connection(sqlite3.Connection):
    """A connection to a disk that may fail."""

    disk: Disk | None = None
    file = ""

    def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
        disk = self.disk
        if disk is None:
            return super().execute(sql, *given)
        words = sql.lstrip()[:24].upper()
        if words.startswith("PRAGMA SYNCHRONOUS="):
            level = sql.split("=")[1].strip().upper()
            disk.synced[self.file] = _LEVELS.get(level, FULL)
        writes = words.startswith(_WRITES)
        if not writes or not disk.strikes():
            return super().execute(sql, *given)
        if disk.how == "untold":
            super().execute(sql, *given)
            disk.untold += 1
        raise disk.error()


@contextlib.contextmanager
def failing_disks(disks: list[Disk]) -> Iterator[None]:
    """Every connection opened inside one of these folders is to a disk that may fail."""
    connect = sqlite3.connect

    def opened(path: Any, *given: Any, **named: Any) -> sqlite3.Connection:
        text = str(path)
        disk = next((d for d in disks if f"{d.folder}/" in text), None)
        if disk is None or "mode=ro" in text:
            return connect(path, *given, **named)
        connection = connect(path, *given, factory=_Connection, **named)
        assert isinstance(connection, _Connection)
        connection.disk, connection.file = disk, Path(text).name
        return connection

    with mock.patch.object(sqlite3, "connect", opened):
        yield
