"""What lies in a spool folder, seen from outside: read only, while the agent runs or not.

Nothing here writes or checkpoints; the one writing connection is that of `spool_file.py`.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from edge_agent.core.ranges import size
from edge_agent.core.reading import RecordKind
from edge_agent.errors import SpoolBroken, SpoolTooNew
from edge_agent.uplink.blocks import unpack
from edge_agent.uplink.spool_lost import StoredGap
from edge_agent.uplink.spool_numbers import SEQ_MASK
from edge_agent.uplink.spool_schema import DATABASE, SCHEMA, SHIFT, version


@dataclass(frozen=True, slots=True)
class SpoolView:
    """What waits for the coordinator; instants are milliseconds since 1970, 0 where none is.

    `depth` counts numbers given out and not settled, gaps included; `records` those that can still
    be sent, of which `news` are never thinned. `quarantined` names damaged databases put aside.
    `size_bytes` is the room on the disk, damaged ones and copies included.
    """

    depth: int = 0
    records: int = 0
    news: int = 0
    oldest_at_ms: int = 0
    newest_at_ms: int = 0
    spool_ids: tuple[str, ...] = ()
    gaps: tuple[StoredGap, ...] = ()
    size_bytes: int = 0
    quarantined: tuple[str, ...] = ()


def view_spool(folder: Path) -> SpoolView:
    """What the spool of a folder holds; an empty view where there is none.

    Raises `SpoolBroken` for one that cannot be read and `SpoolTooNew` for a newer agent's.
    """
    files = [path for path in folder.glob("spool.*") if path.is_file()]
    held = {
        "size_bytes": sum(path.stat().st_size for path in files),
        "quarantined": tuple(sorted(p.name for p in files if p.suffix.startswith(".damaged-"))),
    }
    if not (folder / DATABASE).exists():
        return SpoolView(**held)  # type: ignore[arg-type]
    try:
        with opened_read_only(folder / DATABASE) as conn:
            return _seen(conn, held)
    except sqlite3.Error as error:
        raise SpoolBroken(f"{folder / DATABASE} cannot be read: {error}") from error


def kinds(folder: Path) -> dict[str, int]:
    """How many records of each kind wait; reads all of them, so it takes its time."""
    counts: dict[str, int] = {}
    with contextlib.suppress(sqlite3.Error), opened_read_only(folder / DATABASE) as conn:
        for (body,) in conn.execute("SELECT body FROM block ORDER BY position"):
            with contextlib.suppress(ValueError, IndexError):
                for record in unpack(body)[0]:
                    name = RecordKind(record.kind).name
                    counts[name] = counts.get(name, 0) + 1
    return counts


@contextlib.contextmanager
def opened_read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """The database without a right to write; on a read-only disk as it was at the last checkpoint.

    Raises `sqlite3.Error` for one that cannot be read and `SpoolTooNew` for a newer agent's.
    """
    with contextlib.closing(_connected(path)) as conn:
        found = version(conn)
        if found > SCHEMA:
            raise SpoolTooNew(str(path), found, SCHEMA)
        if found < SCHEMA:
            raise sqlite3.DatabaseError(f"has schema {found}; the agent brings it up to date")
        yield conn


def _connected(path: Path) -> sqlite3.Connection:
    failure = sqlite3.Error("cannot be opened")
    # A database with a WAL opens on a read-only disk only as immutable.
    for mode in ("mode=ro", "immutable=1"):
        conn = sqlite3.connect(f"file:{quote(str(path))}?{mode}", uri=True, timeout=5.0)
        try:
            conn.execute("PRAGMA wal_autocheckpoint=0")
            conn.execute("PRAGMA query_only=1")
            conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return conn
        except sqlite3.Error as error:
            conn.close()
            failure = error
    raise failure


def _seen(conn: sqlite3.Connection, held: dict[str, object]) -> SpoolView:
    conn.execute("BEGIN")
    spools = conn.execute(
        "SELECT spool_no, spool_id, next_record_seq, settled FROM spool ORDER BY spool_no"
    ).fetchall()
    names = {number: name for number, name, _, _ in spools}
    depth = sum(
        following - 1 - size(tuple(map(tuple, json.loads(settled))))
        for _, _, following, settled in spools
    )
    total, spare, oldest, newest = conn.execute(
        "SELECT total(span + 1), total(spare), min(from_at_ms), max(to_at_ms) FROM block"
    ).fetchone()
    gaps = conn.execute(
        "SELECT position, last_seq, reason, from_at_ms, to_at_ms FROM gap ORDER BY position"
    )
    lost = tuple(
        StoredGap(names.get(p >> SHIFT, ""), p & SEQ_MASK, last, why, since, until, p)
        for p, last, why, since, until in gaps
    )
    return SpoolView(
        depth=depth,
        records=min(int(total), depth),
        news=int(total - spare),
        oldest_at_ms=oldest or 0,
        newest_at_ms=newest or 0,
        spool_ids=tuple(names.values()),
        gaps=lost,
        **held,  # type: ignore[arg-type]
    )
