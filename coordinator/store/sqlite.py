"""The telemetry store in one SQLite file, written by one thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from coordinator.core.pile import PlannedOutage, RetiredPile, Station, Tariff, User
from coordinator.core.pile_facts import Fact, FactSpan
from coordinator.core.ranges import Ranges
from coordinator.core.reliability.map_settings import MapState
from coordinator.errors import StoreUnavailable
from coordinator.store import agents, context, owners, pile_facts, requests, schema, sessions
from coordinator.store.database import open_reader
from coordinator.store.own_connection import MakeRoom
from coordinator.store.rows import RowStatement
from coordinator.store.sqlite_records import SqliteRecords
from coordinator.store.writer import Connection, Writer
from coordinator.usecases.agent_store import (
    BootstrapToken,
    EnrolledAgent,
    IssuedCertificate,
)
from coordinator.usecases.telemetry import (
    STATE_COLUMNS,
    Checkpoint,
    IngestGroup,
    Road,
    Snapshot,
    Spool,
    SpoolCount,
    StoredBatch,
)

T = TypeVar("T")

_STATE = tuple(name for name, _ in STATE_COLUMNS)

GUARDED = ("batch", "spool", "evse_state", "agent_pile")

_BATCH = RowStatement(
    "INSERT INTO batch (spool_id, first_seq, last_seq, record_count, received_at_ms, payload)", 6
)
_SPOOL = RowStatement(
    "INSERT INTO spool (spool_id, agent_id, settled, updated_at_ms)",
    4,
    "ON CONFLICT (spool_id) DO UPDATE SET"
    " settled = excluded.settled, updated_at_ms = excluded.updated_at_ms",
)
_GAP = RowStatement(
    "INSERT INTO gap (spool_id, first_seq, last_seq, reason, from_at_ms, to_at_ms)", 6
)
_REFUSAL = RowStatement(
    "INSERT INTO refusal (spool_id, record_seq, code, field, message, received_at_ms)", 6
)
_EVSE_STATE = RowStatement(f"INSERT OR REPLACE INTO evse_state ({', '.join(_STATE)})", len(_STATE))
_DOCUMENT = {
    name: RowStatement(f'INSERT OR REPLACE INTO "{name}" (key, body)', 2)
    for name in schema.DOCUMENTS
}

_TAIL = """
SELECT spool_id, first_seq, last_seq, received_at_ms, payload FROM batch
WHERE batch > coalesce((SELECT through_batch FROM checkpoint), 0) ORDER BY batch
"""

_COUNT_SPOOLS = """
SELECT spool_id, settled,
  (SELECT coalesce(sum(record_count), 0) FROM batch WHERE batch.spool_id = spool.spool_id),
  (SELECT coalesce(sum(last_seq - first_seq + 1), 0) FROM gap WHERE gap.spool_id = spool.spool_id),
  (SELECT count(*) FROM refusal WHERE refusal.spool_id = spool.spool_id)
