"""What lies in the data folder: the spool database, its mark file and the ballast.

The mark repeats outside the database which numbers may be in use, so that an emptied or rolled
back database is noticed. The ballast is room to delete in when the disk is full: SQLite cannot
even delete rows without writing.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import sqlite_utils

from edge_agent.errors import SpoolTooNew

SCHEMA: Final = 2
DATABASE: Final = "spool.db"
BALLAST_BYTES: Final = 256 * 1024
WAL_BYTES: Final = 4 * 1024 * 1024
BUSY_S: Final = 5.0
PAGE_BYTES: Final = 4096
# Positions of a spool: spool_no << SHIFT | record_seq, so that one integer key orders everything.
SHIFT: Final = 40


@dataclass(frozen=True, slots=True)
class Mark:
    """What the mark file says: numbers below `next_record_seq` were used for certain, those up to
    `reserved_through` perhaps; those up to `settled_through` are stored at the coordinator.
    """

    spool_id: str
    next_record_seq: int
    reserved_through: int
    settled_through: int


def connect(path: Path | str) -> sqlite3.Connection:
    """The one writing connection, WAL and FULL; tables are made or migrated where they are not.

    Raises `sqlite3.DatabaseError` for a damaged file and `SpoolTooNew` for a newer agent's file.
    """
    conn = sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)
    try:
        conn.execute("PRAGMA journal_mode=WAL")
        # FULL: with NORMAL a power cut loses commits that were already answered.
        conn.execute("PRAGMA synchronous=FULL")
        conn.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
        found = int(conn.execute("PRAGMA user_version").fetchone()[0])
        if found > SCHEMA:
            raise SpoolTooNew(str(path), found, SCHEMA)
    except BaseException:
        conn.close()
        raise
    return conn


def version(conn: sqlite3.Connection) -> int:
    """Schema of an open database; 0 where it has no tables yet."""
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def create_tables(conn: sqlite3.Connection) -> None:
    """Makes the tables that are missing and says which schema this is; in a transaction."""
    db = sqlite_utils.Database(conn)
    for name, (columns, key) in _TABLES.items():
        db[name].create(columns, pk=key, if_not_exists=True)
    db["ocpp_transaction"].create_index(["pile_id", "start_key"], unique=True, if_not_exists=True)
    conn.execute(f"PRAGMA user_version={SCHEMA}")


_TABLES: Final[dict[str, tuple[dict[str, type], str]]] = {
    "spool": (
        {
            "spool_no": int,
            "spool_id": str,
            "next_record_seq": int,
            "settled": str,
            "unproven_from": int,
        },
        "spool_no",
    ),
    "block": (
        {
            "position": int,
            "span": int,
            "spare": int,
            "from_at_ms": int,
            "to_at_ms": int,
            "crc": int,
            "body": bytes,
        },
        "position",
    ),
    "gap": (
        {"position": int, "last_seq": int, "reason": str, "from_at_ms": int, "to_at_ms": int},
        "position",
    ),
    "thinning": ({"one": int, "level": int, "position": int}, "one"),
    "fence": ({"evse_id": str, "fence": int}, "evse_id"),
    "carried": (
        {"evse_id": str, "session_id": str, "energy_kwh": float, "session_energy_kwh": float},
        "evse_id",
    ),
    "ocpp_transaction": (
        {
            "transaction_id": int,
            "pile_id": str,
            "start_key": str,
            "evse_id": str,
            "session_id": str,
            "stopped": int,
        },
        "transaction_id",
    ),
}


def quarantine(path: Path) -> Path:
    """Moves a damaged database (and what belongs to it) aside; gives back its new name."""
    for number in range(1, 10_000):
        target = path.with_name(f"{path.name}.damaged-{number}")
        if not target.exists():
            break
    for suffix in ("-wal", "-shm"):
        side = path.with_name(path.name + suffix)
        if side.exists():
            side.rename(target.with_name(target.name + suffix))
    path.rename(target)
    return target


def keep_head(folder: Path) -> None:
    """Keeps a copy of the database's first page, without which nothing of it can be found."""
    try:
        with (folder / DATABASE).open("rb") as file:
            page = file.read(PAGE_BYTES)
        copy = folder / "spool.head"
        known = copy.read_bytes() if copy.exists() else b""
        if page.startswith(b"SQLite format 3\0") and b"thinning" in page and page != known:
            fresh = copy.with_suffix(".new")
            fresh.write_bytes(page)
            fresh.replace(copy)
    except OSError:
        return


def lend_head(folder: Path, damaged: Path) -> bool:
    """Puts the kept first page over that of a damaged database, whose own is kept beside it."""
    copy = folder / "spool.head"
    if not copy.exists():
        return False
    page = bytearray(copy.read_bytes())
    page[28:32] = bytes(4)  # the number of pages is taken from the file
    with damaged.open("r+b") as file:
        damaged.with_name(f"{damaged.name}.page1").write_bytes(file.read(PAGE_BYTES))
        file.seek(0)
        file.write(page)
    return True


def read_mark(folder: Path) -> Mark | None:
    """The mark, or None where there is none that can be read."""
    try:
        return Mark(**json.loads((folder / "spool.mark").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_mark(folder: Path, mark: Mark) -> None:
    """Replaces the mark in one step, on disk when this returns; raises OSError."""
    path = folder / "spool.mark"
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(asdict(mark), file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def lay_ballast(folder: Path) -> bool:
    """Lays the ballast file if it is not there; False where the disk has no room for it."""
    path = folder / "spool.ballast"
    if path.exists():
        return True
    try:
        path.write_bytes(os.urandom(BALLAST_BYTES))
    except OSError:
        path.unlink(missing_ok=True)
        return False
    return True


def drop_ballast(folder: Path) -> bool:
    """Frees the ballast's room; False where it was already gone."""
    path = folder / "spool.ballast"
    if not path.exists():
        return False
    with contextlib.suppress(OSError):
        path.unlink()
        return True
    return False


IdSource = Callable[[], str]
