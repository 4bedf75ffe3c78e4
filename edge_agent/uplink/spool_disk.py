"""The spool file through a disk's bad days: full, read-only, broken, damaged; and back again.

Runs on the spool's own thread. Grouping commits belongs to `spool.py`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import structlog

from edge_agent.errors import SpoolBroken, SpoolDamaged, SpoolError, SpoolFull, SpoolTooNew
from edge_agent.uplink.spool_file import SpoolFile, translated
from edge_agent.uplink.spool_numbers import DISK_FULL
from edge_agent.uplink.spool_schema import IdSource, drop_ballast, lay_ballast

T = TypeVar("T")
log: Final = structlog.get_logger("edge_agent.spool")

THIN_RECORDS: Final = 5_000
# What memory may hold of records while no disk can be written.
MEMORY_BYTES: Final = 8 * 1024 * 1024
RETURN_S: Final = 5.0


class SpoolDisk:
    """The file in use: on the disk, or in memory while the data folder cannot be written.

    `generation` changes with each move between the two: positions read before mean nothing after.
    `trouble` says why records are in memory only, or "".
    """

    def __init__(self, folder: Path, new_id: IdSource, max_bytes: int) -> None:
        self._folder = folder
        self._new_id = new_id
        self._max_bytes = max_bytes
        self._thinned = 0
        self._look_at_s = 0.0
        self._closed = False  # the file's connection was given up, and no other was had
        self.generation = 0
        self.trouble = ""
        self.file = self._first()

    @property
    def thinned(self) -> int:
        """Records given up for room since the start."""
        return self._thinned + self.file.thinned

    def with_room(self, work: Callable[[SpoolFile], T]) -> T:
        """What `work` gives back, tried again after making room where the disk is full.

        Raises `SpoolError`, also for a file that could not be opened anew after an I/O error.
        """
        if self._closed:
            self._use(self._on_disk())
            self._closed = False
        try:
            return work(self.file)
        except sqlite3.OperationalError as error:
            raise translated(error) from error
        except SpoolFull:
            # Deleting needs room as well: the ballast gives it.
            drop_ballast(self._folder)
            self.file.thin(THIN_RECORDS, DISK_FULL)
            return work(self.file)

    def mend(self, error: Exception) -> None:
        """Opens the file anew after an I/O error: what its connection believes is not durable."""
        if not isinstance(error, SpoolBroken) or self.file.volatile:
            return
        with contextlib.suppress(Exception):
            self.file.connection.close()
        try:
            self._use(self._on_disk(damaged=isinstance(error, SpoolDamaged)))
            self._closed = False
        except (SpoolError, OSError) as failure:
            self._closed = True
            if _read_only(self._folder):
                self._to_memory(str(failure))
                self._closed = False

    def come_back(self) -> bool:
        """Tries, now and then, to bring what memory holds to the disk; True where it did."""
        if not self.file.volatile or time.monotonic() < self._look_at_s:
            return False
        self._look_at_s = time.monotonic() + RETURN_S
        if _read_only(self._folder):
            return False
        try:
            file = self._on_disk()
            file.adopt(self.file)
        except (SpoolError, OSError):
            return False
        self.file.connection.close()
        self._use(file)
        self.generation += 1
        self.trouble = ""
        lay_ballast(self._folder)
        log.info("spool is on the disk again")
        return True

    def _first(self) -> SpoolFile:
        if not _read_only(self._folder):
            try:
                file = self._on_disk()
                lay_ballast(self._folder)
                return file
            except SpoolTooNew:
                raise
            except SpoolFull as error:
                self._say(str(error))
        else:
            self._say("the file system is read-only")
        return SpoolFile(None, self._new_id, MEMORY_BYTES)

    def _on_disk(self, *, damaged: bool = False) -> SpoolFile:
        try:
            file = SpoolFile(self._folder, self._new_id, self._max_bytes, damaged=damaged)
        except SpoolFull:
            if not drop_ballast(self._folder):
                raise
            file = SpoolFile(self._folder, self._new_id, self._max_bytes, damaged=damaged)
        if file.quarantined:
            log.error(
                "spool was damaged; what could be read is in a new file",
                put_aside=file.quarantined,
                lost=sum(gap.last - gap.first + 1 for gap in file.gaps()),
            )
        return file

    def _use(self, file: SpoolFile) -> None:
        self._thinned += self.file.thinned
        self.file = file

    def _to_memory(self, why: str) -> None:
        self._say(why)
        self._use(SpoolFile(None, self._new_id, MEMORY_BYTES))
        self.generation += 1

    def _say(self, why: str) -> None:
        self.trouble = f"records are kept in memory only: {why}"
        log.error("spool cannot use the disk; reporting goes on from memory", error=why)


def _read_only(folder: Path) -> bool:
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False
