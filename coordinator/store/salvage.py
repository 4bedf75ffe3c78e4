"""A damaged SQLite file is put aside, and what can still be read of it goes into a new one.

It is done before anybody opens the file. What is lost of readings is said in gaps.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from coordinator.core.ranges import Ranges
from coordinator.errors import StoreUnavailable

log = structlog.get_logger()

CHECKED_BYTES = 256 << 20  # a larger file is not read through at each start
REASON = "CORRUPT"
_STEP_LIMIT = 1 << 40
_BATCHES = "SELECT first_seq, last_seq FROM batch WHERE spool_id = ?"
_GAPS = "SELECT first_seq, last_seq FROM gap WHERE spool_id = ?"
_REFUSED = "SELECT record_seq, record_seq FROM refusal WHERE spool_id = ?"


@dataclass(frozen=True, slots=True)
class Salvaged:
    """A file that was damaged: where it lies now, how many rows went over, what was lost."""

    store: str
    put_aside: str
    why: str
    rows: int
    lost_records: int

    def __str__(self) -> str:
        lost = f", {self.lost_records} records lost" if self.lost_records else ""
        return (
            f"{self.store} was damaged ({self.why}): put aside as {self.put_aside},"
            f" {self.rows} rows saved{lost}"
        )


def salvage_all(data_dir: Path) -> list[Salvaged]:
    """What was done about the damaged files of a data directory that this process owns."""
    found = (salvaged(data_dir / name) for name in ("telemetry.db", "claims.db"))
    return [one for one in found if one is not None]


def salvaged(path: Path) -> Salvaged | None:
    """What was done about a damaged file; None for a sound one, or where there is none.

    Raises `StoreUnavailable` if it can be neither read nor put aside.
    """
    if not path.exists() or path.stat().st_size == 0:
        return None
    why = _damage(path)
    if not why:
        return None
    try:
        aside = _put_aside(path)
        rows = _carried_over(aside, path)
        lost = _tell_lost(path) if rows else 0
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(path.name, f"damaged ({why}), not salvaged: {error}") from error
    done = Salvaged(path.name, aside.name, why, rows, lost)
    log.error("store damaged", store=done.store, put_aside=done.put_aside, why=why, rows=rows)
    return done


def _damage(path: Path) -> str:
    """What is wrong with the file; empty if nothing is."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if path.stat().st_size > CHECKED_BYTES:
                return ""
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return str(error)
        return ""  # busy, or not to be opened: whoever opens it will say so
    return "" if found == "ok" else str(found).splitlines()[-1]


def damaged_of(path: Path) -> list[Path]:
    """Files that were put aside in place of this one."""
    return sorted(path.parent.glob(f"{path.name}.damaged-*"))


def _put_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + suffix))
    path.rename(aside)
    return aside


def _carried_over(damaged: Path, fresh: Path) -> int:
    """Copies tables with every row that can be read; gives how many rows."""
    count = 0
    with (
        contextlib.closing(sqlite3.connect(damaged)) as old,
        contextlib.closing(sqlite3.connect(fresh)) as new,
    ):
        try:
            things = old.execute(
                "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"
                " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type = 'index'"
            ).fetchall()
        except sqlite3.DatabaseError:
            return 0
        for kind, name, sql in things:
            new.execute(sql)
            if kind == "table":
                count += _copy(old, new, name)
        new.commit()
    return count


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> int:
    count = 0
    for row in _rows(old, table):
        marks = ", ".join("?" * (len(row) - 1))
        try:
            new.execute(f'INSERT INTO "{table}" VALUES ({marks})', row[1:])
            count += 1
        except sqlite3.IntegrityError:
            continue  # a row that the damage made twice
    return count


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[Any]:
    """Every row that can be read, by rowid; around what cannot, steps grow until one is."""
    position, step = 0, 1
    while step < _STEP_LIMIT:
        query = f'SELECT rowid, * FROM "{table}" WHERE rowid > ? ORDER BY rowid'
        try:
            for row in connection.execute(query, (position,)):
                position, step = row[0], 1
                yield row
            return
        except sqlite3.DatabaseError:
            position, step = position + step, step * 2


def _tell_lost(path: Path) -> int:
    """Says in gaps which acknowledged numbers the file lacks; gives how many."""
    count = 0
    with contextlib.closing(sqlite3.connect(path)) as connection:
        try:
            spools = connection.execute("SELECT spool_id, settled FROM spool").fetchall()
        except sqlite3.OperationalError:
            return 0  # the ledger has no readings
        for spool_id, settled in spools:
            here = Ranges()
            for query in (_BATCHES, _GAPS, _REFUSED):
                for first, last in connection.execute(query, (spool_id,)):
                    here.add(first, last)
            for run in settled.split():
                first, _, last = run.partition("-")
                for lost_first, lost_last in here.missing(int(first), int(last)):
                    count += lost_last - lost_first + 1
                    connection.execute(
                        "INSERT INTO gap (spool_id, first_seq, last_seq, reason)"
                        " VALUES (?, ?, ?, ?)",
                        (spool_id, lost_first, lost_last, REASON),
                    )
        connection.commit()
    return count
