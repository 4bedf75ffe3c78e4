"""Readings in: slice off what is known, validate, make durable in groups, acknowledge, believe.

    offer (per stream) -> pending -> one group at a time: prepare -> commit -> ack -> believe

While a commit waits for the disk the next group gathers, and the one before is believed. Nothing is
acknowledged before its fsync, and nothing is believed before it is durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from coordinator.clock import Clock
from coordinator.core.ranges import Run
from coordinator.core.report import (
    RAGGED,
    UNKNOWN_EVSE,
    Batch,
    BatchCodec,
    Mask,
    Refusal,
    believed_rows,
    judge,
)
from coordinator.core.rows import Changes, Index, Rows
from coordinator.errors import FieldFault, FieldInvalid, StoreClosed, StoreUnavailable
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events
from coordinator.usecases.inventory import EvseTable, Inventory
from coordinator.usecases.learning import Learner
from coordinator.usecases.links import Link
from coordinator.usecases.telemetry import IngestGroup, Spool, StoredBatch, TelemetryStore

# Batches that a stream may have on their way without an ack.
CREDIT = 32
# Batches of one commit, at most.
GROUP_LIMIT = 128
# Link time between the starts of two commits: under load, groups of some size cost a third less
# than many small ones. A batch that comes alone does not wait.
GROUP_EVERY_S = 0.005
_NOWHERE = np.array([UNKNOWN_EVSE], dtype=np.intp)


@dataclass(slots=True)
class _Piece:
    """A batch of a group, the runs of it that are new, and where its refusals go."""

    link: Link
    batch: Batch
    fresh: list[Run]
    refusals: list[Refusal]

    @property
    def whole(self) -> bool:
        """Whether all of the batch is new."""
        return self.fresh == [(self.batch.first_seq, self.batch.last_seq)]


@dataclass(slots=True)
class _Known:
    """An agent's EVSEs as of a version of the inventory, and the rows of those named last."""

    version: int
    table: EvseTable
    evse_ids: tuple[str, ...] = ()
    rows: Index = field(default_factory=lambda: np.zeros(0, np.intp))


