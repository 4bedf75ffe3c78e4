"""What drivers did at each half-hour of the last 30 days, and what the district did as a whole.

One byte a driver, day and half-hour. What is made of the counts is in `intention.py`; where the
stays come from is the business of `usecases/intention.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.intention import DAYS, Intention
from coordinator.core.recommend.rules import DEFAULT_RULES

Floats = NDArray[np.float64]

SLOTS = 48
SLOT_S = 1_800.0
DAY_S = 86_400.0
BEFORE_PLUG_IN_S = 1_200.0  # on the way so long before plug-in, where nothing was promised
ON_THE_WAY_MOST_S = 7_200.0  # a promise for tonight is no drive that lasts all day
STAY_MOST_S = 2 * DAY_S  # a session that never ended in the rows is not believed longer
NO_HOLIDAYS: frozenset[int] = frozenset()

_RING = DAYS + 1  # the 30 days before today, and today
_FIRST_ROWS = 64
_S1, _S2 = np.uint8(Intention.ON_THE_WAY), np.uint8(Intention.AT_PILE)  # 0 is S3
_NEVER = -(10**9)

Days = tuple[int, int, int]


def half_hours(from_s: float, to_s: float, utc_offset_h: float) -> list[tuple[int, int]]:
    """Local (day since 1970, half-hour 0-47) that a stretch of time touches; its end is outside.

    Source: paper 2.1 (periods of the day).

    >>> half_hours(1_800.0 * 47, 1_800.0 * 49, 0.0)
    [(0, 47), (1, 0)]
    """
    shift_s = utc_offset_h * 3600.0
    first = math.floor((from_s + shift_s) / SLOT_S)
    last = max(math.ceil((to_s + shift_s) / SLOT_S), first + 1)
    return [divmod(slot, SLOTS) for slot in range(first, last)]


def is_weekend(day: int, holidays: AbstractSet[int] = NO_HOLIDAYS) -> bool:
    """Whether a day since 1970-01-01, a Thursday, is a Saturday, a Sunday or one of the holidays.

    Source: paper 2.1.

    >>> [is_weekend(day) for day in (1, 2, 3, 4)]  # Friday to Monday
    [False, True, True, False]
    >>> is_weekend(4, holidays={4})
    True
    """
    return (day + 3) % 7 >= 5 or day in holidays


def days_alike(today: int, holidays: AbstractSet[int] = NO_HOLIDAYS) -> list[int]:
    """Those of the 30 days before today that are of its kind: weekdays, or weekends and holidays.

    Departs: paper 2.1 counts all 30 days together.

    Source: paper 2.1 (30 days).

    >>> len(days_alike(4)), len(days_alike(2))  # a Monday and a Saturday
    (20, 8)
    """
    kind = is_weekend(today, holidays)
    return [day for day in range(today - DAYS, today) if is_weekend(day, holidays) is kind]


class IntentionHistory:
    """Counts of days in S1, S2 and S3 by driver and half-hour. Source: paper 2.1, Eq. (1).

    A half-hour counts once a day, S2 before S1 before S3. Days are local: `utc_offset_h`. Holidays
    count with the weekends. Fewer than `least_drivers` with a history are not yet the district.
    """

    def __init__(
        self, utc_offset_h: float = 0.0, least_drivers: int = DEFAULT_RULES.least_drivers
    ) -> None:
        self.utc_offset_h = utc_offset_h
        self.least_drivers = least_drivers
        self.holidays: AbstractSet[int] = NO_HOLIDAYS  # days since 1970; set before use
        self._row: dict[str, int] = {}
        self._free: list[int] = []
        # (half-hour, driver, day modulo 31): one half-hour of everybody lies together.
        self._states = np.zeros((SLOTS, _FIRST_ROWS, _RING), dtype=np.uint8)
        self._day = np.full(_RING, _NEVER, dtype=np.int64)
        self._newest = np.full(
            _FIRST_ROWS, _NEVER, dtype=np.int64
        )  # day of each driver's last mark
        self._whole: dict[tuple[int, int], Days] = {}

    def __len__(self) -> int:
        return len(self._row)

    def learn(
        self, driver: str, plugged_at_s: float, left_at_s: float, promised_at_s: float = math.nan
    ) -> None:
        """Takes a stay at a pile; learning it again, or a longer one, changes nothing else.

        S2 from plug-in to plug-out; S1 from the promise, or 20 min, before plug-in.
        """
        left_at_s = min(left_at_s, plugged_at_s + STAY_MOST_S)
        from_s = plugged_at_s - BEFORE_PLUG_IN_S
        if promised_at_s < plugged_at_s:
            from_s = max(promised_at_s, plugged_at_s - ON_THE_WAY_MOST_S)
        row = self._row_of(driver)
        self._mark(row, from_s, plugged_at_s, _S1)
        self._mark(row, plugged_at_s, left_at_s, _S2)

    def forget(self, driver: str) -> None:
        """Removes everything known of a driver."""
        row = self._row.pop(driver, None)
        if row is not None:
            self._states[:, row] = 0
            self._newest[row] = _NEVER
            self._free.append(row)
            self._whole.clear()

    def prune(self, now_s: float) -> None:
        """Forgets drivers of whom nothing is known in the last 30 days."""
        oldest = self._now(now_s)[0] - DAYS
        for driver in [one for one, row in self._row.items() if self._newest[row] < oldest]:
            self.forget(driver)

    def days(self, driver: str, now_s: float) -> Days | None:
        """Days in S1, S2 and S3 at this half-hour; None for a driver without history."""
        today, slot = self._now(now_s)
        row = self._row.get(driver)
        if row is None or self._newest[row] < today - DAYS:
            return None
        on_the_way, at_pile = self._counts(np.array([row]), today, slot)
        s1, s2 = int(on_the_way[0]), int(at_pile[0])
        return s1, s2, len(self._alike(today)) - s1 - s2

    def district_days(self, now_s: float) -> Days:
        """The same, summed over all drivers with a history; 30 days of S3 where they are too few.

        What one or two drivers do says nothing of a stranger, and would tell the stranger of them.
        """
        today, slot = self._now(now_s)
        known = self._whole.get((today, slot))
        if known is None:
            rows = np.array(list(self._row.values()), dtype=np.intp)
            rows = rows[self._newest[rows] >= today - DAYS] if len(rows) else rows
            on_the_way, at_pile = self._counts(rows, today, slot)
            s1, s2 = int(on_the_way.sum()), int(at_pile.sum())
            known = s1, s2, len(self._alike(today)) * len(rows) - s1 - s2
            enough = len(rows) >= max(self.least_drivers, 1)
            self._whole = {(today, slot): known if enough else (0, 0, DAYS)}
            known = self._whole[today, slot]
        return known

    def p_on_the_way(self, drivers: Sequence[str], now_s: float) -> Floats:
        """P(S1) at this half-hour of each driver, those without history by the district's own."""
        today, slot = self._now(now_s)
        s1, s2, s3 = self.district_days(now_s)
        chances = np.full(len(drivers), (s1 + 1) / (s1 + s2 + s3 + 3))
        rows = np.array([self._row.get(driver, -1) for driver in drivers], dtype=np.intp)
        known = (rows >= 0).nonzero()[0]
        known = known[self._newest[rows[known]] >= today - DAYS]
        if len(known):
            on_the_way, _ = self._counts(rows[known], today, slot)
            chances[known] = (on_the_way + 1) / (len(self._alike(today)) + 3)
        return chances

    def _alike(self, today: int) -> list[int]:
        return days_alike(today, self.holidays)

    def _now(self, now_s: float) -> tuple[int, int]:
        return half_hours(now_s, now_s, self.utc_offset_h)[0]

    def _counts(
        self, rows: NDArray[np.intp], today: int, slot: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Days in S1 and in S2 of these drivers among the days like today."""
        alike = np.array(self._alike(today), dtype=np.int64)
        marked = alike[self._day[alike % _RING] == alike] % _RING
        states = self._states[slot][rows][:, marked]
        return (states == _S1).sum(axis=1), (states == _S2).sum(axis=1)

    def _row_of(self, driver: str) -> int:
        row = self._row.get(driver)
        if row is None:
            row = self._free.pop() if self._free else len(self._row)
            if row >= len(self._newest):
                self._grow()
            self._row[driver] = row
        return row

    def _grow(self) -> None:
        count = len(self._newest)
        wider = np.zeros((SLOTS, 2 * count, _RING), dtype=np.uint8)
        wider[:, :count] = self._states
        self._states = wider
        self._newest = np.concatenate([self._newest, np.full(count, _NEVER, dtype=np.int64)])

    def _mark(self, row: int, from_s: float, to_s: float, state: np.uint8) -> None:
        """Marks the half-hours of a stretch of time; days that are too old are passed over."""
        if to_s <= from_s:
            return
        for day, slot in half_hours(from_s, to_s, self.utc_offset_h):
            at = day % _RING
            if self._day[at] > day:
                continue
            if self._day[at] < day:
                self._states[:, :, at] = 0
                self._day[at] = day
            if self._states[slot, row, at] < state:
                self._states[slot, row, at] = state
            self._newest[row] = max(self._newest[row], day)
