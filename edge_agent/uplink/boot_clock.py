"""Remembers how far UTC was ahead of the monotonic clock, for records of a clock that was not set.

What is made of it belongs to `core/boot_time.py`. Runs on the spool's thread, in its transactions.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Final

from edge_agent.core.boot_time import BootTime
from edge_agent.core.reading import CLOCK_SANE_FROM_MS

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
# Boots that records may still wait from.
_REMEMBERED: Final = 16
# Made on first use: an older agent that opens the file does not mind it.
_TABLE: Final = "CREATE TABLE IF NOT EXISTS boot(boot_id TEXT PRIMARY KEY, ahead_ms INTEGER)"


class BootClock:
    """The clocks of this boot, and what the database knows of earlier ones.

    `boot_id` "" where the system does not tell: then nothing is ever corrected.
    """

    def __init__(self, conn: sqlite3.Connection, boot_id: str | None = None) -> None:
        self._conn = conn
        self._boot_id = this_boot() if boot_id is None else boot_id
        self._unset: BootTime | None = None
        query = "SELECT from_at_ms FROM block ORDER BY position DESC LIMIT 1"
        newest = conn.execute(query).fetchone()
        # Only where stamps are to be corrected is there anything to remember.
        self._due = newest is not None and newest[0] < CLOCK_SANE_FROM_MS

    def now(self) -> BootTime | None:
        """How this boot's clocks stand; None where the boot is unknown."""
        if not self._boot_id:
            return None
        return BootTime(self._boot_id, self._utc_ms() - time.monotonic_ns() // 1_000_000)

    def made(self, oldest_ms: int) -> BootTime | None:
        """What to keep beside records whose oldest stamp is this; None for a clock that was set.

        Also notes how the clocks stand after they were set.
        """
        now = self.now()
        if now is None:
            return None
        if self._utc_ms() >= CLOCK_SANE_FROM_MS:
            if self._due:
                self._remember(now)
        else:
            self._unset, self._due = now, True
        return self._unset if oldest_ms < CLOCK_SANE_FROM_MS else None

    def true(self, made: BootTime) -> BootTime | None:
        """How the clocks of a boot stood when they were right; None while nobody knows."""
        if made.boot_id == self._boot_id:
            return self.now() if self._utc_ms() >= CLOCK_SANE_FROM_MS else None
        self._conn.execute(_TABLE)
        query = "SELECT ahead_ms FROM boot WHERE boot_id=?"
        row = self._conn.execute(query, (made.boot_id,)).fetchone()
        return None if row is None else BootTime(made.boot_id, row[0])

    def _remember(self, now: BootTime) -> None:
        self._conn.execute(_TABLE)
        known = "SELECT 1 FROM boot WHERE boot_id=?"
        if self._conn.execute(known, (now.boot_id,)).fetchone() is None:
            insert = "INSERT INTO boot VALUES (?, ?)"
            self._conn.execute(insert, (now.boot_id, now.ahead_ms))
            old = "DELETE FROM boot WHERE rowid <= (SELECT max(rowid) FROM boot) - ?"
            self._conn.execute(old, (_REMEMBERED,))

    def _utc_ms(self) -> int:
        return time.time_ns() // 1_000_000


def this_boot() -> str:
    """An identifier that lasts until the next boot; "" where the system has none."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""
