"""What committed readings do to the live picture, to its checkpoints, and at the next start.

The picture is a function of the committed batches: a checkpoint keeps it as of some batch, and a
start replays the batches after it, in the same groups. So what was acknowledged is known after
any restart, exactly, and a commit need not carry the state of every EVSE it touches.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence

import numpy as np
import structlog

from coordinator.clock import Clock
from coordinator.core.believed import believed_rows
from coordinator.core.district import District
from coordinator.core.history import History
from coordinator.core.pile import EvseStatus
from coordinator.core.ranges import Ranges
from coordinator.core.report import UNKNOWN_EVSE, Batch, BatchCodec, judge
from coordinator.core.rows import Changes, Index, Order, Rows, together
from coordinator.core.sequence import Run, numbers_of
from coordinator.core.sequence import Sequence as RecordSequence
from coordinator.core.stamps import none_ahead
from coordinator.errors import FieldInvalid
from coordinator.usecases.events import Events
from coordinator.usecases.former import Former
from coordinator.usecases.inventory import Inventory
from coordinator.usecases.picture import DAY_S, copy_states, restore
from coordinator.usecases.sessions import SessionBook
from coordinator.usecases.telemetry import Checkpoint, Snapshot, StoredBatch

log = structlog.get_logger()

CHECKPOINT_EVERY_S = 5.0


class Learner:
    """Takes committed rows into the picture, and tells who must know."""

    def __init__(
        self,
        inventory: Inventory,
        history: History,
        codec: BatchCodec,
        clock: Clock,
        events: Events,
        book: SessionBook | None = None,
    ) -> None:
        self.on_changes: list[Callable[[Changes], None]] = []
        # Told of rows that say something of the surroundings, before they are believed.
        self.on_surroundings: list[Callable[[Rows], None]] = []
        # Hear which EVSEs reported, after their evidence was counted.
        self.on_heard: list[Callable[[Index], None]] = []
        self._inventory = inventory
        self._district: District = inventory.district
        self._history = history
        self._codec = codec
        self._clock = clock
        self._events = events
        self._day = int(clock.now_s() // DAY_S)
        self._book = book or SessionBook(self._district)
        self._sequence = RecordSequence()
        self.spool_number = self._sequence.spool_number
        self._dirty = np.zeros(0, dtype=bool)
        self._heard_at_s = np.zeros(0)  # domain time, as checkpoints keep it
        self._version = -1
        self._checkpoint_at_s = clock.link_s()

    def start(self, snapshot: Snapshot) -> None:
        """Restores the picture from the newest checkpoint and the batches after it."""
        restore(self._district, self._history, snapshot.states, self._link_of, self._day)
        floors, gone = _settled_before(snapshot), Former(self._inventory, snapshot.spools)
        groups = itertools.groupby(snapshot.tail, key=lambda batch: batch.received_at_ms)
        for received_at_ms, batches in groups:
            self._replay(received_at_ms, list(batches), floors, gone)
        none_ahead(self._district, self._clock.now_s())

    def believe(self, parts: Sequence[Rows], received_at_s: float) -> None:
        """Takes the rows of one committed group in; `received_at_s` is its domain time."""
        if not parts:
            return
        rows = together(parts)
        changes = self._take(rows, received_at_s)
        for hear in self.on_heard:
            hear(np.unique(rows.evse))
        if changes.evse.size:
            for tell in self.on_changes:
                tell(changes)
            self._report(changes)

    @property
    def checkpoint_due(self) -> bool:
        """Whether the last checkpoint is so old that a start would replay much."""
        return self._clock.link_s() - self._checkpoint_at_s >= CHECKPOINT_EVERY_S

    def checkpoint(self) -> Checkpoint | None:
        """What to store, if anything is new; everything committed must have been believed."""
        self._checkpoint_at_s = self._clock.link_s()
        self._fit()
        evse = np.flatnonzero(self._dirty)
        if evse.size == 0:
            return None
        heard_at_s = self._heard_at_s[evse]
        states = copy_states(self._district, self._history, evse, heard_at_s, self._day)
        self._dirty[:] = False
        return Checkpoint(states, self._book.take_fresh())

    def checkpoint_failed(self, checkpoint: Checkpoint) -> None:
        """Has everything stored by the next checkpoint, because this one was not."""
        self._book.give_back(checkpoint.sessions)
        self._version = -1

    def _take(self, rows: Rows, received_at_s: float) -> Changes:
        self._begin_day(received_at_s)
        self._fit()
        known_at_s = self._district.observed_at_s
        rows, order = self._sequence.straighten(rows, known_at_s, received_at_s)
        self._sequence.note(rows, order, known_at_s)
        self._see_sessions(rows, order)
        if rows.around:
            for tell in self.on_surroundings:
                tell(rows)
        self._dirty[order.evse] = True
        self._heard_at_s[order.evse] = received_at_s
        return self._district.apply(rows, self._link_of(received_at_s), order)

    def _see_sessions(self, rows: Rows, order: Order) -> None:
        """Sessions that these rows begin and end, and the tokens shown at them."""
        ids = self._district.evse_ids
        shown: dict[str, list[tuple[float, str]]] = {}
        for row, token in rows.tokens.items():
            at = float(rows.observed_at_s[row])
            shown.setdefault(ids[int(rows.evse[row])], []).append((at, token))
        for seen in self._history.learn(self._district, rows, order):
            tokens, ended = shown.get(seen.evse_id, ()), seen.ended_at_s is not None
            until_s = seen.ended_at_s if seen.ended_at_s is not None else float("inf")
            if not ended:
                self._book.see(seen)
            for at, token in tokens:
                if seen.started_at_s <= at <= until_s:
                    self._book.presented(seen.evse_id, token)
            if ended:
                self._book.see(seen)
        for evse_id, tokens in shown.items():
            under_way = self._book.at(evse_id)
            for at, token in tokens:
                if under_way is not None and at >= under_way.started_at_s:
                    self._book.presented(evse_id, token)

    def _replay(
        self,
        received_at_ms: int,
        batches: Sequence[StoredBatch],
        floors: dict[str, int],
        gone: Former,
    ) -> None:
        """Takes a stored group in again; EVSEs that are no more are left out.

        `floors` holds the greatest number settled of each spool before, and is kept so. What an
        agent told of a pile that was another's by then is old, whatever its numbers say.
        """
        shapes: dict[Hashable, list[tuple[Batch, Run]]] = {}
        for stored in batches:
            try:
                batch = self._codec.read(stored.payload)
            except FieldInvalid as error:
                # Damaged on the disk: the picture does without these rows.
                log.error("stored rows cannot be read", spool_id=stored.spool_id, why=str(error))
                continue
            number, floor = self.spool_number(stored.spool_id), floors[stored.spool_id]
            run = Run(number, batch.first_seq, batch.row_count, floor)
            floors[stored.spool_id] = max(floor, batch.last_seq)
            shapes.setdefault(batch.shape, []).append((batch, run))
        parts: list[Rows] = []
        at_s = received_at_ms / 1000
        for shaped in shapes.values():
            columns = self._codec.decode([batch for batch, _ in shaped])
            names = [evse_id for batch, _ in shaped for evse_id in batch.evse_ids]
            rows = self._district.row
            table = np.array([rows.get(name, UNKNOWN_EVSE) for name in names], dtype=np.intp)
            evse, judgement = judge(columns, table)
            numbers = numbers_of([run for _, run in shaped])
            ended = gone.entries((batch for batch, _ in shaped), received_at_ms)
            if ended:
                numbers.live[np.isin(columns.evse_index, ended)] = False
            parts.append(believed_rows(columns, evse, ~judgement.bad, at_s, numbers))
        self._take(together(parts), at_s)

    def _link_of(self, domain_s: float) -> float:
        """The link time of a domain time that is past."""
        passed_s = (self._clock.now_s() - domain_s) / self._clock.speed
        return self._clock.link_s() - max(0.0, passed_s)

    def _fit(self) -> None:
        """After a change of the layout, all rows are dirty: their numbers have moved."""
        if self._version != self._inventory.version:
            size = len(self._district)
            self._dirty = np.isfinite(self._district.observed_at_s)
            passed_s = (self._clock.link_s() - self._district.heard_at_s) * self._clock.speed
            self._heard_at_s = np.where(self._dirty, self._clock.now_s() - passed_s, 0.0)
            self._version = self._inventory.version
            self._sequence.fit(self._district.evse_ids)
            assert self._dirty.size == size

    def _begin_day(self, now_s: float) -> None:
        """At the first row of a new day nobody was served yet."""
        if (day := int(now_s // DAY_S)) > self._day:
            self._day = day
            self._district.served_today[:] = 0

    def _report(self, changes: Changes) -> None:
        columns = (changes.evse.tolist(), changes.before.tolist(), changes.after.tolist())
        for evse, before, after in zip(*columns, strict=True):
            was, now = EvseStatus(before).name, EvseStatus(after).name
            evse_id = self._district.evse_ids[evse]
            facts = {"before": was, "after": now}
            if code := self._district.fault_code.get(evse):
                facts["fault_code"] = code
            self._events.add("STATUS", f"{evse_id}: {was} -> {now}", evse_id=evse_id, facts=facts)


def _settled_before(snapshot: Snapshot) -> dict[str, int]:
    """The greatest number of each spool that was settled before the batches of the tail."""
    tails: dict[str, Ranges] = {}
    for batch in snapshot.tail:
        tails.setdefault(batch.spool_id, Ranges()).add(batch.first_seq, batch.last_seq)
    floors = {}
    for spool_id, tail in tails.items():
        spool = snapshot.spools.get(spool_id)
        runs = [] if spool is None else spool.settled.runs()
        rest = [last for run in runs for _, last in tail.missing(*run)]
        floors[spool_id] = max(rest, default=0)
    return floors
