"""The history of pile facts in `telemetry.db`: spans that begin and end, never change."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from coordinator.core.pile_facts import Fact, FactSpan, changed

_COLUMNS = "field, value, source, valid_from_s, valid_to_s"


def write(
    connection: sqlite3.Connection, facts: Mapping[str, Mapping[str, Fact]], at_s: float
) -> None:
    """Ends what no longer holds and begins what is new, in the caller's transaction."""
    for pile_id, told in facts.items():
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM pile_fact WHERE pile_id = ? AND valid_to_s IS NULL", [pile_id]
        )
        present = {row[0]: FactSpan(*row) for row in rows}
        ended, begun = changed(present, told)
        connection.executemany(
            "UPDATE pile_fact SET valid_to_s = ?"
            " WHERE pile_id = ? AND field = ? AND valid_to_s IS NULL",
            [(at_s, pile_id, field) for field in ended],
        )
        connection.executemany(
            "INSERT INTO pile_fact (pile_id, field, value, source, valid_from_s)"
            " VALUES (?, ?, ?, ?, ?)",
            [(pile_id, field, *told[field], at_s) for field in begun],
        )


def read(db: Any, pile_id: str) -> list[FactSpan]:
    """The facts of a pile in the order in which they began to hold."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM pile_fact WHERE pile_id = ? ORDER BY rowid", [pile_id]
    )
    return [FactSpan(*row) for row in rows]
