"""The order of candidates under each sort key (steps 330, 520-530; paper Eq. 4, 5, 8).

What the keys are made of is computed in the pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.asked import Asked
from coordinator.core.recommend.columns import Batch, Columns, Ranked
from coordinator.core.recommend.merge import NOT_RECOMMENDED, percent, situation
from coordinator.core.recommend.reminder import Reminder
from coordinator.core.recommend.traffic import integrated_factor
from coordinator.core.vehicle import SelectBy, WarningLevel

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

JUDGED = 5  # the ranker's first ones, judged by the merged score
NOBODY: Index = np.zeros(0, dtype=np.intp)
TIE_S = 1.0  # costs closer than this are equal


def ranked(
    batch: Batch,
    asked: Asked,
    levels: Sequence[tuple[WarningLevel, str]],
    reach_km: Sequence[float],
    reminders: Sequence[Reminder | None],
    relaxed: Sequence[tuple[str, ...]],
    degraded: tuple[str, ...],
) -> list[Ranked]:
    """The answers of the pipeline, one a request, in their order.

    Source: US 12,393,974 B2, step 530.
    """
    wanted, held = _first_without_promises(batch)
    made = []
    usual = asked.rules.select_by
    for number, request in enumerate(asked.requests):
        level, reason = levels[number]
        count = batch.counts[number]
        if not count:
            remind = reminders[number]
            made.append(
                Ranked(level, reason, reach_km[number], None, number, NOBODY, reminder=remind)
            )
            continue
        ordered = batch.by_cost[number, :count]
        answer = Ranked(
            level, reason, reach_km[number], batch, number, ordered, wanted[number], held[number],
            relaxed[number], degraded, reminders[number],
        )  # fmt: skip
        select_by = request.select_by or usual
        if select_by is not SelectBy.COST:
            assert answer.columns is not None
            answer.order, answer.passed_over = order(select_by, answer.columns)
            answer.wanted = int(answer.order[0])
            answer.conflict = bool(answer.columns.wait.held[answer.wanted])
        made.append(answer)
    return made


def without_candidates(
    levels: Sequence[tuple[WarningLevel, str]],
    reach_km: Sequence[float],
    reminders: Sequence[Reminder | None],
) -> list[Ranked]:
    """The answers of the pipeline where no request has a candidate.

    Source: US 12,393,974 B2, step 350.
    """
    return [
        Ranked(*level, reach_km[number], None, number, NOBODY, reminder=reminders[number])
        for number, level in enumerate(levels)
    ]


def _first_without_promises(batch: Batch) -> tuple[list[int], list[bool]]:
    """For each request the candidate that would be first if nothing were promised to others.

    Among equals one that is not promised is taken, so that ten like EVSEs make no conflict. And
    whether that candidate is promised.
    """
    wait, total = batch.columns.wait, batch.columns.cost.total
    row = np.arange(len(total))
    first = batch.by_cost[:, 0]
    without = total + (wait.unheld_s - wait.expected_s) - batch.columns.cost.crowd
    equal = without <= without.min(axis=1, keepdims=True) + TIE_S
    unheld = equal & ~wait.held
    best = np.where(unheld.any(axis=1), unheld.argmax(axis=1), equal.argmax(axis=1))
    wanted = np.where(equal[row, first], first, best)
    return wanted.tolist(), wait.held[row, wanted].tolist()


def order(select_by: SelectBy, columns: Columns) -> tuple[Index, int | None]:
    """Candidates, best first, and the one that was first but is not recommended, if it gave way.

    Equals are ordered by the one cost, then by nearness. Source: US 12,393,974 B2, steps 330, 520,
    530. Departs: by the one cost unless another order is asked for.
    """
    total = columns.cost.total
    if select_by is SelectBy.COST:
        return total.argsort(kind="stable"), None
    if select_by in (SelectBy.RANKER, SelectBy.MERGED):
        return _by_ranker(select_by, columns)
    return np.lexsort((total, key(select_by, columns))), None


def key(select_by: SelectBy, columns: Columns) -> Floats:
    """The sort key, smaller is better, shape (n,).

    Source: US 12,393,974 B2, step 330; paper 2.3.2.2, Eq. (4), (5); paper 3, Eq. (8).
    """
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


def _by_ranker(select_by: SelectBy, columns: Columns) -> tuple[Index, int | None]:
    """The ranker's order; its first five by merged score if asked, or if its first is poor.

    Source: steps 520-530 and 630: a first that is "not recommended" gives way to the best of the
    next four.
    """
    ranked = np.lexsort((columns.cost.total, -columns.share))
    judged = ranked[:JUDGED]
    scores = percent(columns.merged[judged], columns.first[judged], columns.failure_weight[judged])
    poor = situation(float(scores[0])) == NOT_RECOMMENDED
    if select_by is not SelectBy.MERGED and not poor:
        return ranked, None
    best = judged[(-scores).argsort(kind="stable")]
    gave_way = poor and best[0] != judged[0]
    return np.concatenate([best, ranked[JUDGED:]]), int(judged[0]) if gave_way else None
