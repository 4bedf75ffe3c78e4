"""Which rows of a group of batches are new and can be believed, and what of them is stored.

Batches of one shape are judged together. Nothing is stored, acknowledged or believed here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from coordinator.core.believed import believed_rows
from coordinator.core.ranges import Run
from coordinator.core.report import (
    RAGGED,
    UNKNOWN_EVSE,
    Batch,
    BatchCodec,
    Columns,
    Judgement,
    Mask,
    Refusal,
    Windows,
    judge,
)
from coordinator.core.rows import Index, Numbers, Rows
from coordinator.core.sequence import Run as Numbered
from coordinator.core.sequence import numbers_of
from coordinator.errors import FieldInvalid
from coordinator.usecases.inventory import EvseTable, Inventory
from coordinator.usecases.links import Link
from coordinator.usecases.telemetry import IngestGroup, Spool, StoredBatch

_NOWHERE = np.array([UNKNOWN_EVSE], dtype=np.intp)


@dataclass(slots=True)
class _Piece:
    """A batch of a group, the runs of it that are new, and where its refusals go.

    `floor` is the greatest number that was settled of its spool before.
    """

    link: Link
    batch: Batch
    fresh: list[Run]
    refusals: list[Refusal]
    floor: int

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
    windows: dict[int, Windows] = field(default_factory=dict)


@dataclass(slots=True)
class Group:
    """A group on its way: what is stored, and the rows to believe afterwards."""

    stored: IngestGroup
    rows: list[Rows] = field(default_factory=list)
    acks: list[tuple[Link, str, list[Refusal]]] = field(default_factory=list)


class Sifter:
    """Sifts groups of batches; remembers the EVSEs of each agent."""

    def __init__(
        self, inventory: Inventory, codec: BatchCodec, spool_number: Callable[[str], int]
    ) -> None:
        self._inventory = inventory
        self._codec = codec
        self._spool_number = spool_number
        self._tables: dict[str, _Known] = {}

    def sift(
        self,
        taken: Iterable[tuple[Link, Batch]],
        spool_of: Callable[[str, str], Spool],
        received_at_ms: int,
    ) -> Group:
        """The group to commit; `spool_of` gives what is settled of a spool of an agent."""
        group = Group(IngestGroup(received_at_ms))
        shapes: dict[Hashable, list[_Piece]] = {}
        for link, batch in taken:
            if link.severed.is_set():
                continue
            spool = _spool(group.stored, link, batch, spool_of)
            if spool is None:
                link.close("FOREIGN_SPOOL")
                continue
            floor = spool.settled.last
            _settle_gaps(group.stored, spool, batch)
            refusals: list[Refusal] = []
            group.acks.append((link, batch.spool_id, refusals))
            fresh = spool.settled.missing(batch.first_seq, batch.last_seq)
            spool.settled.add(batch.first_seq, batch.last_seq)
            if batch.ragged is not None:
                refusals += _refuse_whole(batch, fresh)
            elif fresh:
                piece = _Piece(link, batch, fresh, refusals, floor)
                shapes.setdefault(batch.shape, []).append(piece)
        for pieces in shapes.values():
            self._sort(group, pieces)
        for _, spool_id, refused in group.acks:
            group.stored.refusals += [(spool_id, refusal) for refusal in refused]
        return group

    def _sort(self, group: Group, pieces: list[_Piece]) -> None:
        """Adds the new and believable rows of batches of one shape to the group."""
        columns = self._codec.decode([piece.batch for piece in pieces])
        tables: list[Index] = []
        windows: dict[int, Windows] = {}
        start = 0
        for piece in pieces:
            known = self._known(piece.link.agent_id, piece.batch.evse_ids)
            tables.append(known.rows)
            windows |= {start + entry: times for entry, times in known.windows.items()}
            start += known.rows.size
        evse, judgement = judge(columns, np.concatenate([*tables, _NOWHERE]), windows)
        at_ms = group.stored.received_at_ms
        numbers = numbers_of(
            [
                Numbered(self._spool_number(b.spool_id), b.first_seq, b.row_count, piece.floor)
                for piece in pieces
                for b in (piece.batch,)
            ]
        )
        ended = [entry for entry, times in windows.items() if times[-1][1] <= at_ms]
        if ended:
            numbers.live[np.isin(columns.evse_index, ended)] = False
        if not judgement.faults and all(piece.whole for piece in pieces):
            group.stored.batches += [
                StoredBatch(b.spool_id, b.first_seq, b.last_seq, at_ms, b.payload)
                for b in (piece.batch for piece in pieces)
            ]
            group.rows.append(believed_rows(columns, evse, None, at_ms / 1000, numbers))
        else:
            self._sort_rows(group, pieces, columns, evse, judgement, numbers)

    def _sort_rows(
        self,
        group: Group,
        pieces: list[_Piece],
        columns: Columns,
        evse: Index,
        judgement: Judgement,
        numbers: Numbers,
    ) -> None:
        """The same where some rows are known already or refused: batches are cut into runs."""
        at_ms = group.stored.received_at_ms
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
            group.rows.append(believed_rows(columns, evse, keep, at_ms / 1000, numbers))

    def _known(self, agent_id: str, evse_ids: tuple[str, ...]) -> _Known:
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
            times = known.table.windows
            known.windows = {n: times[e] for n, e in enumerate(evse_ids) if e in times}
        return known


def _spool(
    stored: IngestGroup, link: Link, batch: Batch, spool_of: Callable[[str, str], Spool]
) -> Spool | None:
    """What is settled of the batch's spool; None if the spool is another agent's.

    Two agents may begin the same new spool at once, in one group or while the batch of one still
    waits for its group: the first one has it.
    """
    spool = stored.spools.get(batch.spool_id)
    if spool is None:
        try:
            spool = spool_of(batch.spool_id, link.agent_id).copy()
        except FieldInvalid:
            return None
        stored.spools[batch.spool_id] = spool
    return spool if spool.agent_id == link.agent_id else None


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
