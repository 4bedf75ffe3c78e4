"""The table of sessions in `telemetry.db`: written whole, read by driver, by car, or all."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from coordinator.core.sessions import NAN, ChargeSession, Visits
from coordinator.store.rows import RowStatement

KEPT_S = 30 * 86_400.0  # sessions of known drivers that a start takes up, before the newest

_NAMES = tuple(field.name for field in fields(ChargeSession))
_COLUMNS = ", ".join(_NAMES)
# Unknown numbers are NULL in the file.
_NUMBERS = frozenset(field.name for field in fields(ChargeSession) if field.type == "float")
_INSERT = RowStatement(f"INSERT OR REPLACE INTO session ({_COLUMNS})", len(_NAMES))

_TAKEN_UP = f"""
SELECT {_COLUMNS} FROM session
WHERE ended_at_s IS NULL OR ((user_id <> '' OR vehicle_id <> '')
  AND started_at_s >= (SELECT max(started_at_s) FROM session) - ?)
ORDER BY started_at_s
"""
_VISITS = """
SELECT user_id, station_id, count(*) FROM session
WHERE user_id <> '' AND station_id <> '' GROUP BY user_id, station_id
"""


def migrate(db: Any) -> None:
    """Adds to the measured columns whose session it was, what it met and what it cost."""
    table = db["session"]
    for name in ("station_id", "vehicle_id", "user_id", "currency", "recommendation_id"):
        table.add_column(name, str, not_null_default="")
    table.add_column("id_token_hash", str, not_null_default="")
    table.add_column("source", str, not_null_default="readings")
    table.add_column("queue_length", int)
    table.add_column("wait_s", float)
    table.add_column("price", float)
    table.create_index(["user_id", "started_at_s"])
    table.create_index(["vehicle_id", "started_at_s"])
    table.create_index(["started_at_s"])


def add_promises(db: Any) -> None:
    """Since when a car was on its way to its session."""
    db["session"].add_column("promised_at_s", float)


def write(connection: sqlite3.Connection, sessions: Iterable[ChargeSession]) -> None:
    """Adds or replaces sessions, in the caller's transaction."""
    _INSERT.run(connection, [tuple(getattr(s, name) for name in _NAMES) for s in sessions])


def taken_up(db: Any) -> list[ChargeSession]:
    """Sessions under way, and those of known drivers in the 30 days before the newest."""
    return _read(db.execute(_TAKEN_UP, [KEPT_S]))


def visits(db: Any) -> Visits:
    """How often each user charged at each station, in all of the table."""
    counts: Visits = {}
    for user_id, station_id, count in db.execute(_VISITS):
        counts.setdefault(user_id, Counter())[station_id] = count
    return counts


def read(db: Any, since_s: float, user_id: str, vehicle_id: str) -> list[ChargeSession]:
    """Sessions begun since then, oldest first; of this user and car where they are named."""
    where: list[str] = ["started_at_s >= ?"]
    values: list[Any] = [since_s]
    for column, value in (("user_id", user_id), ("vehicle_id", vehicle_id)):
        if value:
            where.append(f"{column} = ?")
            values.append(value)
    return _read(
        db.execute(
            f"SELECT {_COLUMNS} FROM session WHERE {' AND '.join(where)}"
            " ORDER BY started_at_s, evse_id",
            values,
        )
    )


def _read(rows: Iterable[Sequence[Any]]) -> list[ChargeSession]:
    found = []
    for row in rows:
        values = dict(zip(_NAMES, row, strict=True))
        values.update({name: NAN for name in _NUMBERS if values[name] is None})
        values["ended_by_fault"] = bool(values["ended_by_fault"])
        found.append(ChargeSession(**values))
    return found
