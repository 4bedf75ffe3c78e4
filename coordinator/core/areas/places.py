"""Places in the queues of EVSEs, as the joint plan sees them: when each is, and what it costs.

Pure. Which cars there are, and what each knows of its candidates, comes from the pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.areas.assignment import NOWHERE, Problem
from coordinator.core.district import District
from coordinator.core.recommend.crowding import put_off_s
from coordinator.core.recommend.layout import layout_of

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

TURNS = 3  # cars promised to one EVSE at once
PLACES_OF_KIND = 10  # places of EVSEs alike at one station that a car may get


def kinds_of(district: District) -> Index:
    """A number for each EVSE, the same for those of one station that are alike to every car.

    Source: paper 2.3.1 (the piles of an area stand in for each other).
    """
    kept = district.derived.get("kinds")
    if isinstance(kept, np.ndarray):
        return kept
    alike = np.stack(
        [
            district.station.astype(np.float64),
            district.dc.astype(np.float64),
            layout_of(district).plugs.astype(np.float64),
            district.max_power_kw.astype(np.float64),
        ]
    )
    _, kinds = np.unique(alike, axis=1, return_inverse=True)
    made: Index = kinds.ravel().astype(np.intp)
    district.derived["kinds"] = made
    return made


@dataclass(frozen=True, slots=True)
class Places:
    """Places in order of kind, within a kind in order of when they are ready; `turn` is from 0.

    Source: paper 2.3.1.
    """

    evse: Index
    turn: Index
    ready_s: Floats  # from now
    kind: Index

    def of_each(self, evse: Index, turn: Index) -> Index:
        """The same for many, -1 for those that are none.

        >>> made = Places(np.array([5, 4]), np.array([0, 1]), np.zeros(2), np.zeros(2, dtype=int))
        >>> made.of_each(np.array([4, 4, 5, -1]), np.array([1, 0, 0, 0])).tolist()
        [1, -1, 0, -1]
        """
        known = zip(self.evse.tolist(), self.turn.tolist(), strict=True)
        at = {pair: place for place, pair in enumerate(known)}
        asked = zip(evse.tolist(), turn.tolist(), strict=True)
        return np.array([at.get(pair, NOWHERE) for pair in asked], dtype=np.intp)

    def of(self, evse: int, turn: int) -> int:
        """The place of this turn at this EVSE, -1 if it is none."""
        found = np.flatnonzero((self.evse == evse) & (self.turn == turn))
        return int(found[0]) if len(found) else NOWHERE


def turns_ready_s(
    ready_s: Floats, ends_s: Mapping[int, Sequence[float]], stay_s: float, drive_s: float
) -> Floats:
    """When each turn at each EVSE can begin, from now, shape (m, 3).

    `ready_s` is when the first can, `ends_s` when those who are promised it now will have left by
    plan, by its index, in order. Whoever comes after the last of them waits for a mean stay each;
    where nobody is promised, the first is thought to come after `drive_s`.

    Source: paper 2.3.1, 2.3.2.2. Departs: the paper counts one user ahead.

    >>> turns_ready_s(np.array([600.0, 0.0]), {1: [900.0]}, 1800.0, 120.0).tolist()
    [[600.0, 2400.0, 4200.0], [0.0, 900.0, 2700.0]]
    """
    made: Floats = np.maximum(ready_s, drive_s)[:, None] + stay_s * np.arange(TURNS)
    made[:, 0] = ready_s
    for at, ends in ends_s.items():
        known = min(len(ends), TURNS - 1)
        made[at, 1 : known + 1] = np.maximum(ends[:known], ready_s[at])
        made[at, known + 1 :] = made[at, known] + stay_s * np.arange(1, TURNS - known)
    return made


def places(kind: Index, evse: Index, ready_s: Floats, promised: Index) -> Places:
    """The turns at these EVSEs, (m, 3), that cars may be given.

    Of each kind only the earliest, and those that some of the `promised` cars hold now.

    Source: paper 2.3.1.

    >>> made = places(np.array([0, 0]), np.array([4, 5]),
    ...               np.array([[600.0, 2400.0], [0.0, 1800.0]]), np.array([0, 1]))
    >>> made.evse.tolist(), made.turn.tolist(), made.ready_s.tolist()
    ([5, 4, 5, 4], [0, 0, 1, 1], [0.0, 600.0, 1800.0, 2400.0])
    """
    turns = ready_s.shape[1]
    turn = np.tile(np.arange(turns), len(evse))
    evse, kind, ready_s = evse.repeat(turns), kind.repeat(turns), ready_s.ravel()
    kept = turn < promised.repeat(turns)
    order = np.lexsort((evse, turn, ready_s, ~kept, kind))
    rank = np.arange(len(order)) - np.searchsorted(kind[order], kind[order])
    order = order[(rank < PLACES_OF_KIND) | kept[order]]
    order = order[np.lexsort((evse[order], turn[order], ready_s[order], kind[order]))]
    return Places(evse[order], turn[order], ready_s[order], kind[order])


def crowd_s(found: Places, kind: Index, cars: Floats, stay_s: float) -> Floats:
    """By how much each place puts off who comes next, where those before it are taken as well.

    `kind` and `cars` say of each EVSE of what kind it is, and who is there that is not planned for.

    Source: paper 2.3.2.3.

    >>> found = Places(np.array([4, 5]), np.zeros(2, int), np.zeros(2), np.array([7, 7]))
    >>> crowd_s(found, np.array([7, 7]), np.array([1.0, 0.0]), 1800.0).tolist()
    [0.0, 900.0]
    """
    known, at = np.unique(kind, return_inverse=True)
    plugs, there = np.bincount(at), np.bincount(at, cars)
    of = np.searchsorted(known, found.kind)
    before = np.arange(len(found.kind)) - np.searchsorted(found.kind, found.kind)
    return put_off_s(there[of] + before, plugs[of].astype(np.float64), stay_s)


@dataclass(frozen=True, slots=True)
class Judged:
    """What cars on their way think of kinds of EVSE: one entry a car and kind, in order of cars.

    `rest_s` is the one cost without its wait, drive included; `risk_s` the least wait to expect
    there, whenever the place is ready.

    Source: US 12,393,974 B2, step 330; paper 2.3.1.
    """

    car: Index
    kind: Index
    drive_s: Floats
    rest_s: Floats
    risk_s: Floats


def problem(
    level: NDArray[np.int64], now: Index, told: Mask, judged: Judged, found: Places, station: Index
) -> Problem:
    """The problem of giving these cars these places; `station` says where each EVSE stands.

    Source: US 12,393,974 B2, step 330; paper 2.3.1.
    """
    first = np.searchsorted(found.kind, judged.kind, side="left")
    count = np.searchsorted(found.kind, judged.kind, side="right") - first
    entry = np.repeat(np.arange(len(first)), count)
    place = np.arange(len(entry)) + (first - np.cumsum(count) + count)[entry]
    wait_s = np.maximum(found.ready_s[place] - judged.drive_s[entry], judged.risk_s[entry])
    return Problem(
        level,
        now,
        told,
        judged.car[entry],
        place,
        judged.rest_s[entry] + np.maximum(wait_s, 0.0),
        station[found.evse],
    )