FROM spool WHERE agent_id = ? ORDER BY spool_id
"""


class SqliteTelemetry(SqliteRecords):
    """`TelemetryStore` in `telemetry.db`; the caller owns the directory (`DirectoryLock`)."""

    def __init__(self, directory: Path, make_room: MakeRoom | None = None) -> None:
        """Opens or makes the file; raises `StoreTooNew` or `StoreUnavailable`."""
        self._path = directory / "telemetry.db"
        self._writer = Writer(self._path, schema.telemetry, guarded=GUARDED, make_room=make_room)

    def load(self) -> Snapshot:
        """Everything, before the first write."""
        db = self._writer.database
        try:
            return Snapshot(
                stations=_documents(db, "station", Station),
                tariffs=_documents(db, "tariff", Tariff),
                users=_documents(db, "user", User),
                roads=_documents(db, "road", Road),
                outages=_documents(db, "outage", PlannedOutage),
                retired=_documents(db, "retired", RetiredPile),
                owners=owners.read(db),
                agents=agents.read(db),
                spools={
                    spool_id: Spool(spool_id, agent_id, _ranges(settled))
                    for spool_id, agent_id, settled in db.execute(
                        "SELECT spool_id, agent_id, settled FROM spool"
                    )
                },
                states=db.execute(f"SELECT {', '.join(_STATE)} FROM evse_state").fetchall(),
                tail=[StoredBatch(*row) for row in db.execute(_TAIL)],
                sessions=sessions.taken_up(db),
                visits=sessions.visits(db),
                knowledge=next(iter(_documents(db, "knowledge", MapState)), MapState()),
                recent_requests=requests.recent(db),
                context=context.read(db),
            )
        except sqlite3.Error as error:
            raise StoreUnavailable(self._path.name, str(error)) from error

    async def commit(self, group: IngestGroup) -> None:
        """Stores a whole group in one transaction."""
        await self._writer.submit(lambda connection: _write(connection, group))

    async def settled(self, spool_ids: Sequence[str]) -> dict[str, Ranges]:
        """What is durable of these spools now, read by the connection that writes."""

        def run(connection: Connection) -> dict[str, Ranges]:
            query = "SELECT settled FROM spool WHERE spool_id = ?"
            found = ((at, connection.execute(query, (at,)).fetchone()) for at in spool_ids)
            return {at: _ranges(row[0]) for at, row in found if row is not None}

        return await self._writer.submit(run)

    async def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Stores states that hold every group whose commit was called for before."""
        await self._writer.submit(lambda connection: _write_checkpoint(connection, checkpoint))

    async def put_stations(self, stations: Sequence[Station]) -> None:
        """Adds or replaces stations."""
        await self._put("station", [(s.station_id, msgspec.json.encode(s)) for s in stations])

    async def put_tariffs(self, tariffs: Sequence[Tariff]) -> None:
        """Adds or replaces tariffs."""
        await self._put("tariff", [(t.tariff_id, msgspec.json.encode(t)) for t in tariffs])

    async def put_users(self, users: Sequence[User]) -> None:
        """Adds or replaces users."""
        await self._put("user", [(u.user_id, msgspec.json.encode(u)) for u in users])

    async def put_roads(self, roads: Sequence[Road], replace: bool) -> None:
        """Adds edges, or replaces all."""
        rows = [(f"{r.from_node}>{r.to_node}", msgspec.json.encode(r)) for r in roads]
        await self._put("road", rows, replace)

    async def put_outages(self, outages: Sequence[PlannedOutage]) -> None:
        """Replaces the planned outages."""
        rows = [(str(number), msgspec.json.encode(o)) for number, o in enumerate(outages)]
        await self._put("outage", rows, replace=True)

    async def put_knowledge(self, state: MapState) -> None:
        """Replaces what outlives a knowledge map."""
        await self._put("knowledge", [("map", msgspec.json.encode(state))], replace=True)

    async def put_retired(self, piles: Sequence[RetiredPile]) -> None:
        """Replaces the scrapped piles."""
        await self._put("retired", [(p.pile_id, msgspec.json.encode(p)) for p in piles], True)

    async def _put(
        self, table: str, rows: Sequence[tuple[str, bytes]], replace: bool = False
    ) -> None:
        def write(connection: Connection) -> None:
            if replace:
                connection.execute(f'DELETE FROM "{table}"')
            _DOCUMENT[table].run(connection, rows)

        await self._writer.submit(write)

    async def put_owners(self, owners_: Mapping[str, str], at_s: float) -> None:
        """Says which agent speaks for a pile from then on; the former's time ends."""
        await self._writer.submit(lambda connection: owners.write(connection, owners_, at_s))

    async def put_agents(
        self,
        agents_: Sequence[EnrolledAgent] = (),
        certificates: Sequence[IssuedCertificate] = (),
        tokens: Sequence[BootstrapToken] = (),
        *,
        forget_before_s: float = 0.0,
    ) -> None:
        """Adds or replaces; tokens and certificates that ended before then are forgotten."""
        entries: list[agents.Entry] = [*agents_, *certificates, *tokens]
        await self._writer.submit(lambda c: agents.write(c, entries, forget_before_s))

    async def put_facts(self, facts: Mapping[str, Mapping[str, Fact]], at_s: float) -> None:
        """Says what is known of piles from now on; facts that are no longer told end."""
        await self._writer.submit(lambda connection: pile_facts.write(connection, facts, at_s))

    async def list_facts(self, pile_id: str) -> list[FactSpan]:
        """The facts of a pile in the order in which they began to hold."""
        return await self._read(lambda db: pile_facts.read(db, pile_id))

    async def count_spools(self, agent_id: str) -> list[SpoolCount]:
        """What is stored of an agent, counted now."""
        rows = await self._read(lambda db: db.execute(_COUNT_SPOOLS, [agent_id]).fetchall())
        return [
            SpoolCount(spool_id, agent_id, _ranges(settled), records, gaps, refused)
            for spool_id, settled, records, gaps, refused in rows
        ]

    async def _read(self, query: Callable[[Any], T]) -> T:
        """The result of a query on a connection of its own, off the event loop."""

        def run() -> T:
            db = open_reader(self._path)
            try:
                return query(db)
            except sqlite3.Error as error:
                raise StoreUnavailable(self._path.name, str(error)) from error
            finally:
                db.conn.close()

        return await asyncio.to_thread(run)

    async def close(self) -> None:
        """Returns when everything is durable and the file is closed."""
        await self._writer.close()


def _write(connection: Connection, group: IngestGroup) -> None:
    """Everything of a group; runs on the writer's thread inside its transaction."""
    at_ms = group.received_at_ms
    _BATCH.run(
        connection,
        [
            (b.spool_id, b.first_seq, b.last_seq, b.record_count, b.received_at_ms, b.payload)
            for b in group.batches
        ],
    )
    _SPOOL.run(
        connection,
        [
            (spool.spool_id, spool.agent_id, _text(spool.settled), at_ms)
            for spool in group.spools.values()
        ],
    )
    if group.gaps:
        _GAP.run(
            connection,
            [
                (spool_id, gap.first, gap.last, gap.reason, gap.from_at_ms, gap.to_at_ms)
                for spool_id, gap in group.gaps
            ],
        )
    if group.refusals:
        _REFUSAL.run(
            connection,
            [
                (spool_id, r.record_seq, r.code, r.field, r.message, at_ms)
                for spool_id, r in group.refusals
            ],
        )


def _write_checkpoint(connection: Connection, checkpoint: Checkpoint) -> None:
    """The states, and up to which batch they go; runs on the writer's thread after the groups."""
    _EVSE_STATE.run(connection, checkpoint.states())
    connection.execute(
        "INSERT OR REPLACE INTO checkpoint (checkpoint, through_batch)"
        " SELECT 1, coalesce(max(batch), 0) FROM batch"
    )
    sessions.write(connection, checkpoint.sessions)


def _documents(db: Any, table: str, kind: type[T]) -> list[T]:
    decoder = msgspec.json.Decoder(kind)
    rows = db.execute(f'SELECT body FROM "{table}" ORDER BY rowid')
    return [decoder.decode(body) for (body,) in rows]


def _text(settled: Ranges) -> str:
    return " ".join(f"{first}-{last}" for first, last in settled.runs())


def _ranges(text: str) -> Ranges:
    runs = (run.split("-") for run in text.split())
    return Ranges((int(first), int(last)) for first, last in runs)
