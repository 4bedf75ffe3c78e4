"""Saves what can still be read of a damaged spool database into a new one.

Identifiers and numbers stay, so that nothing doubles; numbers that cannot be read become gaps.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from edge_agent.uplink.spool_blocks import checksum
from edge_agent.uplink.spool_numbers import CORRUPT, SEQ_MASK, SpoolNumbers
from edge_agent.uplink.spool_schema import SHIFT, IdSource, Mark, lend_head

# Questions that may end in a damaged page before a stretch is given up as a whole.
_PATIENCE: Final = 20_000
_COLUMNS: Final = "position, span, spare, from_at_ms, to_at_ms, crc, body"


def salvage(
    folder: Path, damaged: Path, fresh: sqlite3.Connection, mark: Mark | None, new_id: IdSource
) -> SpoolNumbers:
    """Copies what can be read into `fresh`; the bookkeeping of what it then holds.

    Runs in a transaction of the caller. Raises `sqlite3.DatabaseError` where nothing can be read.
    """
    with contextlib.closing(_opened(folder, damaged)) as old:
        if old.execute("SELECT 1 FROM sqlite_master WHERE name='block'").fetchone() is None:
            raise sqlite3.DatabaseError("has no blocks")
        for name, sql in old.execute(
            "SELECT name, sql FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall():
            if name != "block":
                _copy_table(old, fresh, name, sql)
        _copy_blocks(old, fresh)
    _restore_spools(fresh, mark)
    numbers = SpoolNumbers(fresh, new_id)
    for row in numbers.rows:
        numbers.account(row, 1, row.next_record_seq - 1, CORRUPT)
    known = numbers.by_id(mark.spool_id) if mark is not None else None
    if mark is not None and known is not None and _guessed(fresh, known.spool_no):
        # How far its numbers went is not known: new records join a new spool.
        numbers.roll_over(known, known.next_record_seq, mark.reserved_through)
    return numbers


def _opened(folder: Path, damaged: Path) -> sqlite3.Connection:
    conn = sqlite3.connect(damaged, isolation_level=None, timeout=5.0)
    try:
        conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return conn
    except sqlite3.DatabaseError:
        conn.close()
        if not lend_head(folder, damaged):
            raise
    return sqlite3.connect(damaged, isolation_level=None, timeout=5.0)


def _copy_table(old: sqlite3.Connection, fresh: sqlite3.Connection, name: str, sql: str) -> None:
    with contextlib.suppress(sqlite3.OperationalError):  # it is there already
        fresh.execute(sql)
    for order in ("ASC", "DESC"):
        try:
            for row in old.execute(f'SELECT * FROM "{name}" ORDER BY rowid {order}'):
                marks = ",".join("?" * len(row))
                fresh.execute(f'INSERT OR IGNORE INTO "{name}" VALUES ({marks})', row)
            return
        except sqlite3.DatabaseError:
            continue


def _copy_blocks(old: sqlite3.Connection, fresh: sqlite3.Connection) -> None:
    for row in _readable(old, 0, 1 << 62, [_PATIENCE]):
        _, span, _, _, _, crc, body = row
        if isinstance(body, bytes) and isinstance(span, int) and checksum(span, body) == crc:
            fresh.execute(f"INSERT OR IGNORE INTO block({_COLUMNS}) VALUES (?,?,?,?,?,?,?)", row)


def _readable(
    old: sqlite3.Connection, low: int, high: int, patience: list[int]
) -> Iterator[tuple[Any, ...]]:
    """Rows of a range: upwards to the damage, downwards to it, then the halves between."""
    bounds = [low - 1, high + 1]
    for side, order in enumerate(("ASC", "DESC")):
        try:
            for row in old.execute(
                f"SELECT {_COLUMNS} FROM block WHERE position > ? AND position < ?"
                f" ORDER BY position {order}",
                tuple(bounds),
            ):
                bounds[side] = row[0]
                yield row
            return
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            patience[0] -= 1
    below, above = bounds
    if above - below <= 2 or patience[0] <= 0:
        return
    middle = (below + above) // 2
    yield from _readable(old, below + 1, middle, patience)
    yield from _readable(old, middle + 1, above - 1, patience)


def _restore_spools(fresh: sqlite3.Connection, mark: Mark | None) -> None:
    """Where the row of the last spool is lost, makes it from the mark and the blocks."""
    last_no = fresh.execute(f"SELECT max(position) >> {SHIFT} FROM block").fetchone()[0] or 1
    if (
        mark is None
        or fresh.execute(
            "SELECT 1 FROM spool WHERE spool_id=? OR spool_no=?", (mark.spool_id, last_no)
        ).fetchone()
    ):
        return
    top = fresh.execute(
        f"SELECT max((position & {SEQ_MASK}) + span) FROM block WHERE position >= ?",
        (last_no << SHIFT,),
    ).fetchone()[0]
    settled = f"[[1,{mark.settled_through}]]" if mark.settled_through else "[]"
    fresh.execute(
        "INSERT INTO spool(spool_no, spool_id, next_record_seq, settled, unproven_from)"
        " VALUES (?, ?, ?, ?, -1)",
        (last_no, mark.spool_id, max(mark.next_record_seq, (top or 0) + 1), settled),
    )


def _guessed(fresh: sqlite3.Connection, spool_no: int) -> bool:
    row = fresh.execute("SELECT unproven_from FROM spool WHERE spool_no=?", (spool_no,)).fetchone()
    return row is not None and row[0] == -1
