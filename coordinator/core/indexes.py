"""The five indexes by which the paper judges a way of guiding cars (paper 2.4, Fig. 3).

What the field measures beside them (waits, failures, saving) is in `indexes_field.py`, which cars
came by where in `passing.py`. Everything takes plain columns: of a live window or of a simulation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

JAMMED_GRADE = 4.0  # from this grade on a road counts as jammed


def point_demand_km(distances_km: Floats) -> float:
    """Sum of the ways between cars and the piles they were sent to, km; less is better.

    A way that is not known (NaN) adds nothing. Source: paper 2.4 (point demand).

    >>> point_demand_km(np.array([1.5, 2.0, np.nan]))
    3.5
    """
    return float(np.nansum(distances_km))


def total_cost(prices: Floats) -> float:
    """What charging all cars cost together, in the tariffs' currency; less is better.

    Prices that are not known (NaN) add nothing. Source: paper 2.4 (cost constraints).

    >>> total_cost(np.array([12.0, 8.0, np.nan]))
    20.0
    """
    return float(np.nansum(prices))


def gini(values: Floats) -> float:
    """Inequality of non-negative values: 0 all equal, towards 1 all in one.

    Of the cars served at each plug (not pile: stations differ). Source: paper 2.4 (equilibrium
    utilization). Departs: the paper shows bars, no figure.

    >>> gini(np.array([3.0, 3.0, 3.0])), gini(np.array([0.0, 0.0, 0.0, 8.0]))
    (0.0, 0.75)
    """
    total, n = float(values.sum()), len(values)
    if total <= 0:
        return 0.0
    ranks = np.arange(1, n + 1)
    return float(2.0 * np.sum(ranks * np.sort(values)) / (n * total) - (n + 1) / n)


def variation(values: Floats) -> float:
    """Standard deviation over mean (CV); 0 all equal, 0 of nothing.

    Source: paper 2.4 (equilibrium utilization). Departs: the paper shows bars, no figure.

    >>> variation(np.array([3.0, 3.0])), variation(np.array([0.0, 8.0])), variation(np.zeros(2))
    (0.0, 1.0, 0.0)
    """
    mean = float(values.mean()) if len(values) else 0.0
    return float(values.std()) / mean if mean > 0 else 0.0


@dataclass(frozen=True, slots=True)
class IdleGaps:
    """Times between two sessions at one plug; the short ones serve nobody.

    `short_share` is of the gaps, `short_time_share` of their time. Source: paper 2.4 (making full
    use of all the charging resources).
    """

    count: int
    short_count: int
    short_share: float
    short_time_share: float


def idle_gaps(evse: Index, from_s: Floats, to_s: Floats) -> IdleGaps:
    """Gaps between sessions of each EVSE, and how many are shorter than the median session.

    Sessions of one EVSE that touch or overlap leave no gap. Source: paper 2.4 (equilibrium
    utilization). Departs: a gap counts as lost when the median session would not fit.

    >>> sessions = np.array([0, 0, 0, 1]), np.array([0.0, 15.0, 60.0, 5.0])
    >>> idle_gaps(*sessions, np.array([10.0, 25.0, 70.0, 15.0]))  # gaps of 5 and 35, median 10
    IdleGaps(count=2, short_count=1, short_share=0.5, short_time_share=0.125)
    """
    order = np.lexsort((from_s, evse))
    evse, from_s, to_s = evse[order], from_s[order], to_s[order]
    same = evse[1:] == evse[:-1]
    gaps = (from_s[1:] - to_s[:-1])[same]
    gaps = gaps[gaps > 0.0]
    if not len(gaps):
        return IdleGaps(0, 0, 0.0, 0.0)
    short = gaps < np.median(to_s - from_s)
    return IdleGaps(
        len(gaps), int(short.sum()), float(short.mean()), float(gaps[short].sum() / gaps.sum())
    )


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the cars on their way did to the roads.

    Loads are cars on an edge; mean and maximum are of edges on which anybody drove. `jammed_share`
    is of the load, at grade 4 and above; NaN without grades. The changes are against the loads of
    unguided demand, -0.2 for a fifth less; NaN without those. Source: paper 2.4, 2.3.2.3.
    """

    mean_load: float
    max_load: float
    jammed_share: float
    mean_change: float
    max_change: float


def traffic(loads: Floats, grades: Floats | None = None, unguided: Floats | None = None) -> Traffic:
    """Mean and greatest load of the edges (n,), how much of it is jammed, and what guiding changed.

    `grades` 1-5 and `unguided` (the loads of the same cars without guidance) are of the same edges.
    Source: paper 2.4 (the impact on the overall traffic situation), 2.3.2.3 (grades).

    >>> traffic(np.array([4.0, 2.0, 0.0]), np.array([5.0, 1.0, 1.0]), np.array([8.0, 0.0, 0.0]))
    Traffic(mean_load=3.0, max_load=4.0, jammed_share=0.6667, mean_change=-0.625, max_change=-0.5)
    """
    mean, most = _mean_and_max(loads)
    total = float(loads.sum())
    jammed = float("nan")
    if grades is not None:
        jammed = float(loads[grades >= JAMMED_GRADE].sum()) / total if total > 0 else 0.0
    before = (float("nan"), float("nan")) if unguided is None else _mean_and_max(unguided)
    return Traffic(
        mean, most, round(jammed, 4), round(_change(mean, before[0]), 4),
        round(_change(most, before[1]), 4),
    )  # fmt: skip


def _mean_and_max(loads: Floats) -> tuple[float, float]:
    driven = loads[loads > 0]
    return (float(driven.mean()), float(driven.max())) if len(driven) else (0.0, 0.0)


def _change(now: float, before: float) -> float:
    """How much more than before, as a share of it; NaN where nothing can be said."""
    return now / before - 1.0 if before > 0 else float("nan")
