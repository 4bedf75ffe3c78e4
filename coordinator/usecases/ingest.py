"""Readings in: slice off what is known, validate, make durable in groups, acknowledge, believe.

    offer (per stream) -> pending -> one group at a time: prepare -> commit -> ack -> believe

While a commit waits for the disk the next group gathers, and the one before is believed. Nothing is
acknowledged before its fsync, and nothing is believed before it is durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

from coordinator.clock import Clock
from coordinator.core.report import Batch, BatchCodec, Refusal
from coordinator.core.rows import Changes, Index, Rows
from coordinator.errors import FieldFault, FieldInvalid, StoreClosed, StoreUnavailable
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events
from coordinator.usecases.inventory import Inventory
from coordinator.usecases.learning import Learner
from coordinator.usecases.links import Link
from coordinator.usecases.sifting import Group, Sifter
from coordinator.usecases.telemetry import Spool, TelemetryStore

# Batches that a stream may have on their way without an ack.
CREDIT = 32
# Batches of one commit, at most.
GROUP_LIMIT = 128
# Link time between the starts of two commits: under load, groups of some size cost a third less
# than many small ones. A batch that comes alone does not wait.
GROUP_EVERY_S = 0.005


class Ingest:
    """The way of readings from streams into the store and the live picture."""

    def __init__(
        self,
        inventory: Inventory,
        learner: Learner,
        codec: BatchCodec,
        store: TelemetryStore,
        clock: Clock,
        events: Events,
        counters: Counters,
        spools: dict[str, Spool],
    ) -> None:
        self._inventory = inventory
        self._learner = learner
        self._sifter = Sifter(inventory, codec, learner.spool_number)
        self._store = store
        self._clock = clock
        self._events = events
        self._counters = counters
        self._took = counters.timing("ingest_commit_seconds")
        self._spools = spools
        self._pending: list[tuple[Link, Batch]] = []
        self._unbelieved: Group | None = None
        # A commit that was reported as failed: a disk may do what it says it did not.
        self._unsure: Group | None = None
        self._work = asyncio.Event()
        self._next_group_at_s = 0.0
        self._received_at_ms = 0
        # Called with an agent and the rows refused of one of its batches, once these are durable.
        self.on_refused: list[Callable[[str, list[Refusal]], None]] = []

    @property
    def on_heard(self) -> list[Callable[[Index], None]]:
        """Called with the EVSEs that reported, after their evidence was counted."""
        return self._learner.on_heard

    @property
    def on_changes(self) -> list[Callable[[Changes], None]]:
        """Called on the event loop with the EVSEs whose status changed."""
        return self._learner.on_changes

    @property
    def on_surroundings(self) -> list[Callable[[Rows], None]]:
        """Called on the event loop with rows that say something of the surroundings."""
        return self._learner.on_surroundings

    def spool(self, spool_id: str, agent_id: str) -> Spool:
        """What is settled of a spool; raises `FieldInvalid` if it belongs to another agent."""
        spool = self._spools.get(spool_id)
        if spool is None:
            return Spool(spool_id, agent_id)
        if spool.agent_id != agent_id:
            raise FieldInvalid(FieldFault("spool_id", f"belongs to agent {spool.agent_id}"))
        return spool

    async def offer(self, link: Link, batch: Batch) -> None:
        """Takes a batch; returns at once unless the stream has used up its credit.

        Raises `FieldInvalid` if the spool is another agent's.
        """
        self.spool(batch.spool_id, link.agent_id)
        while link.waiting_batches >= CREDIT and not link.closing:
            link.room.clear()
            await link.room.wait()
        link.waiting_batches += 1
        self._pending.append((link, batch))
        self._work.set()

    async def run(self) -> None:
        """Commits groups until cancelled; what is pending then was not acknowledged."""
        while True:
            await self._work.wait()
            if (pause_s := self._next_group_at_s - self._clock.link_s()) > 0:
                await asyncio.sleep(pause_s)
            self._next_group_at_s = self._clock.link_s() + GROUP_EVERY_S
            async with self._inventory.changing:
                taken, self._pending = self._pending[:GROUP_LIMIT], self._pending[GROUP_LIMIT:]
                if taken:
                    await self._settle(taken)
                if not self._pending:
                    self._work.clear()
                    self._believe()
                if self._learner.checkpoint_due:
                    await self._checkpoint()

    async def believe_all(self) -> None:
        """Returns when everything acknowledged so far is in the picture."""
        async with self._inventory.changing:
            self._believe()

    async def flush(self) -> None:
        """Stores a checkpoint, so that the next start has nothing to replay."""
        async with self._inventory.changing:
            await self._checkpoint()

    async def _checkpoint(self) -> None:
        """Stores what all committed groups have made of the picture."""
        self._believe()
        checkpoint = self._learner.checkpoint()
        if checkpoint is None:
            return
        try:
            await self._store.checkpoint(checkpoint)
        except (StoreUnavailable, StoreClosed) as error:
            self._events.add("STORE", f"no checkpoint: {error}")
            self._learner.checkpoint_failed(checkpoint)

    async def _settle(self, taken: list[tuple[Link, Batch]]) -> None:
        """Makes a group durable and acknowledges it; the one before is believed meanwhile."""
        if self._unsure is not None and not await self._is_sure(self._unsure):
            _close(taken, StoreUnavailable.code)
            return
        began_s = perf_counter()
        group = self._prepare(taken)
        commit = asyncio.ensure_future(self._store.commit(group.stored))
        await asyncio.sleep(0)  # the commit is on its way before the believing begins
        self._believe()
        try:
            await commit
        except (StoreUnavailable, StoreClosed) as error:
            self._events.add("STORE", str(error))
            self._unsure = group
            _close(taken, error.code)
            return
        self._took.add(perf_counter() - began_s)
        self._spools.update(group.stored.spools)
        self._acknowledge(group)
        self._unbelieved = group

    async def _is_sure(self, group: Group) -> bool:
        """Takes over what the store has of a group whose commit failed; False if it cannot say.

        Else its batches, which are sent again, would be stored twice.
        """
        spools = group.stored.spools
        try:
            kept = await self._store.settled(list(spools))
        except (StoreUnavailable, StoreClosed):
            return False
        self._unsure = None
        if spools and all(kept.get(at) == spool.settled for at, spool in spools.items()):
            self._spools.update(spools)
            self._unbelieved = group
        return True

    def _believe(self) -> None:
        """Takes the last committed group into the picture, if that was not done yet."""
        group, self._unbelieved = self._unbelieved, None
        if group is not None:
            self._learner.believe(group.rows, group.stored.received_at_ms / 1000)

    def _prepare(self, taken: list[tuple[Link, Batch]]) -> Group:
        self._received_at_ms = max(self._received_at_ms + 1, int(self._clock.now_s() * 1000))
        return self._sifter.sift(taken, self.spool, self._received_at_ms)

    def _acknowledge(self, group: Group) -> None:
        stored = sum(batch.record_count for batch in group.stored.batches)
        self._counters.add("records_stored", stored)
        self._counters.add("records_refused", len(group.stored.refusals))
        self._counters.add("ingest_groups")
        for link, spool_id, refusals in group.acks:
            link.waiting_batches -= 1
            link.room.set()
            link.acknowledge(spool_id, refusals)
            for tell in self.on_refused if refusals else ():
                tell(link.agent_id, refusals)


def _close(taken: list[tuple[Link, Batch]], why: str) -> None:
    """Ends every stream of these batches."""
    for link in {id(link): link for link, _ in taken}.values():
        link.close(why)
