"""What is given up on a full disk so that promises can still be kept: a ballast, then old history.

SQLite needs room even to delete. So a file without meaning lies ready; when the disk is full it
goes, journals are folded back into their files and begin anew in the room they have, and the oldest
readings make way for newer ones. They are not forgotten in silence: a gap names their numbers.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from pathlib import Path

import structlog

log = structlog.get_logger()

NAME = "disk.ballast"
REASON = "DISK_FULL"
MOST_BYTES = 16 << 20
SHARE = 16  # of the file system's size
AT_ONCE = 500  # batches
_WRITE_BYTES = 1 << 20


class FullDisk:
    """The ballast of one data directory, and what came of a full disk; for any thread."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._lock = threading.Lock()
        self.full = False
        self.thinned_batches = 0
        self.lay()

    def lay(self) -> bool:
        """Whether the ballast lies there; it is laid where a multiple of it is free."""
        with self._lock:
            if self._path.exists():
                self.full = False
                return True
            usage = shutil.disk_usage(self._path.parent)
            size = min(MOST_BYTES, usage.total // SHARE)
            if usage.free < 3 * size:
                return False
            try:
                self._write(size)
            except OSError as error:
                self._path.unlink(missing_ok=True)
                log.warning("no ballast for a full disk", why=error.strerror or str(error))
                return False
            self.full = False
            return True

    def _write(self, size: int) -> None:
        # Real bytes: a file with holes would free nothing.
        with self._path.open("wb") as file:
            for start in range(0, size, _WRITE_BYTES):
                file.write(os.urandom(min(_WRITE_BYTES, size - start)))
            file.flush()
            os.fsync(file.fileno())

    def drop(self) -> bool:
        """Gives the ballast up; False if there was none."""
        with self._lock:
            self.full = True
            try:
                self._path.unlink()
            except OSError:
                return False
        log.error("disk full", store=str(self._path.parent), done="ballast dropped")
        return True

    def keep_promises(self, connection: sqlite3.Connection) -> bool:
        """Room for the ledger: the ballast, and nothing that was promised."""
        dropped = self.drop()
        return _folded(connection) or dropped

    def give_up_history(self, connection: sqlite3.Connection) -> bool:
        """Room for new readings: the ballast, then the oldest batches that the picture has."""
        dropped = self.drop()
        folded = _folded(connection)
        try:
            thinned = _thin(connection)
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return dropped or folded
        self.thinned_batches += thinned
        if thinned:
            log.error("disk full", done="oldest readings given up", batches=thinned)
            _folded(connection)
        return dropped or folded or thinned > 0


def _folded(connection: sqlite3.Connection) -> bool:
    """Whether the journal was taken into the file; its room is kept, for what is written next."""
    try:
        busy, pages, folded = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    except sqlite3.Error:
        return False
    return not busy and pages == folded


def _thin(connection: sqlite3.Connection) -> int:
    """Removes the oldest batches before the checkpoint and says so in gaps; gives how many."""
    connection.execute("BEGIN IMMEDIATE")
    rows = connection.execute(
        "SELECT batch, spool_id, first_seq, last_seq, received_at_ms FROM batch"
        " WHERE batch <= coalesce((SELECT through_batch FROM checkpoint), 0)"
        " ORDER BY batch LIMIT ?",
        (AT_ONCE,),
    ).fetchall()
    runs: dict[str, list[list[int]]] = {}
    for _, spool_id, first, last, at_ms in rows:
        known = runs.setdefault(spool_id, [])
        if known and known[-1][1] + 1 == first:
            known[-1][1], known[-1][3] = last, at_ms
        else:
            known.append([first, last, at_ms, at_ms])
    if rows:
        connection.execute("DELETE FROM batch WHERE batch <= ?", (rows[-1][0],))
    connection.executemany(
        "INSERT INTO gap (spool_id, first_seq, last_seq, reason, from_at_ms, to_at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [
            (spool_id, first, last, REASON, from_ms, to_ms)
            for spool_id, known in runs.items()
            for first, last, from_ms, to_ms in known
        ],
    )
    connection.execute("COMMIT")
    return len(rows)
