"""The relay's database: its tables, how it is opened, and what becomes of a damaged one.

What is written into it belongs to `relay_store.py`.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

import structlog

log: Final = structlog.get_logger("edge_agent.relay")
DATABASE: Final = "relay.db"
SCHEMA: Final = 2

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS message(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, identity TEXT NOT NULL, key TEXT NOT NULL,
  message_id TEXT NOT NULL, action TEXT NOT NULL, payload TEXT, local_id INTEGER,
  kind INTEGER NOT NULL DEFAULT 0, at_ms INTEGER NOT NULL DEFAULT 0,
  UNIQUE(identity, key));
CREATE INDEX IF NOT EXISTS waiting ON message(identity, seq) WHERE payload IS NOT NULL;
CREATE INDEX IF NOT EXISTS settled ON message(identity, seq) WHERE payload IS NULL;
CREATE TABLE IF NOT EXISTS number(
  identity TEXT NOT NULL, local_id INTEGER NOT NULL, upstream_id INTEGER,
  PRIMARY KEY(identity, local_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS upstream ON number(identity, upstream_id);
CREATE TABLE IF NOT EXISTS boot(
  identity TEXT PRIMARY KEY, payload TEXT NOT NULL, told INTEGER NOT NULL DEFAULT 1) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS verdict(
  token TEXT PRIMARY KEY, until_ms INTEGER, at_ms INTEGER NOT NULL) WITHOUT ROWID;
"""
# Columns that a database of schema 1 lacks.
_ADDED: Final = (
    ("message", "kind INTEGER NOT NULL DEFAULT 0"),
    ("message", "at_ms INTEGER NOT NULL DEFAULT 0"),
    ("boot", "told INTEGER NOT NULL DEFAULT 1"),
)


def open_database(path: Path) -> sqlite3.Connection:
    """The database, made or brought up to date; a damaged one is put aside and a new one made.

    Raises `sqlite3.OperationalError` for one that a newer agent wrote, or that cannot be opened.
    """
    try:
        return _connect(path)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        aside = next(
            name
            for number in range(1, 10_000)
            if not (name := path.with_name(f"{path.name}.damaged-{number}")).exists()
        )
        log.error("relay database is damaged and was put aside", error=str(error), file=aside.name)
        for suffix in ("-wal", "-shm", ""):
            side = path.with_name(path.name + suffix)
            if side.exists():
                side.rename(aside.with_name(aside.name + suffix))
        return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    conn = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
    try:
        conn.execute("PRAGMA journal_mode=WAL")
        # FULL: with NORMAL a power cut loses what the pile was already told is safe.
        conn.execute("PRAGMA synchronous=FULL")
        _bring_up_to_date(conn, path)
    except BaseException:
        conn.close()
        raise
    return conn


def _bring_up_to_date(conn: sqlite3.Connection, path: Path) -> None:
    found = int(conn.execute("PRAGMA user_version").fetchone()[0])
    if found > SCHEMA:
        why = f"{path.name} has schema {found}, this agent knows {SCHEMA}: install the newer agent"
        raise sqlite3.OperationalError(why)
    if found == SCHEMA:
        return
    conn.execute("BEGIN IMMEDIATE")
    if conn.execute("SELECT 1 FROM sqlite_master WHERE name='message'").fetchone():
        for table, column in _ADDED:
            conn.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    for statement in _TABLES.split(";"):
        conn.execute(statement)
    conn.execute(f"PRAGMA user_version={SCHEMA}")
    conn.execute("COMMIT")
