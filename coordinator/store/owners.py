"""Who speaks for a pile, in `telemetry.db`: spans that end, begin and are dropped, in one table."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from coordinator.core.ownership import ALWAYS_S, OwnerSpan


def migrate(db: Any) -> None:
    """Until now the first owner's time began when the coordinator first heard of the pile."""
    db.execute(
        "UPDATE agent_pile SET valid_from_s = ? WHERE valid_from_s ="
        " (SELECT min(other.valid_from_s) FROM agent_pile other"
        " WHERE other.pile_id = agent_pile.pile_id)",
        [ALWAYS_S],
    )


def write(connection: sqlite3.Connection, owners: Mapping[str, str], at_s: float) -> None:
    """Gives each pile to its agent from then on, to nobody if empty; inside a transaction."""
    for pile_id, agent_id in owners.items():
        connection.execute(
            "DELETE FROM agent_pile WHERE pile_id = ? AND valid_from_s >= ?", [pile_id, at_s]
        )
        connection.execute(
            "UPDATE agent_pile SET valid_to_s = ?"
            " WHERE pile_id = ? AND (valid_to_s IS NULL OR valid_to_s > ?)",
            [at_s, pile_id, at_s],
        )
        if agent_id:
            connection.execute(
                "INSERT INTO agent_pile (pile_id, agent_id, valid_from_s) VALUES (?, ?, ?)",
                [pile_id, agent_id, at_s],
            )


def read(db: Any) -> list[OwnerSpan]:
    """All spans, by pile and time."""
    rows = db.execute(
        "SELECT pile_id, agent_id, valid_from_s, valid_to_s FROM agent_pile"
        " ORDER BY pile_id, valid_from_s"
    )
    return [OwnerSpan(*row) for row in rows]
