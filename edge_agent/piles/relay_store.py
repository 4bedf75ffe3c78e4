"""What the relay must not forget: messages on their way up, transaction ids, boots, verdicts.

One database with one writing connection on one thread, WAL and FULL like the spool; a method
returns after its commit. What the messages mean belongs to `core/ocpp_relay.py`, how many may wait
to `relay_room.py`.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from edge_agent.core.ocpp_relay import Kind
from edge_agent.errors import QueueFull
from edge_agent.piles.relay_room import ROOM_BYTES, Room
from edge_agent.piles.relay_schema import DATABASE, open_database

T = TypeVar("T")
# Delivered messages whose keys are kept per pile, to know a pile's repetitions.
KEPT: Final = 2000
TOKENS_KEPT: Final = 5000


@dataclass(frozen=True, slots=True)
class Queued:
    """One message on its way up; `local_id` is the transaction id that we gave a start."""

    seq: int
    message_id: str
    action: str
    payload: dict[str, Any]
    local_id: int | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class Fresh:
    """A message to keep; `key` is the same for its repetitions."""

    identity: str
    key: str
    message_id: str
    action: str
    payload: dict[str, Any]
    kind: Kind
    local_id: int | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What of a pile waits; `oldest_at_ms` is 0 where nothing does."""

    messages: int
    size_bytes: int
    oldest_at_ms: int


class RelayStore:
    """The database of all relays of one agent; raises `sqlite3.Error` where nothing was kept.

    `now_ms` stamps what comes in; `given_up` counts what the room did not hold, by pile and kind.
    """

    def __init__(
        self, folder: Path, now_ms: Callable[[], int], room_bytes: int = ROOM_BYTES
    ) -> None:
        self.given_up: Counter[tuple[str, Kind]] = Counter()
        self._path = folder / DATABASE
        self._now_ms = now_ms
        self._room_bytes = room_bytes
        self._thread = ThreadPoolExecutor(1, "edge_agent:relay")
        self._conn: sqlite3.Connection | None = None
        self._room: Room | None = None

    async def put(self, fresh: Fresh) -> tuple[int, bool] | None:
        """Number of the message and whether it is the only one waiting; None for a repetition.

        None also for a sample or notice that the room does not hold: it is given up and counted.
        Raises `QueueFull` where a message may not be given up: the pile has to keep it.
        """
        at_ms = self._now_ms()
        placed, fits, lost = await self._run(lambda conn: self._place(conn, fresh, at_ms))
        self.given_up.update(lost)
        if fits:
            return placed
        if fresh.kind is Kind.TRANSACTION:
            raise QueueFull(f"{fresh.identity}: the queue to the operator's system is full")
        self.given_up[fresh.identity, fresh.kind] += 1
        return None

    def _place(
        self, conn: sqlite3.Connection, fresh: Fresh, at_ms: int
    ) -> tuple[tuple[int, bool] | None, bool, Counter[tuple[str, Kind]]]:
        assert self._room is not None  # opened with the connection
        known = "SELECT 1 FROM message WHERE identity=? AND key=?"
        if conn.execute(known, (fresh.identity, fresh.key)).fetchone():
            return None, True, Counter()
        text = json.dumps(fresh.payload, separators=(",", ":"))
        fits, lost = self._room.make(conn, fresh.kind, len(text))
        if not fits:
            return None, False, lost
        added = conn.execute(
            "INSERT INTO message(identity, key, message_id, action, payload, local_id, kind, at_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                fresh.identity,
                fresh.key,
                fresh.message_id,
                fresh.action,
                text,
                fresh.local_id,
                int(fresh.kind),
                at_ms,
            ),
        )
        self._room.add(fresh.identity, fresh.kind, len(text))
        if fresh.local_id is not None:
            conn.execute(
                "INSERT INTO number(identity, local_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (fresh.identity, fresh.local_id),
            )
        alone = self._room.count(fresh.identity) == 1
        return (int(added.lastrowid or 0), alone), True, lost

    async def head(self, identity: str) -> Queued | None:
        """The oldest message that waits."""

        def work(conn: sqlite3.Connection) -> Queued | None:
            row = conn.execute(
                "SELECT seq, message_id, action, payload, local_id, kind FROM message"
                " WHERE identity=? AND payload IS NOT NULL ORDER BY seq LIMIT 1",
                (identity,),
            ).fetchone()
            if row is None:
                return None
            seq, message_id, action, payload, local_id, kind = row
            return Queued(seq, message_id, action, json.loads(payload), local_id, Kind(kind))

        return await self._run(work)

    async def settle(self, identity: str, message: Queued, upstream_id: int | None = None) -> None:
        """Takes that a message was answered, a start with the operator's transaction id."""

        def work(conn: sqlite3.Connection) -> None:
            assert self._room is not None  # opened with the connection
            size = conn.execute(
                "SELECT length(CAST(payload AS BLOB)) FROM message WHERE seq=?", (message.seq,)
            ).fetchone()
            # It may have been given up while it was on its way.
            if size is not None and size[0] is not None:
                self._room.add(identity, message.kind, -size[0], -1)
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

    async def waiting(self, identity: str) -> Waiting:
        """What of a pile waits."""

        def work(conn: sqlite3.Connection) -> Waiting:
            assert self._room is not None  # opened with the connection
            row = conn.execute(
                "SELECT at_ms FROM message WHERE identity=? AND payload IS NOT NULL"
                " ORDER BY seq LIMIT 1",
                (identity,),
            ).fetchone()
            size = sum(self._room.size_bytes[identity, kind] for kind in Kind)
            return Waiting(self._room.count(identity), size, 0 if row is None else int(row[0]))

        return await self._run(work)

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
        statement = "INSERT OR REPLACE INTO boot(identity, payload, told) VALUES (?, ?, 0)"
        await self._run(lambda conn: conn.execute(statement, (identity, text)))

    async def boot_told(self, identity: str) -> None:
        """Takes that the operator's system accepted the newest BootNotification of a pile."""
        statement = "UPDATE boot SET told=1 WHERE identity=? AND told=0"
        await self._run(lambda conn: conn.execute(statement, (identity,)))

    async def boot(self, identity: str) -> tuple[dict[str, Any], bool] | None:
        """The newest BootNotification of a pile, and whether the operator's system accepted it."""
        row = await self._run(
            lambda conn: conn.execute(
                "SELECT payload, told FROM boot WHERE identity=?", (identity,)
            ).fetchone()
        )
        return None if row is None else (dict(json.loads(row[0])), bool(row[1]))

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
            self._conn = open_database(self._path)
            self._room = Room(self._conn, self._room_bytes)
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
