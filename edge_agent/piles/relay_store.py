"""What the relay must not forget: queued transaction messages, transaction ids, boots, verdicts.

One database with one writing connection on one thread, WAL and FULL like the spool; a method
returns after its commit. What the messages mean belongs to `core/ocpp_relay.py`.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

T = TypeVar("T")
log: Final = structlog.get_logger("edge_agent.relay")
DATABASE: Final = "relay.db"
# Delivered messages whose keys are kept per pile, to know a pile's repetitions.
KEPT: Final = 2000
TOKENS_KEPT: Final = 5000

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS message(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, identity TEXT NOT NULL, key TEXT NOT NULL,
  message_id TEXT NOT NULL, action TEXT NOT NULL, payload TEXT, local_id INTEGER,
  UNIQUE(identity, key));
CREATE INDEX IF NOT EXISTS waiting ON message(identity, seq) WHERE payload IS NOT NULL;
CREATE INDEX IF NOT EXISTS settled ON message(identity, seq) WHERE payload IS NULL;
CREATE TABLE IF NOT EXISTS number(
  identity TEXT NOT NULL, local_id INTEGER NOT NULL, upstream_id INTEGER,
  PRIMARY KEY(identity, local_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS upstream ON number(identity, upstream_id);
CREATE TABLE IF NOT EXISTS boot(identity TEXT PRIMARY KEY, payload TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS verdict(
  token TEXT PRIMARY KEY, until_ms INTEGER, at_ms INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Queued:
    """One message on its way up; `local_id` is the transaction id that we gave a start."""

    seq: int
    message_id: str
    action: str
    payload: dict[str, Any]
    local_id: int | None


class RelayStore:
    """The database of all relays of one agent; raises `sqlite3.Error` where nothing was kept."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / DATABASE
        self._thread = ThreadPoolExecutor(1, "edge_agent:relay")
        self._conn: sqlite3.Connection | None = None

    async def put(
        self,
        identity: str,
        key: str,
        message_id: str,
        action: str,
        payload: dict[str, Any],
        local_id: int | None,
    ) -> tuple[int, bool] | None:
        """Number of the message and whether it is the only one waiting; None for a repetition."""

        def work(conn: sqlite3.Connection) -> tuple[int, bool] | None:
            text = json.dumps(payload, separators=(",", ":"))
            added = conn.execute(
                "INSERT INTO message(identity, key, message_id, action, payload, local_id)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (identity, key, message_id, action, text, local_id),
            )
            if added.rowcount == 0:
                return None
            if local_id is not None:
                conn.execute(
                    "INSERT INTO number(identity, local_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    (identity, local_id),
                )
            first = conn.execute(
                "SELECT min(seq) FROM message WHERE identity=? AND payload IS NOT NULL", (identity,)
            ).fetchone()[0]
            return int(added.lastrowid or 0), first == added.lastrowid

        return await self._run(work)

    async def head(self, identity: str) -> Queued | None:
        """The oldest message that waits."""

        def work(conn: sqlite3.Connection) -> Queued | None:
            row = conn.execute(
                "SELECT seq, message_id, action, payload, local_id FROM message"
                " WHERE identity=? AND payload IS NOT NULL ORDER BY seq LIMIT 1",
                (identity,),
            ).fetchone()
            if row is None:
                return None
            seq, message_id, action, payload, local_id = row
            return Queued(seq, message_id, action, json.loads(payload), local_id)

        return await self._run(work)

    async def settle(self, identity: str, message: Queued, upstream_id: int | None = None) -> None:
        """Takes that a message was answered, a start with the operator's transaction id."""

        def work(conn: sqlite3.Connection) -> None:
            conn.execute("UPDATE message SET payload=NULL WHERE seq=?", (message.seq,))
            if message.local_id is not None and upstream_id is not None:
                conn.execute(
                    "UPDATE number SET upstream_id=? WHERE identity=? AND local_id=?",
                    (upstream_id, identity, message.local_id),
                )
            conn.execute(
                "DELETE FROM message WHERE identity=? AND payload IS NULL AND seq <= ("
                " SELECT seq FROM message WHERE identity=? AND payload IS NULL"
                " ORDER BY seq DESC LIMIT 1 OFFSET ?)",
                (identity, identity, KEPT),
            )

        await self._run(work)

    async def depth(self, identity: str) -> int:
        """How many messages wait."""
        return await self._run(
            lambda conn: int(
                conn.execute(
                    "SELECT count(*) FROM message WHERE identity=? AND payload IS NOT NULL",
                    (identity,),
                ).fetchone()[0]
            )
        )

    async def upstream_number(self, identity: str, local_id: int) -> tuple[bool, int | None]:
        """Whether we gave that transaction id, and the operator's for it, None if not yet known."""
        row = await self._run(
            lambda conn: conn.execute(
                "SELECT upstream_id FROM number WHERE identity=? AND local_id=?",
                (identity, local_id),
            ).fetchone()
        )
        return row is not None, None if row is None else row[0]

    async def local_number(self, identity: str, upstream_id: int) -> int | None:
        """Our id for the newest transaction that the operator's system calls so."""
        row = await self._run(
            lambda conn: conn.execute(
                "SELECT max(local_id) FROM number WHERE identity=? AND upstream_id=?",
                (identity, upstream_id),
            ).fetchone()
        )
        return None if row[0] is None else int(row[0])

    async def keep_boot(self, identity: str, payload: dict[str, Any]) -> None:
        """Keeps a BootNotification, to be said again upstream."""
        text = json.dumps(payload, separators=(",", ":"))
        await self._run(
            lambda conn: conn.execute("INSERT OR REPLACE INTO boot VALUES (?, ?)", (identity, text))
        )

    async def boot(self, identity: str) -> dict[str, Any] | None:
        """The newest BootNotification of a pile."""
        row = await self._run(
            lambda conn: conn.execute(
                "SELECT payload FROM boot WHERE identity=?", (identity,)
            ).fetchone()
        )
        return None if row is None else dict(json.loads(row[0]))

    async def keep_verdict(
        self, token: str, accepted: bool, until_ms: int | None, at_ms: int
    ) -> None:
        """Keeps, by its hash, that the operator's system accepts a token, or no longer does."""

        def work(conn: sqlite3.Connection) -> None:
            if not accepted:
                conn.execute("DELETE FROM verdict WHERE token=?", (token,))
                return
            row = (token, until_ms, at_ms)
            conn.execute("INSERT OR REPLACE INTO verdict VALUES (?, ?, ?)", row)
            conn.execute(
                "DELETE FROM verdict WHERE at_ms < ("
                " SELECT at_ms FROM verdict ORDER BY at_ms DESC LIMIT 1 OFFSET ?)",
                (TOKENS_KEPT,),
            )

        await self._run(work)

    async def accepted(self, token: str, now_ms: int) -> bool:
        """Whether a token, by its hash, was accepted and that has not run out."""
        row = await self._run(
            lambda conn: conn.execute(
                "SELECT until_ms FROM verdict WHERE token=?", (token,)
            ).fetchone()
        )
        return row is not None and (row[0] is None or row[0] > now_ms)

    async def close(self) -> None:
        """Closes the database after everything put before; a later call opens it again."""

        def work() -> None:
            if self._conn is not None:
                self._conn.close()
                self._conn = None

        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, work)

    def _commit(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._conn is None:
            self._conn = _open(self._path)
        conn = self._conn
        try:
            conn.execute("BEGIN IMMEDIATE")
            result = work(conn)
            conn.execute("COMMIT")
        except BaseException:
            # After an I/O error only a fresh connection knows what is on the disk.
            conn.close()
            self._conn = None
            raise
        return result


def _open(path: Path) -> sqlite3.Connection:
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
        conn.executescript(_SCHEMA)
    except BaseException:
        conn.close()
        raise
    return conn