@dataclass(slots=True)
class _Group:
    """A group on its way: what is stored, and the rows to believe afterwards."""

    stored: IngestGroup
    rows: list[Rows] = field(default_factory=list)
    acks: list[tuple[Link, str, list[Refusal]]] = field(default_factory=list)


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
        self._codec = codec
        self._store = store
        self._clock = clock
        self._events = events
        self._counters = counters
        self._spools = spools
        self._pending: list[tuple[Link, Batch]] = []
        self._unbelieved: _Group | None = None
        self._work = asyncio.Event()
        self._tables: dict[str, _Known] = {}
        self._next_group_at_s = 0.0
        self._received_at_ms = 0

    @property
    def on_changes(self) -> list[Callable[[Changes], None]]:
        """Called on the event loop with the EVSEs whose status changed."""
        return self._learner.on_changes

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
        group = self._prepare(taken)
        commit = asyncio.ensure_future(self._store.commit(group.stored))
        await asyncio.sleep(0)  # the commit is on its way before the believing begins
        self._believe()
        try:
            await commit
        except (StoreUnavailable, StoreClosed) as error:
            self._events.add("STORE", str(error))
            for link in {id(link): link for link, _ in taken}.values():
                link.close(error.code)
            return
        self._spools.update(group.stored.spools)
        self._acknowledge(group)
        self._unbelieved = group

    def _believe(self) -> None:
        """Takes the last committed group into the picture, if that was not done yet."""
        group, self._unbelieved = self._unbelieved, None
        if group is not None:
            self._learner.believe(group.rows, group.stored.received_at_ms / 1000)

    def _prepare(self, taken: Iterable[tuple[Link, Batch]]) -> _Group:
        self._received_at_ms = max(self._received_at_ms + 1, int(self._clock.now_s() * 1000))
        group = _Group(IngestGroup(self._received_at_ms))
        shapes: dict[Hashable, list[_Piece]] = {}
        for link, batch in taken:
            spool = group.stored.spools.get(batch.spool_id)
            if spool is None:
                spool = self.spool(batch.spool_id, link.agent_id).copy()
                group.stored.spools[batch.spool_id] = spool
            _settle_gaps(group.stored, spool, batch)
            refusals: list[Refusal] = []
            group.acks.append((link, batch.spool_id, refusals))
            fresh = spool.settled.missing(batch.first_seq, batch.last_seq)
            spool.settled.add(batch.first_seq, batch.last_seq)
            if batch.ragged is not None:
                refusals += _refuse_whole(batch, fresh)
            elif fresh:
                piece = _Piece(link, batch, fresh, refusals)
                shapes.setdefault(batch.shape, []).append(piece)
        for pieces in shapes.values():
            self._sort(group, pieces)
        for _, spool_id, refused in group.acks:
            group.stored.refusals += [(spool_id, refusal) for refusal in refused]
        return group

    def _sort(self, group: _Group, pieces: list[_Piece]) -> None:
        """Adds the new and believable rows of batches of one shape to the group."""
        columns = self._codec.decode([piece.batch for piece in pieces])
        tables = [self._rows(piece.link.agent_id, piece.batch.evse_ids) for piece in pieces]
        evse, judgement = judge(columns, np.concatenate([*tables, _NOWHERE]))
        at_ms = group.stored.received_at_ms
        if not judgement.faults and all(piece.whole for piece in pieces):
            group.stored.batches += [
                StoredBatch(b.spool_id, b.first_seq, b.last_seq, at_ms, b.payload)
                for b in (piece.batch for piece in pieces)
            ]
            group.rows.append(believed_rows(columns, evse, None, at_ms / 1000))
            return
        keep = np.zeros(evse.size, dtype=bool)
        faults = {row: fault for row, *fault in judgement.faults}
        start = 0
        for piece in pieces:
            batch = piece.batch
            for first, last in piece.fresh:
                keep[start + first - batch.first_seq : start + last - batch.first_seq + 1] = True
            new = np.flatnonzero(keep[start : start + batch.row_count]) + start
            piece.refusals += [
                Refusal(batch.first_seq + row - start, *faults[row])
                for row in new.tolist()
                if row in faults
            ]
            keep[start : start + batch.row_count] &= ~judgement.bad[start : start + batch.row_count]
            for first, last in _runs(keep[start : start + batch.row_count]):
                low, high = batch.first_seq + first, batch.first_seq + last
                payload = self._codec.cut(batch, low, high)
                group.stored.batches.append(StoredBatch(batch.spool_id, low, high, at_ms, payload))
            start += batch.row_count
        if keep.any():
            group.rows.append(believed_rows(columns, evse, keep, at_ms / 1000))

    def _rows(self, agent_id: str, evse_ids: tuple[str, ...]) -> Index:
        """The district's rows of an agent's EVSEs; looked up anew only when something changed."""
        version = self._inventory.version
        known = self._tables.get(agent_id)
        if known is None or known.version != version:
            table = self._inventory.table_for(agent_id)
            known = self._tables[agent_id] = _Known(version, table)
        # A stream that names the same EVSEs again hands in the very same tuple.
        if known.evse_ids is not evse_ids:
            known.evse_ids = evse_ids
            known.rows = np.array([known.table[evse_id] for evse_id in evse_ids], dtype=np.intp)
        return known.rows

    def _acknowledge(self, group: _Group) -> None:
        stored = sum(batch.record_count for batch in group.stored.batches)
        self._counters.add("records_stored", stored)
        self._counters.add("records_refused", len(group.stored.refusals))
        self._counters.add("ingest_groups")
        for link, spool_id, refusals in group.acks:
            link.waiting_batches -= 1
            link.room.set()
            link.acknowledge(spool_id, refusals)


def _settle_gaps(stored: IngestGroup, spool: Spool, batch: Batch) -> None:
    """Counts lost numbers as stored, each once."""
    for gap in batch.gaps:
        for first, last in spool.settled.missing(gap.first, gap.last):
            stored.gaps.append((batch.spool_id, replace(gap, first=first, last=last)))
        spool.settled.add(gap.first, gap.last)


def _runs(keep: Mask) -> list[Run]:
    """First and last index of each run of marked rows."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], keep, [False])).astype(np.int8)))
    return [(int(start), int(end) - 1) for start, end in edges.reshape(-1, 2)]


def _refuse_whole(batch: Batch, fresh: list[Run]) -> list[Refusal]:
    """A refusal for every new row of a batch whose columns differ in length."""
    assert batch.ragged is not None
    name, expected, seen = batch.ragged
    message = f"has {seen} entries, expected {expected}"
    return [
        Refusal(seq, RAGGED, name, message)
        for first, last in fresh
        for seq in range(first, last + 1)
    ]
