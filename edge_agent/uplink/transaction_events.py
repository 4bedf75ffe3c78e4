"""OCPP 2.0.1 transactions in the spool database: which of their messages were taken already.

Transactions of OCPP 1.6, which get their numbers here, are in `memory.py`. Functions on an open
`SpoolFile`, to be run on its thread.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from edge_agent.core.ocpp_transaction import Known
from edge_agent.core.ranges import Runs, covers, normalise
from edge_agent.core.reading import Record
from edge_agent.uplink.spool_file import SpoolFile

# Ended transactions of a pile that are remembered: stations repeat the newest ones only.
REMEMBERED: Final = 500
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS ocpp_event(pile_id TEXT NOT NULL, transaction_id TEXT NOT NULL,"
    " evse_id TEXT NOT NULL, session_id TEXT NOT NULL, seen TEXT NOT NULL, ended INTEGER NOT NULL,"
    " PRIMARY KEY (pile_id, transaction_id))"
)


def look_up(file: SpoolFile, pile_id: str, transaction_id: str, seq_no: int) -> Known | None:
    """What is known of a transaction and of this message of it; None for a fresh transaction."""
    found = _row(file.connection, pile_id, transaction_id)
    if found is None:
        return None
    evse_id, session_id, seen, ended = found
    return Known(evse_id, session_id, covers(seen, seq_no, seq_no), ended)


def take_event(
    file: SpoolFile,
    pile_id: str,
    transaction_id: str,
    seq_no: int,
    known: Known,
    records: Sequence[Record],
) -> None:
    """Commits the records of one message, and that it was taken, at once.

    A message that was taken before (by another connection of the station) changes nothing.
    """
    file.need_disk()
    found = _row(file.connection, pile_id, transaction_id)
    seen: Runs = () if found is None else found[2]
    if covers(seen, seq_no, seq_no):
        return
    runs = json.dumps(normalise([*seen, (seq_no, seq_no)]))

    def note(conn: sqlite3.Connection) -> None:
        conn.execute(
            "INSERT OR REPLACE INTO ocpp_event VALUES (?, ?, ?, ?, ?, ?)",
            (pile_id, transaction_id, known.evse_id, known.session_id, runs, int(known.ended)),
        )
        if known.ended:
            _forget(conn, pile_id)

    file.append(records, also=note)


def _row(
    conn: sqlite3.Connection, pile_id: str, transaction_id: str
) -> tuple[str, str, Runs, bool] | None:
    conn.execute(_TABLE)
    row = conn.execute(
        "SELECT evse_id, session_id, seen, ended FROM ocpp_event"
        " WHERE pile_id=? AND transaction_id=?",
        (pile_id, transaction_id),
    ).fetchone()
    if row is None:
        return None
    evse_id, session_id, seen, ended = row
    return (
        evse_id,
        session_id,
        tuple((first, last) for first, last in json.loads(seen)),
        bool(ended),
    )


def _forget(conn: sqlite3.Connection, pile_id: str) -> None:
    conn.execute(
        "DELETE FROM ocpp_event WHERE pile_id=? AND ended=1 AND rowid <= ("
        "SELECT rowid FROM ocpp_event WHERE pile_id=? AND ended=1"
        " ORDER BY rowid DESC LIMIT 1 OFFSET ?)",
        (pile_id, pile_id, REMEMBERED),
    )
