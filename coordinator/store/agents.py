"""Agents, their certificates and the tokens that are out, in `telemetry.db`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, fields
from typing import Any

from coordinator.store.rows import RowStatement
from coordinator.usecases.agent_store import (
    BootstrapToken,
    EnrolledAgent,
    IssuedCertificate,
    KnownAgents,
)

Entry = EnrolledAgent | IssuedCertificate | BootstrapToken
_TABLES: dict[type[Entry], str] = {
    EnrolledAgent: "agent",
    IssuedCertificate: "agent_certificate",
    BootstrapToken: "bootstrap_token",
}
_KINDS: dict[str, type] = {"str": str, "int": int, "float": float, "float | None": float}
_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in _TABLES}
_PUT = {
    kind: RowStatement(
        f"INSERT OR REPLACE INTO {table} ({', '.join(_NAMES[kind])})", len(_NAMES[kind])
    )
    for kind, table in _TABLES.items()
}


def migrate(db: Any) -> None:
    """Three tables, a row an agent, a certificate, a token; the first column is the key."""
    for kind, table in _TABLES.items():
        columns = {field.name: _KINDS[str(field.type)] for field in fields(kind)}
        db[table].create(columns, pk=_NAMES[kind][0])


def write(connection: sqlite3.Connection, entries: Sequence[Entry], forget_before_s: float) -> None:
    """Adds or replaces, and forgets what ended before then, in the caller's transaction."""
    for kind, statement in _PUT.items():
        rows = [astuple(entry) for entry in entries if type(entry) is kind]
        if rows:
            statement.run(connection, rows)
    for table in ("agent_certificate", "bootstrap_token"):
        connection.execute(f"DELETE FROM {table} WHERE valid_until_s < ?", [forget_before_s])


def read(db: Any) -> KnownAgents:
    """Everything."""

    def all_of(kind: Any) -> list[Any]:
        rows = db.execute(f"SELECT {', '.join(_NAMES[kind])} FROM {_TABLES[kind]} ORDER BY rowid")
        return [kind(*row) for row in rows]

    return KnownAgents(all_of(EnrolledAgent), all_of(IssuedCertificate), all_of(BootstrapToken))
