"""A small real EdgeService that acks only what lies in SQLite, and can be killed and restarted."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import types_pb2 as types
from pilewise.v1.edge_service_pb2_grpc import (
    EdgeServiceServicer,
    add_EdgeServiceServicer_to_server,
)

Runs = list[tuple[int, int]]


@dataclass
class DurableEdgeService(EdgeServiceServicer):
    """Stores each row once under (spool_id, record_seq); `answer_acks` off plays a lost ack."""

    path: Path
    credit: int = 4
    answer_acks: bool = True
    max_rows: int = 0
    clock: types.DomainClock | None = None
    hellos: list[edge.Hello] = field(default_factory=list)
    batches: list[edge.ReportBatch] = field(default_factory=list)
    results: list[edge.DirectiveResult] = field(default_factory=list)
    inventories: list[edge.InventoryUpdate] = field(default_factory=list)
    beats: int = 0
    floors: dict[str, int] = field(default_factory=dict)
    down: asyncio.Queue[edge.ConnectResponse] = field(default_factory=asyncio.Queue)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.db = sqlite3.connect(self.path, isolation_level=None)
        self.db.execute(
            "CREATE TABLE IF NOT EXISTS row(spool_id, seq INTEGER, evse_id, kind, at_ms, status,"
            " arrival INTEGER, reason, PRIMARY KEY(spool_id, seq))"
        )
        self.db.execute(
            "CREATE TABLE IF NOT EXISTS gap(spool_id, first INTEGER, last INTEGER, reason)"
        )

    async def start(self, port: int = 0) -> int:
        """Serves on loopback; gives back the port."""
        self.server = grpc.aio.server()
        add_EdgeServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        await self.server.start()
        return self.port

    async def crash(self) -> None:
        """Cuts every stream at once."""
        await self.server.stop(None)

    async def Connect(
        self, request_iterator: AsyncIterator[edge.ConnectRequest], context: Any
    ) -> AsyncIterator[edge.ConnectResponse]:
        """One agent's stream."""
        hello = (await anext(request_iterator)).hello
        self.hellos.append(hello)
        self.changed.set()
        welcome = edge.Welcome(
            district_id="D1",
            credit=self.credit,
            stored=self.stored(hello.spool_id),
            fence_floors=[
                types.FenceFloor(evse_id=name, fence=fence) for name, fence in self.floors.items()
            ],
            clock=self.clock or hello.clock,
        )
        welcome.server_time.GetCurrentTime()
        yield edge.ConnectResponse(welcome=welcome)
        up: asyncio.Queue[edge.ConnectResponse] = self.down
        reader = asyncio.create_task(self._read(request_iterator, up, context))
        said: asyncio.Task[edge.ConnectResponse] | None = None
        try:
            while True:
                said = asyncio.create_task(up.get())
                done, _ = await asyncio.wait({said, reader}, return_when=asyncio.FIRST_COMPLETED)
                if said in done:
                    yield said.result()
                else:
                    reader.result()
                    return
        finally:
            reader.cancel()
            if said is not None:
                said.cancel()

    async def _read(
        self,
        messages: AsyncIterator[edge.ConnectRequest],
        up: asyncio.Queue[edge.ConnectResponse],
        context: Any,
    ) -> None:
        async for message in messages:
            kind = message.WhichOneof("message")
            if kind == "batch":
                batch = message.batch
                if self.max_rows and batch.record_count > self.max_rows:
                    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "batch too large")
                self.store(batch)
                self.batches.append(batch)
                if self.answer_acks:
                    ack = edge.Ack(
                        spool_id=batch.spool_id,
                        stored=self.stored(batch.spool_id),
                        credit=self.credit,
                    )
                    up.put_nowait(edge.ConnectResponse(ack=ack))
            elif kind == "directive_result":
                self.results.append(message.directive_result)
            elif kind == "inventory":
                self.inventories.append(message.inventory)
            elif kind == "beat":
                self.beats += 1
            self.changed.set()

    def store(self, batch: edge.ReportBatch) -> None:
        """Commits what is new of a batch; a row seen before must be the same row."""
        self.db.execute("BEGIN")
        for i in range(batch.record_count):
            detail = batch.detail_index_plus_one[i] if batch.detail_index_plus_one else 0
            row = (
                batch.spool_id,
                batch.first_record_seq + i,
                batch.evse_ids[batch.evse_index[i]],
                batch.kind[i],
                batch.observed_at_ms[i],
                batch.status[i],
            )
            known = self.db.execute(
                "SELECT spool_id, seq, evse_id, kind, at_ms, status FROM row"
                " WHERE spool_id=? AND seq=?",
                row[:2],
            ).fetchone()
            assert known is None or known == row, f"number {row[1]} means two records"
            reason = batch.details[detail - 1].reason if detail else ""
            self.db.execute(
                "INSERT OR IGNORE INTO row VALUES (?,?,?,?,?,?,(SELECT count(*) FROM row),?)",
                (*row, reason),
            )
        for gap in batch.gaps:
            self.db.execute(
                "INSERT INTO gap VALUES (?,?,?,?)",
                (batch.spool_id, gap.range.first, gap.range.last, gap.reason),
            )
        self.db.execute("COMMIT")

    def runs(self, spool_id: str) -> Runs:
        """Stored numbers of a spool as runs, gaps counted in."""
        numbers = {
            seq for (seq,) in self.db.execute("SELECT seq FROM row WHERE spool_id=?", (spool_id,))
        }
        for first, last in self.db.execute(
            "SELECT first, last FROM gap WHERE spool_id=?", (spool_id,)
        ):
            numbers.update(range(first, last + 1))
        runs: Runs = []
        for number in sorted(numbers):
            if runs and runs[-1][1] == number - 1:
                runs[-1] = (runs[-1][0], number)
            else:
                runs.append((number, number))
        return runs

    def stored(self, spool_id: str) -> edge.StoredRanges:
        """The same as the wire says it."""
        runs = self.runs(spool_id)
        through = runs.pop(0)[1] if runs and runs[0][0] == 1 else 0
        return edge.StoredRanges(
            acked_through=through,
            ranges=[types.SeqRange(first=first, last=last) for first, last in runs[:16]],
        )

    def rows(self, where: str = "1") -> list[tuple[Any, ...]]:
        """Stored rows (spool_id, seq, evse_id, kind, at_ms, status, arrival, reason) in order."""
        return self.db.execute(f"SELECT * FROM row WHERE {where} ORDER BY rowid").fetchall()

    async def until(self, met: Callable[[], bool], deadline_s: float = 10.0) -> None:
        """Returns when the condition holds; AssertionError at the deadline."""
        end_s = time.monotonic() + deadline_s
        while not met():
            left_s = end_s - time.monotonic()
            assert left_s > 0, "the condition was not met in time"
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), min(left_s, 0.2))
            except TimeoutError:
                continue
