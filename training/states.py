"""Rows for the arrival model: what was known of a connector at an instant, and what came after.

Works on any feed of states, real or made up; nothing of what came later is in the columns. How the
model learns from the rows is in `arrival.py`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.arrival import BROKEN, BUSY, FREE, UNKNOWN
from coordinator.core.reliability.evidence import anchored_prior, pooled_rate
from coordinator.core.reliability.frailty import gamma_shape
from coordinator.models.arrival_table import rows as table_rows
from training.backtest.outages import Timeline, timelines
from training.backtest.served import rapid
from training.sources import (
    AVAILABLE,
    OCCUPIED,
    OUT_OF_CONTACT,
    OUT_OF_SERVICE,
    PART,
    Connectors,
    Intervals,
)

Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]
Index = NDArray[np.intp]

DAY_S = 86_400.0
WARM_UP_S = DAY_S  # before the first instant: an age is unknown at the begin of a feed
SHORTEST_S, USUAL_S, LONGEST_S = 60.0, 4 * 3_600.0, DAY_S
LONG_SHARE = 0.2  # of the drives that are longer than usual
RESOLVED_S = DAY_S  # how long contact may be missing until a state counts as never seen

# Kinds of status by states of the feed; a post of which a part is taken has a plug that is free.
KIND_OF_STATE = np.zeros(5, dtype=np.intp)
KIND_OF_STATE[[AVAILABLE, PART, OCCUPIED, OUT_OF_SERVICE, OUT_OF_CONTACT]] = [
    FREE, FREE, BUSY, BROKEN, UNKNOWN,
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class States:
    """Columns of the model (n, 11), whether it worked and was free then (NaN: nobody knows)."""

    columns: Float32
    works: Float32
    free: Float32
    at_s: Floats

    def __len__(self) -> int:
        return len(self.at_s)

    def take(self, rows: NDArray[np.bool_]) -> States:
        """The rows that are marked."""
        return States(self.columns[rows], self.works[rows], self.free[rows], self.at_s[rows])

    def sha256(self) -> str:
        """The hash that a bundle gives as its training data."""
        digest = hashlib.sha256(np.ascontiguousarray(self.columns).tobytes())
        digest.update(self.works.tobytes() + self.free.tobytes())
        return digest.hexdigest()


def states_of(connectors: Connectors, intervals: Intervals, seed: int, each: int) -> States:
    """`each` instants of every connector at random, each with a drive of random length.

    A connector out of contact on arrival is judged by what it was when contact came back; whether
    it was free then is not known.
    """
    rng = np.random.default_rng([seed, 9])
    lines, fast = timelines(intervals), rapid(connectors)
    rates = daily_rates(lines, fast, intervals)
    mates = [np.flatnonzero(connectors.address == one) for one in connectors.address]
    parts = []
    for number, line in enumerate(lines):
        at_s = np.sort(rng.uniform(intervals.from_s + WARM_UP_S, intervals.to_s, each))
        ahead_s = _drives(rng, each)
        now = line.state(at_s)
        later_s = at_s + ahead_s
        seen = (now >= 0) & (later_s < intervals.to_s)
        at_s, ahead_s, later_s, now = at_s[seen], ahead_s[seen], later_s[seen], now[seen]
        share = np.mean([_is_free(lines[mate].state(at_s)) for mate in mates[number]], axis=0)
        day = ((at_s - intervals.from_s) / DAY_S).astype(np.intp)
        columns = table_rows(
            KIND_OF_STATE[now],
            np.full(len(now), fast[number]),
            line.age_s(at_s) / 60.0,
            later_s / 3600.0 % 24.0,
            ahead_s / 60.0,
            share,
            rates[day, number],
        )
        works, free = _outcomes(line, later_s)
        parts.append(States(columns, works, free, at_s))
    return States(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("columns", "works", "free", "at_s")
        )
    )


def daily_rates(lines: list[Timeline], fast: NDArray[np.bool_], intervals: Intervals) -> Floats:
    """P(an outage starts within 24 h) as it was believed at the begin of each day, (days, m)."""
    days = int(np.ceil((intervals.to_s - intervals.from_s) / DAY_S)) + 1
    rates = np.empty((days, len(lines)))
    onsets = [np.array(line.onsets(intervals.from_s, intervals.to_s)) for line in lines]
    for day in range(days):
        to_s = min(intervals.from_s + day * DAY_S, intervals.to_s)
        lost = [
            line.spent_s(intervals.from_s, to_s, OUT_OF_SERVICE)
            + line.spent_s(intervals.from_s, to_s, OUT_OF_CONTACT)
            for line in lines
        ]
        exposure = np.maximum(to_s - intervals.from_s - np.array(lost), 0.0) / DAY_S
        faults = np.array([float((one < to_s).sum()) for one in onsets])
        expected = np.empty(len(lines))
        for kind in (False, True):
            alike = fast == kind
            expected[alike] = pooled_rate(faults[alike], exposure[alike])
        shape = gamma_shape(faults, exposure, expected)
        rates[day] = anchored_prior(faults, exposure, expected, shape)
    return rates


def _drives(rng: np.random.Generator, count: int) -> Floats:
    """Seconds ahead: most up to four hours, even on a scale of logarithms."""
    usual = np.exp(rng.uniform(np.log(SHORTEST_S), np.log(USUAL_S), count))
    long = rng.uniform(USUAL_S, LONGEST_S, count)
    return np.where(rng.random(count) < LONG_SHARE, long, usual)


def _outcomes(line: Timeline, later_s: Floats) -> tuple[Float32, Float32]:
    """Whether it worked, and was free if it worked; NaN where nobody knows."""
    heard = line.states != OUT_OF_CONTACT
    starts, states = line.starts[heard], line.states[heard]
    ends = line.ends[heard]
    row = np.searchsorted(ends, later_s, side="right")  # the first that is not over by then
    known = row < len(ends)
    row = np.minimum(row, max(len(ends) - 1, 0))
    if not len(ends):
        nothing = np.full(len(later_s), np.nan, dtype=np.float32)
        return nothing, nothing
    known &= starts[row] - later_s <= RESOLVED_S
    works = np.where(known, states[row] != OUT_OF_SERVICE, np.nan)
    then = line.state(later_s)
    in_use = np.isin(then, (AVAILABLE, PART, OCCUPIED))
    free = np.where(in_use, _is_free(then), np.nan)
    return works.astype(np.float32), free.astype(np.float32)


def _is_free(states: Index) -> NDArray[np.bool_]:
    return np.isin(states, (AVAILABLE, PART))
