"""Order by record numbers: within a spool they tell what is newer, whatever the stamps say.

A gateway whose clock was set back stamps what it sees now with a time that is past. Rows of
different spools, such as those of a pile's former agent, have only their stamps.
"""

from __future__ import annotations

from collections.abc import Sequence as Listed
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coordinator.core.rows import Index, Numbers, Order, Rows, order_rows

Floats = NDArray[np.float64]


class Run(NamedTuple):
    """Rows of one batch: their spool's number, the first record number, how many they are.

    `floor` is the greatest record number that was settled of the spool before.
    """

    spool: int
    first_seq: int
    row_count: int
    floor: int


def numbers_of(runs: Listed[Run]) -> Numbers:
    """The numbers of the rows of these batches, in order.

    >>> made = numbers_of([Run(1, 7, 3, 7), Run(2, 1, 1, 0)])
    >>> made.record_seq.tolist(), made.spool.tolist(), made.live.tolist()
    ([7, 8, 9, 1], [1, 1, 1, 2], [False, True, True, True])
    """
    table = np.array(runs, dtype=np.int64).reshape(-1, 4)
    spool, first, count, floor = table.T
    begin = np.cumsum(count) - count
    seq = np.arange(int(count.sum())) + np.repeat(first - begin, count)
    return Numbers(np.repeat(spool, count), seq, seq > np.repeat(floor, count))


@dataclass(slots=True)
class Sequence:
    """The spool and record number of the newest row of each EVSE; 0 where none is known.

    It is not stored: after a start, a row beyond all that was settled of its spool is newer.
    """

    spool: NDArray[np.int64]
    record_seq: NDArray[np.int64]
    _evse_ids: Listed[str]
    _spools: dict[str, int]

    def __init__(self) -> None:
        self.spool = self.record_seq = np.zeros(0, dtype=np.int64)
        self._evse_ids = ()
        self._spools = {}

    def spool_number(self, spool_id: str) -> int:
        """A number of this spool for as long as the process lives, from 1 on."""
        return self._spools.setdefault(spool_id, len(self._spools) + 1)

    def fit(self, evse_ids: Listed[str]) -> None:
        """Follows a new layout of the district's rows."""
        known = {evse_id: row for row, evse_id in enumerate(self._evse_ids)}
        old = np.array([known.get(evse_id, -1) for evse_id in evse_ids], dtype=np.intp)
        kept = old >= 0
        for name in ("spool", "record_seq"):
            column = np.zeros(old.size, dtype=np.int64)
            column[kept] = getattr(self, name)[old[kept]]
            setattr(self, name, column)
        self._evse_ids = tuple(evse_ids)

    def straighten(self, rows: Rows, known_at_s: Floats, now_s: float) -> tuple[Rows, Order]:
        """The rows with stamps that agree with their numbers, and their order.

        `known_at_s` are the stamps of the picture by EVSE, `now_s` is when the rows came. A row
        that its number makes newer than its stamp does was observed when it came; one that is
        older by its number is older by its stamp, too.
        """
        if rows.numbers is None:
            return rows, order_rows(rows)
        at, known = rows.observed_at_s, known_at_s[rows.evse]
        spool, newest = self.spool[rows.evse], self.record_seq[rows.evse]
        given = rows.numbers
        same, early = given.spool == spool, at < known
        after = given.record_seq > newest
        lifted = early & ((same & after) | ((spool == 0) & given.live))
        sunk = same & ~after & ~early
        if lifted.any() or sunk.any():
            at = np.where(lifted, np.maximum(known, now_s), at)
            at = np.where(sunk, np.nextafter(known, -np.inf), at)
            rows = replace(rows, observed_at_s=at)
        order = order_rows(rows)
        tangled = _tangled(rows, order, given)
        return (rows, order) if tangled.size == 0 else _untangle(rows, order, tangled, now_s)

    def note(self, rows: Rows, order: Order, known_at_s: Floats) -> None:
        """Remembers the numbers of the rows that the picture is about to take."""
        if rows.numbers is None:
            return
        last = order.index[order.end - 1]
        taken = rows.observed_at_s[last] >= known_at_s[order.evse]
        evse, last = order.evse[taken], last[taken]
        self.spool[evse] = rows.numbers.spool[last]
        self.record_seq[evse] = rows.numbers.record_seq[last]


def _tangled(rows: Rows, order: Order, given: Numbers) -> Index:
    """Runs of the order in which a lower number follows a higher one of the same spool."""
    index = order.index
    seq, spool, evse = given.record_seq[index], given.spool[index], rows.evse[index]
    back = (seq[1:] < seq[:-1]) & (spool[1:] == spool[:-1]) & (evse[1:] == evse[:-1])
    if not back.any():
        return np.zeros(0, dtype=np.intp)
    return np.unique(np.searchsorted(order.start, np.flatnonzero(back) + 1, "right") - 1)


def _untangle(rows: Rows, order: Order, runs: Index, now_s: float) -> tuple[Rows, Order]:
    """Lifts the rows of these runs that their stamps put before what their numbers put first."""
    assert rows.numbers is not None
    at, seq, spool = rows.observed_at_s.copy(), rows.numbers.record_seq, rows.numbers.spool
    for run in runs.tolist():
        newest: dict[int, float] = {}
        members = order.index[order.start[run] : order.end[run]]
        for row in members[np.argsort(seq[members], kind="stable")].tolist():
            before = newest.get(int(spool[row]), -np.inf)
            if at[row] < before:
                at[row] = max(before, now_s)
            newest[int(spool[row])] = float(at[row])
    rows = replace(rows, observed_at_s=at)
    return rows, order_rows(rows, ties=seq)
