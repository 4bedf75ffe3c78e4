"""The ceiling of the ingest bench: bytes from a bare grpc.aio stream into one SQLite row a batch.

`python -m bench.ingest_ceiling DATABASE`. It validates nothing and knows nothing; grouping, fsync
and acks are as in the product: everything that waits is one commit, commits begin 5 ms apart, one
ack a stream follows.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from typing import Any

import grpc

from bench.ingest_client import BATCH_RECORDS
from pilewise.v1 import edge_service_pb2 as edge

GROUP_EVERY_S = 0.005


class Bare:
    """Collects raw batches of all streams and commits them in groups on a thread."""

    def __init__(self, database: str) -> None:
        self._connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("PRAGMA wal_autocheckpoint=4000")
        self._connection.execute("CREATE TABLE batch (record_count INTEGER, payload BLOB)")
        self._pending: list[tuple[list[int], asyncio.Event, bytes]] = []
        self._work = asyncio.Event()

    async def connect(self, requests: Any, context: Any) -> None:
        """One stream: every message after the first is a batch."""
        await context.read()
        await context.write(edge.ConnectResponse(welcome=edge.Welcome()).SerializeToString())
        state, wake = [0], asyncio.Event()
        sender = asyncio.create_task(self._send(context, state, wake))
        try:
            while (raw := await context.read()) is not grpc.aio.EOF:
                self._pending.append((state, wake, raw))
                self._work.set()
        finally:
            sender.cancel()

    async def _send(self, context: Any, state: list[int], wake: asyncio.Event) -> None:
        while True:
            await wake.wait()
            wake.clear()
            stored = edge.StoredRanges(acked_through=state[0])
            await context.write(
                edge.ConnectResponse(ack=edge.Ack(stored=stored)).SerializeToString()
            )

    async def commit(self) -> None:
        """Makes whatever waits durable, again and again."""
        loop = asyncio.get_running_loop()
        next_at_s = 0.0
        while True:
            await self._work.wait()
            if (pause_s := next_at_s - loop.time()) > 0:
                await asyncio.sleep(pause_s)
            next_at_s = loop.time() + GROUP_EVERY_S
            self._work.clear()
            taken, self._pending = self._pending, []
            rows = [(BATCH_RECORDS, raw) for _, _, raw in taken]
            await loop.run_in_executor(None, self._insert, rows)
            for state, wake, _ in taken:
                state[0] += BATCH_RECORDS
                wake.set()

    def _insert(self, rows: list[tuple[int, bytes]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO batch VALUES (?, ?)", rows)
        self._connection.execute("COMMIT")


async def serve(database: str) -> None:
    """Serves until the process is ended."""
    sys.setswitchinterval(0.0005)
    bare = Bare(database)
    server = grpc.aio.server()
    handlers = {"Connect": grpc.stream_stream_rpc_method_handler(bare.connect)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("pilewise.v1.EdgeService", handlers),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"grpc": f"127.0.0.1:{port}"}), flush=True)
    await bare.commit()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
