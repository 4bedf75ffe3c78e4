"""Readings in: validate, slice off what is known, make durable in groups, acknowledge, believe.

    offer (per stream) -> pending -> one group at a time: prepare -> commit -> ack -> District

One group is under way at a time, because what it will change is computed against the picture
before it; while its commit waits for the disk the next group gathers. Nothing is acknowledged
before its fsync, and nothing is believed before it is acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from coordinator.clock import Clock
from coordinator.core.district import Changes, District, Rows
from coordinator.core.history import History
from coordinator.core.pile import EvseStatus
from coordinator.core.report import Batch, Refusal, believed_rows, judge, together
from coordinator.errors import FieldFault, FieldInvalid, StoreClosed, StoreUnavailable
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events
from coordinator.usecases.inventory import Inventory
from coordinator.usecases.links import Link
from coordinator.usecases.picture import reset_day, state_rows
from coordinator.usecases.telemetry import IngestGroup, Spool, StoredBatch, TelemetryStore

# Batches that a stream may have on their way without an ack.
CREDIT = 32
# Batches of one commit, at most.
GROUP_LIMIT = 128
RAGGED = "DATA-002"
_DAY_S = 86_400


@dataclass(slots=True)
class _Group:
    """A group under preparation: what will be stored, and the rows to believe afterwards."""

    stored: IngestGroup
    now_s: float
    rows: list[Rows] = field(default_factory=list)
    acks: list[tuple[Link, str, list[Refusal]]] = field(default_factory=list)


class Ingest:
    """The way of readings from streams into the store and the live picture."""

    def __init__(
        self,
        inventory: Inventory,
        history: History,
        store: TelemetryStore,
        clock: Clock,
        events: Events,
        counters: Counters,
        spools: dict[str, Spool],
    ) -> None:
        self.on_changes: list[Callable[[Changes], None]] = []
        self._inventory = inventory
        self._district: District = inventory.district
        self._history = history
        self._store = store
        self._clock = clock
        self._events = events
        self._counters = counters
        self._spools = spools
        self._pending: list[tuple[Link, Batch]] = []
        self._work = asyncio.Event()
        self._lookups: dict[str, tuple[int, Callable[[str], int]]] = {}
        self._day = int(clock.now_s() // _DAY_S)

    def spool(self, spool_id: str, agent_id: str) -> Spool:
        """What is settled of a spool; raises `FieldInvalid` if it belongs to another agent."""
        spool = self._spools.get(spool_id)
        if spool is None:
            return Spool(spool_id, agent_id)
        if spool.agent_id != agent_id:
            fault = FieldFault("spool_id", f"belongs to agent {spool.agent_id}")
            raise FieldInvalid(fault)
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
            taken, self._pending = self._pending[:GROUP_LIMIT], self._pending[GROUP_LIMIT:]
            if not self._pending:
                self._work.clear()
            async with self._inventory.changing:
                await self._settle(taken)

    async def _settle(self, taken: list[tuple[Link, Batch]]) -> None:
        """Makes a group durable, acknowledges it, then believes it."""
        group = self._prepare(taken)
        rows = together(group.rows) if group.rows else None
        if rows is not None:
            newest = self._district.newest(rows)
            lesson = self._history.observe(self._district, rows)
            heard_at_s = self._clock.system_s()
            group.stored.states = state_rows(
                self._district, self._history, newest, lesson, heard_at_s
            )
            group.stored.sessions = lesson.sessions
        try:
            await self._store.commit(group.stored)
        except (StoreUnavailable, StoreClosed) as error:
            self._events.add("STORE", str(error))
            for link in {id(link): link for link, _ in taken}.values():
                link.close(error.code)
            return
        self._spools.update(group.stored.spools)
        self._acknowledge(group)
        if rows is not None:
            self._begin_day(group.now_s)
            self._history.take(self._district, lesson)
            self._announce(self._district.take(newest, self._clock.link_s()))

    def _prepare(self, taken: Iterable[tuple[Link, Batch]]) -> _Group:
        now_s = self._clock.now_s()
        group = _Group(IngestGroup(received_at_ms=int(self._clock.system_s() * 1000)), now_s)
        for link, batch in taken:
            spool = group.stored.spools.get(batch.spool_id)
            if spool is None:
                spool = self.spool(batch.spool_id, link.agent_id).copy()
                group.stored.spools[batch.spool_id] = spool
            refusals = self._take_batch(group, spool, link, batch)
            group.stored.refusals += [(batch.spool_id, refusal) for refusal in refusals]
            group.acks.append((link, batch.spool_id, refusals))
        return group

    def _take_batch(self, group: _Group, spool: Spool, link: Link, batch: Batch) -> list[Refusal]:
        """Adds the new rows of a batch to the group; gives those refused."""
        for gap in batch.gaps:
            for first, last in spool.settled.missing(gap.first, gap.last):
                lost = replace(gap, first=first, last=last)
                group.stored.gaps.append((batch.spool_id, lost))
            spool.settled.add(gap.first, gap.last)
        fresh = spool.settled.missing(batch.first_seq, batch.last_seq)
        if not fresh:
            return []
        spool.settled.add(batch.first_seq, batch.last_seq)
        whole = fresh == [(batch.first_seq, batch.last_seq)]
        if batch.ragged is not None:
            return _refuse_whole(batch, fresh)
        evse, keep, refusals = judge(batch, self._lookup(link.agent_id))
        if not whole:
            new = np.zeros(batch.count, dtype=bool)
            for first, last in fresh:
                new[first - batch.first_seq : last - batch.first_seq + 1] = True
            keep &= new
            refusals = [r for r in refusals if new[r.record_seq - batch.first_seq]]
        at_ms = group.stored.received_at_ms
        if whole and not refusals:
            runs = [(batch.first_seq, batch.last_seq, batch.payload)]
        else:
            runs = [(first, last, batch.cut(first, last)) for first, last in _runs(batch, keep)]
        group.stored.batches += [
            StoredBatch(batch.spool_id, first, last, at_ms, payload)
            for first, last, payload in runs
        ]
        if runs:
            group.rows.append(believed_rows(batch, evse, keep, group.now_s))
        return refusals

    def _lookup(self, agent_id: str) -> Callable[[str], int]:
        """The agent's lookup, made anew when stations or owners changed."""
        version = self._inventory.version
        held = self._lookups.get(agent_id)
        if held is None or held[0] != version:
            held = (version, self._inventory.lookup_for(agent_id))
            self._lookups[agent_id] = held
        return held[1]

    def _acknowledge(self, group: _Group) -> None:
        stored = sum(batch.record_count for batch in group.stored.batches)
        self._counters.add("records_stored", stored)
        self._counters.add("records_refused", len(group.stored.refusals))
        self._counters.add("ingest_groups")
        for link, spool_id, refusals in group.acks:
            link.waiting_batches -= 1
            link.room.set()
            link.acknowledge(spool_id, refusals)

    def _begin_day(self, now_s: float) -> None:
        if (day := int(now_s // _DAY_S)) != self._day:
            self._day = day
            reset_day(self._district)

    def _announce(self, changes: Changes) -> None:
        """Tells those who re-plan, then those who watch."""
        for tell in self.on_changes if changes.evse.size else ():
            tell(changes)
        columns = (changes.evse.tolist(), changes.before.tolist(), changes.after.tolist())
        for evse, before, after in zip(*columns, strict=True):
            was, now = EvseStatus(before).name, EvseStatus(after).name
            evse_id = self._district.evse_ids[evse]
            facts = {"before": was, "after": now}
            if code := self._district.fault_code.get(evse):
                facts["fault_code"] = code
            self._events.add("STATUS", f"{evse_id}: {was} -> {now}", evse_id=evse_id, facts=facts)


def _runs(batch: Batch, keep: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of record numbers of the rows marked."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], keep, [False])).astype(np.int8)))
    return [
        (batch.first_seq + int(start), batch.first_seq + int(end) - 1)
        for start, end in edges.reshape(-1, 2)
    ]


def _refuse_whole(batch: Batch, fresh: list[tuple[int, int]]) -> list[Refusal]:
    """A refusal for every new row of a batch whose columns differ in length."""
    assert batch.ragged is not None
    name, expected, seen = batch.ragged
    message = f"has {seen} entries, expected {expected}"
    return [
        Refusal(seq, RAGGED, name, message)
        for first, last in fresh
        for seq in range(first, last + 1)
    ]
