"""The order of candidates under each sort key (steps 330, 520-530; paper Eq. 4, 5, 8).

What the keys are made of is computed in the pipeline.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.merge import NOT_RECOMMENDED, situation
from coordinator.core.recommend.traffic import integrated_factor
from coordinator.core.vehicle import SelectBy

if TYPE_CHECKING:
    from coordinator.core.recommend.pipeline import Columns

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

JUDGED = 5  # the ranker's first ones, judged by the merged score
TIE_S = 1.0  # costs closer than this are equal


def order(select_by: SelectBy, columns: Columns) -> Index:
    """Candidates, best first; equals by the one cost, then by nearness."""
    total = columns.cost.total
    if select_by is SelectBy.COST:
        return total.argsort(kind="stable")
    if select_by in (SelectBy.RANKER, SelectBy.MERGED):
        return _by_ranker(select_by, columns)
    return np.lexsort((total, key(select_by, columns)))


def key(select_by: SelectBy, columns: Columns) -> Floats:
    """The sort key, smaller is better, shape (n,)."""
    keys: dict[SelectBy, Callable[[], Floats]] = {
        SelectBy.TIME: lambda: columns.drive.drive_s,
        SelectBy.QUEUE: lambda: columns.wait.ahead + columns.wait.p50_s / 1e6,
        SelectBy.TOTAL_TIME: lambda: columns.drive.drive_s + columns.wait.p50_s + columns.charge_s,
        SelectBy.PREFERENCE: lambda: -columns.preference,
        SelectBy.PRICE: lambda: np.nan_to_num(columns.price, nan=np.inf),
        SelectBy.TRAFFIC: lambda: np.zeros(len(columns.share)) + columns.traffic_grade,
        SelectBy.INTEGRATED: lambda: (
            -integrated_factor(
                columns.preference, np.zeros(len(columns.share)) + columns.traffic_grade
            )
        ),
    }
    return keys[select_by]()


def _by_ranker(select_by: SelectBy, columns: Columns) -> Index:
    """The ranker's order; its first five by merged score if asked, or if its first is poor.

    Source: steps 520-530 and 630: a first that is "not recommended" gives way to the best of the
    next four.
    """
    ranked = np.lexsort((columns.cost.total, -columns.share))
    judged = ranked[:JUDGED]
    poor = situation(float(columns.merged[ranked[0]])) == NOT_RECOMMENDED
    if select_by is SelectBy.MERGED or poor:
        best = judged[(-columns.merged[judged]).argsort(kind="stable")]
        return np.concatenate([best, ranked[JUDGED:]])
    return ranked


def first_without_promises(select_by: SelectBy, columns: Columns, ordered: Index) -> int:
    """The candidate that would be first if nothing were promised to other cars.

    Among equals one that is not promised is taken, so that ten like EVSEs make no conflict.
    """
    first = int(ordered[0])
    wait = columns.wait
    if not wait.held.any() or select_by is not SelectBy.COST:
        return first
    total = columns.cost.total + (wait.unheld_s - wait.expected_s)
    equal = total <= total.min() + TIE_S
    if equal[first]:
        return first
    open_equal = equal & ~wait.held
    return int((open_equal if open_equal.any() else equal).argmax())
