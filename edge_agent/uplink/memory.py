"""What the spool database remembers beside records: fences, open sessions, OCPP transactions.

Functions on an open `SpoolFile`, to be run on its thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Final

from edge_agent.core.energy_register import Carried, EnergyRegister
from edge_agent.core.reading import Record, RecordKind
from edge_agent.uplink.spool_file import SpoolFile

# Registers of piles that have one of their own: what is told of it, and what it says itself.
_REGISTERS: Final = (
    "CREATE TABLE IF NOT EXISTS register("
    "evse_id TEXT PRIMARY KEY, energy_kwh REAL NOT NULL, own_energy_kwh REAL NOT NULL)"
)


def fence_floors(file: SpoolFile) -> dict[str, int]:
    """The highest fence seen for each EVSE."""
    return dict(file.connection.execute("SELECT evse_id, fence FROM fence").fetchall())


def raise_fence(file: SpoolFile, evse_id: str, fence: int) -> bool:
    """Remembers a fence; False, and nothing changed, where a higher one was seen before."""
    floor = fence_floors(file).get(evse_id, 0)
    if fence > floor:
        with file.transaction():
            file.connection.execute("INSERT OR REPLACE INTO fence VALUES (?, ?)", (evse_id, fence))
    return fence >= floor


def carried(file: SpoolFile) -> dict[str, Carried]:
    """Open session and energy register of each EVSE, as of the last commit."""
    rows = file.connection.execute(
        "SELECT evse_id, session_id, energy_kwh, session_energy_kwh FROM carried"
    )
    found = {
        evse_id: Carried(session_id, EnergyRegister(total - session, session))
        for evse_id, session_id, total, session in rows
    }
    if file.connection.execute("SELECT 1 FROM sqlite_master WHERE name='register'").fetchone():
        for evse_id, total, own in file.connection.execute("SELECT * FROM register"):
            session_id = found[evse_id].session_id if evse_id in found else ""
            found[evse_id] = Carried(session_id, EnergyRegister(total - own, own, total=True))
    return found


def carry(conn: sqlite3.Connection, records: Iterable[Record]) -> None:
    """Updates what is carried from records that are being committed."""
    registers: dict[str, tuple[str, float, float]] = {}
    for record in records:
        values = record.values
        if values.energy_kwh is not None and record.own_energy_kwh is not None:
            row = (record.evse_id, values.energy_kwh, record.own_energy_kwh)
            registers[record.evse_id] = row
        elif values.energy_kwh is not None and values.session_energy_kwh is not None:
            _carry(
                conn,
                record.evse_id,
                "energy_kwh=excluded.energy_kwh, session_energy_kwh=excluded.session_energy_kwh",
                ("", values.energy_kwh, values.session_energy_kwh),
            )
        if record.kind in (RecordKind.SESSION_START, RecordKind.SESSION_END):
            started = record.kind is RecordKind.SESSION_START and record.detail is not None
            session_id = record.detail.session_id if started and record.detail else ""
            _carry(conn, record.evse_id, "session_id=excluded.session_id", (session_id, 0.0, 0.0))
    if registers:
        conn.execute(_REGISTERS)
        conn.executemany("INSERT OR REPLACE INTO register VALUES (?, ?, ?)", registers.values())


def begin_transaction(file: SpoolFile, pile_id: str, start_key: str, record: Record) -> int:
    """Commits the start of an OCPP transaction and its record; gives back the transaction id.

    The same pile and key again give the same id and no second record.
    """
    query = "SELECT transaction_id FROM ocpp_transaction WHERE pile_id=? AND start_key=?"
    row = file.connection.execute(query, (pile_id, start_key)).fetchone()
    if row is not None:
        return int(row[0])
    file.need_disk()
    session_id = record.detail.session_id if record.detail else ""
    insert = (
        "INSERT INTO ocpp_transaction(pile_id, start_key, evse_id, session_id, stopped)"
        " VALUES (?, ?, ?, ?, 0)"
    )
    statement = _statement(insert, pile_id, start_key, record.evse_id, session_id)
    file.append([record], also=statement)
    return int(file.connection.execute(query, (pile_id, start_key)).fetchone()[0])


def end_transaction(
    file: SpoolFile,
    pile_id: str,
    transaction_id: int,
    record_of: Callable[[str, str], Record],
) -> bool:
    """Commits the end of a transaction; False where that was committed before.

    `record_of` makes the record from the EVSE and the session's id, both "" for a transaction
    that this agent never saw begin.
    """
    file.need_disk()
    conn = file.connection
    row = conn.execute(
        "SELECT evse_id, session_id, stopped FROM ocpp_transaction"
        " WHERE pile_id=? AND transaction_id=?",
        (pile_id, transaction_id),
    ).fetchone()
    if row is not None:
        if row[2]:
            return False
        update = "UPDATE ocpp_transaction SET stopped=1 WHERE transaction_id=?"
        file.append([record_of(row[0], row[1])], also=_statement(update, transaction_id))
        return True
    # A late stop of a transaction that another system began: remembered, so that it counts once.
    key = f"stop-{transaction_id}"
    known = "SELECT 1 FROM ocpp_transaction WHERE pile_id=? AND start_key=?"
    if conn.execute(known, (pile_id, key)).fetchone():
        return False
    insert = (
        "INSERT INTO ocpp_transaction(pile_id, start_key, evse_id, session_id, stopped)"
        " VALUES (?, ?, '', '', 1)"
    )
    file.append([record_of("", "")], also=_statement(insert, pile_id, key))
    return True


def _statement(sql: str, *values: str | int) -> Callable[[sqlite3.Connection], None]:
    def run(conn: sqlite3.Connection) -> None:
        conn.execute(sql, values)

    return run


def _carry(
    conn: sqlite3.Connection, evse_id: str, update: str, values: tuple[str, float, float]
) -> None:
    conn.execute(
        "INSERT INTO carried(evse_id, session_id, energy_kwh, session_energy_kwh)"
        f" VALUES (?, ?, ?, ?) ON CONFLICT(evse_id) DO UPDATE SET {update}",
        (evse_id, *values),
    )
