"""Ingest wired without gRPC: batches in wire form go in, acks and the picture come out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.history import History
from coordinator.rpc.batch_codec import WireCodec
from coordinator.rpc.noun_codec import to_pile
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events
from coordinator.usecases.ingest import Ingest
from coordinator.usecases.inventory import Inventory
from coordinator.usecases.learning import Learner
from coordinator.usecases.links import Link
from coordinator.usecases.sessions import SessionBook
from coordinator.usecases.telemetry import Spool, TelemetryStore
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import types_pb2 as nouns

TIMEOUT_S = 10.0


class WiredIngest:
    """The use cases from batches to picture, over a store that can be opened again."""

    def __init__(self, open_store: Callable[[], TelemetryStore]) -> None:
        self._open_store = open_store

    async def start(self) -> None:
        """Restores what the store knows and begins to commit."""
        self.clock = Clock()
        self.store = self._open_store()
        known = self.store.load()
        self.district = District(known.stations)
        self.history = History()
        self.events = Events(self.clock.now_s, self.clock.system_s)
        self.counters = Counters()
        self.inventory = Inventory(
            self.district,
            self.store,
            self.events,
            self.clock.now_s,
            agent_open=True,
            owners=known.owners,
        )
        codec = WireCodec()
        self.book = SessionBook(self.district, self.store, known.sessions, known.visits)
        self.learner = Learner(
            self.inventory, self.history, codec, self.clock, self.events, self.book
        )
        self.learner.start(known)
        self.ingest = Ingest(
            self.inventory,
            self.learner,
            codec,
            self.store,
            self.clock,
            self.events,
            self.counters,
            known.spools,
        )
        self._task = asyncio.create_task(self.ingest.run(), name="test:ingest")

    async def stop(self) -> None:
        """Ends without a checkpoint, as a killed process would."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.store.close()

    async def introduce(self, agent_id: str, *piles: nouns.PileFacts) -> None:
        """Has the agent bring its piles."""
        await self.inventory.introduce(agent_id, [to_pile(facts) for facts in piles])

    async def report(self, *batches: edge.ReportBatch, agent_id: str = "agent-1") -> Link:
        """The link after all batches were acknowledged; its `acks` hold the refusals."""
        link = Link(agent_id)
        for batch in batches:
            await self.ingest.offer(link, WireCodec().read(batch.SerializeToString()))
        async with asyncio.timeout(TIMEOUT_S):
            while link.waiting_batches:
                link.wake.clear()
                if link.waiting_batches:
                    await link.wake.wait()
        return link

    async def believed(self) -> None:
        """Returns when everything acknowledged is in the picture."""
        await self.ingest.believe_all()

    async def checkpoint(self) -> None:
        """Stores what is believed, so that a start has nothing to replay."""
        await self.ingest.flush()

    def spool(self, spool_id: str, agent_id: str = "agent-1") -> Spool:
        """What is settled of a spool."""
        return self.ingest.spool(spool_id, agent_id)
