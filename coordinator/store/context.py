"""The table of surroundings in `telemetry.db`: one row a name and cell, the newest."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from coordinator.core.surroundings import ContextValue
from coordinator.store.rows import RowStatement

_COLUMNS = "cell, name, value, source, observed_at_s, ttl_s"
_INSERT = RowStatement(f"INSERT OR REPLACE INTO context ({_COLUMNS})", 6)


def migrate(db: Any) -> None:
    """Values by name and cell."""
    columns = {"cell": int, "name": str, "value": float, "source": str}
    columns |= {"observed_at_s": float, "ttl_s": float}
    db["context"].create(columns, pk=("name", "cell"))


def write(connection: sqlite3.Connection, values: Iterable[ContextValue], now_s: float) -> None:
    """Adds or replaces values and removes those that stand no more, in the caller's transaction."""
    connection.execute("DELETE FROM context WHERE observed_at_s + ttl_s <= ?", [now_s])
    _INSERT.run(
        connection,
        [(v.cell, v.name, v.value, v.source, v.observed_at_s, v.ttl_s) for v in values],
    )


def read(db: Any) -> list[ContextValue]:
    """All values, whether they stand or not."""
    return [ContextValue(*row) for row in db.execute(f"SELECT {_COLUMNS} FROM context")]
