"""What the sessions of a window come to: one reckoning for all who tell of it.

The web's evaluation cuts it into parts (`evaluation.py`), `GetIndexes` tells it by name
(`indexes_now.py`); which sessions belong to the window, each decides. NaN is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.indexes import IdleGaps, gini, idle_gaps, total_cost, variation
from coordinator.core.indexes_field import by_level, mean, quantile
from coordinator.core.sessions import ChargeSession
from coordinator.core.vehicle import WarningLevel

Floats = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Charged:
    """The sessions as columns, (n,). `evse` is -1 where the EVSE is gone, `level` 0 where unknown.

    `end_s` is NaN while the car is there.
    """

    evse: Index
    begin_s: Floats
    end_s: Floats
    wait_s: Floats
    price: Floats
    failed: Floats
    level: Index

    @classmethod
    def of(
        cls,
        sessions: Sequence[ChargeSession],
        evse_row: Mapping[str, int],
        level_of: Mapping[str, int],
    ) -> Charged:
        """Columns of these sessions; levels are those of their recommendations."""

        def column(values: Sequence[float]) -> Floats:
            return np.array(values, dtype=np.float64)

        return cls(
            np.array([evse_row.get(s.evse_id, -1) for s in sessions], dtype=np.intp),
            column([s.started_at_s for s in sessions]),
            column([math.nan if s.ended_at_s is None else s.ended_at_s for s in sessions]),
            column([s.wait_s for s in sessions]),
            column([s.price for s in sessions]),
            column([s.ended_by_fault for s in sessions]),
            np.array(
                [
                    int(level_of.get(s.recommendation_id, 0)) if s.recommendation_id else 0
                    for s in sessions
                ],
                dtype=np.intp,
            ),
        )

    def until(self, now_s: float) -> Floats:
        """Ends, for a car that is still there now, (n,)."""
        return np.where(np.isnan(self.end_s), now_s, self.end_s)

    def served(self, evse_count: int) -> Floats:
        """How many charged at each EVSE that there is, (evse_count,)."""
        known = self.evse[self.evse >= 0]
        return np.bincount(known, minlength=evse_count).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Totals:
    """The window's sessions together. `cost` is of `priced` of them; balance is of all EVSEs."""

    count: int
    cost: float
    priced: int
    mean_price: float
    gini: float
    variation: float
    gaps: IdleGaps
    failed_share: float


def totals(charged: Charged, evse_count: int, now_s: float | None = None) -> Totals:
    """Flow demand, cost, equilibrium and failures.

    Cars that are still there end a gap by coming; they begin none, unless they are told to be
    thought gone `now_s`.
    """
    ends_s = charged.end_s if now_s is None else charged.until(now_s)
    told = (charged.evse >= 0) & ~np.isnan(ends_s)
    served = charged.served(evse_count)
    return Totals(
        len(charged.evse),
        total_cost(charged.price),
        int(np.count_nonzero(~np.isnan(charged.price))),
        mean(charged.price),
        gini(served),
        variation(served),
        idle_gaps(charged.evse[told], charged.begin_s[told], ends_s[told]),
        mean(charged.failed),
    )


@dataclass(frozen=True, slots=True)
class Waits:
    """How long cars waited that said when they were there; seconds, NaN of none."""

    count: int
    mean_s: float
    p95_s: float


def waits(charged: Charged) -> Waits:
    """Of all of them."""
    return _waits(charged.wait_s)


def waits_by_level(charged: Charged) -> dict[WarningLevel, Waits]:
    """Of each warning level; a car whose level is not known is in none."""
    return {
        level: _waits(charged.wait_s[charged.level == int(level)])
        for level in by_level(charged.wait_s, charged.level)
    }


def _waits(wait_s: Floats) -> Waits:
    return Waits(int(np.count_nonzero(~np.isnan(wait_s))), mean(wait_s), quantile(wait_s))
