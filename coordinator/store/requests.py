"""The table of requests in `telemetry.db`: one compressed row a request, for a month."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from coordinator.store.rows import RowStatement
from coordinator.usecases.requests import NAN, StoredRequest

RECENT = 20_000  # requests whose answers are found by their id after a restart
FORGET_AT_ONCE = 500

_NAMES = tuple(field.name for field in fields(StoredRequest))
_COLUMNS = ", ".join(_NAMES)
# Unknown numbers are NULL in the file.
_NUMBERS = frozenset(field.name for field in fields(StoredRequest) if field.type == "float")
_INSERT = RowStatement(f"INSERT OR REPLACE INTO request ({_COLUMNS})", len(_NAMES))
_KINDS: dict[str, type] = {"str": str, "float": float, "int": int, "bytes": bytes}


def migrate(db: Any) -> None:
    """Requests with the heads of their answers, and all of it in one blob."""
    kinds = {field.name: _KINDS[str(field.type)] for field in fields(StoredRequest)}
    db["request"].create(kinds, pk="request_id")
    db["request"].create_index(["recommendation_id"])
    db["request"].create_index(["at_s"])
    db["request"].create_index(["user_id", "at_s"])


def write(connection: sqlite3.Connection, requests: Iterable[StoredRequest]) -> None:
    """Adds or replaces requests, in the caller's transaction."""
    _INSERT.run(connection, [tuple(getattr(r, name) for name in _NAMES) for r in requests])


def of(db: Any, recommendation_id: str) -> StoredRequest | None:
    """The request that this recommendation answered."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM request WHERE recommendation_id = ? LIMIT 1", [recommendation_id]
    )
    return next(iter(_read(rows)), None)


def read(db: Any, since_s: float, user_id: str) -> list[StoredRequest]:
    """Requests since then, oldest first; of this user where one is named."""
    named, values = ("AND user_id = ?", [user_id]) if user_id else ("", [])
    return _read(
        db.execute(
            f"SELECT {_COLUMNS} FROM request WHERE at_s >= ? {named} ORDER BY at_s, request_id",
            [since_s, *values],
        )
    )


def where(db: Any, condition: str, values: Sequence[Any]) -> list[StoredRequest]:
    """Requests of which a condition holds, oldest first."""
    return _read(
        db.execute(f"SELECT {_COLUMNS} FROM request WHERE {condition} ORDER BY at_s", list(values))
    )


def recent(db: Any) -> dict[str, str]:
    """The newest requests to their recommendations."""
    rows = db.execute(
        "SELECT request_id, recommendation_id FROM request WHERE recommendation_id <> ''"
        " ORDER BY at_s DESC LIMIT ?",
        [RECENT],
    )
    return dict(rows)


def forget(connection: sqlite3.Connection, before_s: float) -> int:
    """Removes a few of the requests older than that; gives how many."""
    return connection.execute(
        "DELETE FROM request WHERE request_id IN"
        " (SELECT request_id FROM request WHERE at_s < ? LIMIT ?)",
        [before_s, FORGET_AT_ONCE],
    ).rowcount


def _read(rows: Iterable[Sequence[Any]]) -> list[StoredRequest]:
    found = []
    for row in rows:
        values = dict(zip(_NAMES, row, strict=True))
        values.update({name: NAN for name in _NUMBERS if values[name] is None})
        found.append(StoredRequest(**values))
    return found
