"""The one way in which data are split: by time. What is tested is later than what is learned from.

Nothing here draws lots: rows of one day resemble each other, and of one driver even more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def by_time(at_s: Floats, cuts_s: Sequence[float]) -> list[Flags]:
    """Which rows are of each part; a part begins at its cut, and there is one part more than cuts.

    Rows of the same instant are in the same part. Raises ValueError for cuts that descend.

    >>> [part.tolist() for part in by_time(np.array([1.0, 5.0, 2.0]), [2.0])]
    [[True, False, False], [False, True, True]]
    """
    if list(cuts_s) != sorted(cuts_s):
        raise ValueError("cuts must ascend in time")
    part = np.searchsorted(np.asarray(cuts_s, dtype=np.float64), at_s, side="right")
    return [np.asarray(part == number) for number in range(len(cuts_s) + 1)]


def shares_of_span(at_s: Floats, shares: Sequence[float]) -> list[float]:
    """Instants at which these shares of the time from first to last row have passed.

    >>> shares_of_span(np.array([0.0, 10.0]), (0.7, 0.85))
    [7.0, 8.5]
    """
    begin, end = float(np.min(at_s)), float(np.max(at_s))
    return [begin + share * (end - begin) for share in shares]


def shares_of_rows(at_s: Floats, shares: Sequence[float]) -> list[float]:
    """Instants before which these shares of the rows lie, for data that come in bursts.

    >>> shares_of_rows(np.array([0.0, 1.0, 2.0, 100.0]), (0.75,))
    [100.0]
    """
    ordered = np.sort(at_s)
    places = [min(int(share * len(ordered)), len(ordered) - 1) for share in shares]
    return [float(ordered[place]) for place in places]
