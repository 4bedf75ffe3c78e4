"""Everything judged about candidates, as columns; the pipeline fills them, others read them.

No rule stands here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from coordinator.core.areas.cost import Cost
from coordinator.core.recommend.chain import Filtered
from coordinator.core.recommend.eta import Drive
from coordinator.core.recommend.found import Candidates
from coordinator.core.recommend.reminder import Reminder
from coordinator.core.recommend.waiting import Wait
from coordinator.core.vehicle import WarningLevel

Floats = NDArray[np.float64]
Group = TypeVar("Group", Drive, Wait, Cost)


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of shape (r, n) for r requests, or of one request (n,) by `of`.

    Source: US 12,393,974 B2, step 330; paper 2.3.2.
    """

    candidates: Candidates
    drive: Drive
    wait: Wait
    charge_s: Floats
    power_kw: Floats
    energy_kwh: Floats
    p_working: Floats
    p_free: Floats
    price: Floats  # NaN where unknown
    preference: Floats
    equilibrium: Floats
    traffic_grade: Floats | float
    features: NDArray[np.float32]  # (..., n, len(FEATURES))
    share: Floats  # of the ranker, sums to 1
    first: Floats  # NaN without a destination
    second: Floats
    failure_weight: Floats
    merged: Floats
    cost: Cost

    def of(self, number: int, count: int) -> Columns:
        """The columns of one request, without padding."""
        cut = number, slice(0, count)
        grade = self.traffic_grade
        return Columns(
            self.candidates.of(number, count),
            _cut(self.drive, cut),
            _cut(self.wait, cut),
            self.charge_s[cut],
            self.power_kw[cut],
            self.energy_kwh[cut],
            self.p_working[cut],
            self.p_free[cut],
            self.price[cut],
            self.preference[cut],
            self.equilibrium[cut],
            grade if isinstance(grade, float) else grade[cut],
            self.features[cut],
            self.share[cut],
            self.first[cut],
            self.second[cut],
            self.failure_weight[cut],
            self.merged[cut],
            _cut(self.cost, cut),
        )


_NAMES = {kind: tuple(column.name for column in fields(kind)) for kind in (Drive, Wait, Cost)}


def _cut(group: Group, cut: Any) -> Group:
    kind = type(group)
    return kind(*[getattr(group, name)[cut] for name in _NAMES[kind]])


@dataclass(slots=True, eq=False)
class Batch:
    """Columns of requests judged side by side, and their order by the one cost, (r, n).

    Source: US 12,393,974 B2, step 330; paper 2.3.2.
    """

    columns: Columns
    by_cost: NDArray[np.intp]
    counts: list[int]  # candidates of each request; they come first in its row
    told: object = None  # what is made of the whole batch once, by whoever tells cars
    # What the chain did, and the stations of the candidates as they were before it, (r, n).
    filtered: tuple[Filtered, NDArray[np.intp]] | None = None
    travel_learned: bool = False  # whether the travel-demand model gave the first scores

    def first(self, width: int) -> NDArray[np.intp]:
        """The first `width` of each request's order (r, width), as indexes of raveled columns."""
        order = self.by_cost[:, :width]
        whole = self.by_cost.shape[1]
        return order + np.arange(0, self.by_cost.size, whole)[:, None]

    def filtered_out(self, number: int, place: int) -> str:
        """The filter that left out the first candidate of a request at a station around it.

        Empty if it had none there.
        """
        if self.filtered is None:
            return ""
        filtered, places = self.filtered
        there = np.flatnonzero((places[number] == place) & filtered.before[number])
        return filtered.reason(number, int(there[0])) if len(there) else ""


@dataclass(slots=True, eq=False)
class Ranked:
    """The answer of the pipeline to one request. `order` leads into the columns, best first.

    Source: US 12,393,974 B2, step 330; paper 2.3.2.
    """

    level: WarningLevel
    level_reason: str
    reach_km: float
    batch: Batch | None  # None if there are no candidates
    number: int  # of the request in the batch
    order: NDArray[np.intp]
    wanted: int | None = None  # candidate that would be first if nothing were promised to others
    conflict: bool = False  # whether that one is promised to another car
    relaxed: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    reminder: Reminder | None = None
    time_left_min: float = float("inf")  # drive that is left beyond the nearest usable pile
    said: object = None  # what the newest sentences were made of, by whoever tells cars
    passed_over: int | None = None  # candidate that was first, but is not recommended
    _columns: Columns | None = field(default=None, init=False, repr=False)

    @property
    def columns(self) -> Columns | None:
        """The columns of this request, (n,); None if there are no candidates."""
        if self._columns is None and self.batch is not None:
            self._columns = self.batch.columns.of(self.number, self.batch.counts[self.number])
        return self._columns

    @property
    def rows(self) -> NDArray[np.intp]:
        """Rows of the district, best first."""
        if self.columns is None:
            return np.zeros(0, dtype=np.intp)
        return self.columns.candidates.evse[self.order]
