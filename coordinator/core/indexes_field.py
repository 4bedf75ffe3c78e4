"""How well drivers were served: the figures by which the field compares ways of guiding.

The paper's own five are in `indexes.py`. Columns are of cars; NaN is unknown and counts nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.vehicle import WarningLevel

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

NAN = float("nan")


def mean(values: Floats) -> float:
    """Mean of what is known; NaN of nothing.

    Source: published comparisons of charging guidance (mean waiting time).

    >>> mean(np.array([1.0, 3.0, np.nan]))
    2.0
    """
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else NAN


def quantile(values: Floats, share: float = 0.95) -> float:
    """The value that so many do not exceed; NaN of nothing.

    Source: published comparisons of charging guidance (95th percentile of waiting time).

    >>> round(quantile(np.arange(101.0)), 6)
    95.0
    """
    known = values[~np.isnan(values)]
    return float(np.quantile(known, share)) if len(known) else NAN


def by_level(values: Floats, levels: Index) -> dict[WarningLevel, float]:
    """Mean of each warning level; NaN for a level that nobody had.

    Source: paper 2.2 (three levels).

    >>> told = by_level(np.array([1.0, 3.0, 9.0]), np.array([1, 1, 3]))
    >>> [told[level] for level in (WarningLevel.HIGH, WarningLevel.MEDIUM, WarningLevel.LOW)]
    [2.0, nan, 9.0]
    """
    return {
        level: mean(values[levels == int(level)])
        for level in (WarningLevel.HIGH, WarningLevel.MEDIUM, WarningLevel.LOW)
    }


@dataclass(frozen=True, slots=True)
class NoPlug:
    """Arrivals at a station without a usable free plug, as shares of all arrivals.

    `share` is the sum of the three reasons. Source: paper 1 (drivers find no pile free).
    """

    share: float
    occupied: float
    out_of_service: float
    blocked: float


def no_plug(free: Index, occupied: Index, blocked: Index) -> NoPlug:
    """Of each arrival: plugs that it could take, working ones taken or promised, blocked bays.

    Where any plug works, the reason is that others have it; where none does, a blocked bay goes
    before a plug out of service. All zero without arrivals. Source: paper 1.

    >>> no_plug(np.array([1, 0, 0, 0]), np.array([0, 2, 0, 0]), np.array([0, 1, 1, 0]))
    NoPlug(share=0.75, occupied=0.25, out_of_service=0.25, blocked=0.25)
    """
    count = len(free)
    if not count:
        return NoPlug(0.0, 0.0, 0.0, 0.0)
    none = free == 0
    taken = none & (occupied > 0)
    walled = none & ~taken & (blocked > 0)
    dead = none & ~taken & ~walled
    return NoPlug(*(float(mask.sum()) / count for mask in (none, taken, dead, walled)))


def saving(paid: Floats, otherwise: Floats) -> float:
    """Share of what the same cars would have paid otherwise that they kept; NaN if unknown.

    Source: published comparisons of charging guidance (charging price).

    >>> saving(np.array([9.0, np.nan]), np.array([10.0, 50.0]))
    0.1
    """
    both = ~(np.isnan(paid) | np.isnan(otherwise))
    whole = float(otherwise[both].sum())
    return round(1.0 - float(paid[both].sum()) / whole, 6) if whole > 0 else NAN


def gap_to_optimum(achieved: float, bound: float) -> float:
    """How much worse than a bound that nobody can beat, as a share of the bound; NaN without one.

    Source: published comparisons of charging guidance (optimality gap).

    >>> gap_to_optimum(12.0, 10.0)
    0.2
    """
    return round(achieved / bound - 1.0, 6) if bound > 0 else NAN
