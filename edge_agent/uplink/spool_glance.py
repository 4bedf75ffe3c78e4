"""What lies in a spool, seen from outside: read only, no lock, while the agent runs or not.

Writing belongs to the one connection of `spool_file.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from edge_agent.core.reading import RecordKind
from edge_agent.errors import SpoolBroken
from edge_agent.uplink.spool_schema import DATABASE


@dataclass(frozen=True, slots=True)
class Glance:
    """What waits for the coordinator; instants are milliseconds since 1970, 0 where none is."""

    records: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    oldest_at_ms: int = 0
    newest_at_ms: int = 0
    gaps: dict[str, int] = field(default_factory=dict)
    size_bytes: int = 0


def glance(folder: Path) -> Glance:
    """What lies in the spool of a folder; empty where there is none. Raises `SpoolBroken`."""
    if not (folder / DATABASE).exists():
        return Glance()
    sizes = [path.stat().st_size for path in folder.glob(f"{DATABASE}*") if path.is_file()]
    try:
        with _opened(folder / DATABASE) as conn:
            kinds = dict(conn.execute("SELECT kind, count(*) FROM record GROUP BY kind").fetchall())
            first, last = conn.execute(
                "SELECT min(observed_at_ms), max(observed_at_ms) FROM record"
            ).fetchone()
            gaps = dict(conn.execute("SELECT reason, count(*) FROM gap GROUP BY reason").fetchall())
    except sqlite3.Error as error:
        raise SpoolBroken(f"{folder / DATABASE} cannot be read: {error}") from error
    return Glance(
        records=sum(kinds.values()),
        kinds={RecordKind(kind).name: count for kind, count in kinds.items()},
        oldest_at_ms=first or 0,
        newest_at_ms=last or 0,
        gaps=gaps,
        size_bytes=sum(sizes),
    )


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    # On a read-only disk a WAL database opens only as immutable.
    error: sqlite3.Error | None = None
    for mode in ("mode=ro", "immutable=1"):
        try:
            conn = sqlite3.connect(f"file:{quote(str(path))}?{mode}", uri=True, timeout=5.0)
            conn.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.Error as fault:
            error = fault
            continue
        try:
            yield conn
        finally:
            conn.close()
        return
    assert error is not None
    raise error
