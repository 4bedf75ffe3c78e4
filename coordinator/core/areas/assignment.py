"""The joint optimum: which of the cars on the way should have which place, all at once.

Pure. Where places come from is in `places.py`, how a plan becomes moves in `moves.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from coordinator.core.areas.parts import groups, parts_of
from coordinator.core.vehicle import WarningLevel

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

NOWHERE = -1
LEVELS = (int(WarningLevel.HIGH), int(WarningLevel.MEDIUM), int(WarningLevel.LOW))
SWITCH_S = 90.0  # what it costs to send a car to another station: 0.5 km at 20 km/h
GREATEST_LOSS_S = 300.0  # by how much a car that has a place may be worse off
BLOCK_CARS = 1_000  # matched in one go; more takes longer than by their number
WEIGHTS = (4.0, 2.0, 1.0)  # of a second by level, where levels are weighed instead of ordered
_FEW_CARS = 200  # are matched in one go: looking for parts would take longer
_LATER = 1e-5  # weight of what a plan costs those whose turn comes later
# How long the matcher takes: this for each arc, and this for each pair of cars that may contend.
_ARC_S, _PAIR_S = 1e-6, 2e-7


@dataclass(frozen=True, slots=True)
class Problem:
    """Cars, places, and what each place would cost each car. Arcs stand in order of their cars,
    at most one from a car to a place.

    `cost_s` holds all of the one cost but the switch. `now` is the place that a car has, -1 for
    none; `told` says that it knows the pile already, and then it is asked to move only to gain.
    `station` says where each place is. `left_min` is the drive left to each car: of a level's cars
    without a place, who has less, by the minute, gets one first.

    Source: paper 2.2.3, 2.3.1 (conflicts among the users of an area are solved jointly).
    """

    level: NDArray[np.int64]  # (n,)
    now: Index  # (n,)
    told: Mask  # (n,)
    car: Index  # (a,)
    place: Index  # (a,)
    cost_s: Floats  # (a,)
    station: Index  # (p,)
    others_s: Floats | float = 0.0  # (a,), what each arc costs cars that are not in the plan yet
    left_min: Floats | float = 0.0  # (n,)

    @property
    def count(self) -> int:
        """How many cars."""
        return len(self.level)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a plan is made by. `weighted`: levels are weighed, not served strictly in order.

    Source: paper 2.3.1.
    """

    switch_s: float = SWITCH_S
    loss_s: float = GREATEST_LOSS_S
    block_cars: int = BLOCK_CARS
    weighted: bool = False


DEFAULT = Settings()


@dataclass(frozen=True, slots=True)
class Plan:
    """The place of each car, -1 for none, and what it costs there (without the switch).

    `repaired` counts cars that were only given what was left, because time was up.

    Source: paper 2.3.1.
    """

    place: Index  # (n,)
    cost_s: Floats  # (n,), 0 without a place
    repaired: int = 0

    @property
    def served(self) -> int:
        """Cars with a place."""
        return int(np.count_nonzero(self.place != NOWHERE))


def assign(
    problem: Problem, settings: Settings = DEFAULT, left_s: Callable[[], float] | None = None
) -> Plan:
    """The plan with most cars of the highest level served at least cost, then of the next level.

    Which of equally good plans for a level is taken does not regard those whose turn comes later.
    A car that has a place keeps one, at most `loss_s` dearer than what it has. With `left_s`
    (seconds that are left), blocks of cars that would take longer are only repaired.

    Source: paper 2.2, 2.3.1. Departs: the paper solves conflicts one by one as they come up.

    >>> both = Problem(np.array([3, 1]), np.array([0, -1]), np.array([False, False]),
    ...                np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]),
    ...                np.array([100.0, 150.0, 100.0, 900.0]), np.array([0, 1]))
    >>> assign(both).place.tolist()
    [1, 0]
    """
    work = _Work(problem, settings)
    apart: tuple[tuple[int, ...], ...] = tuple((level,) for level in LEVELS)
    for some in (LEVELS,) if settings.weighted else apart:
        for block in work.blocks(np.isin(problem.level, some)):
            if left_s is None or left_s() > work.expected_s(block):
                work.match(block)
            else:
                work.fill(block)
    work.give_back()
    return work.plan()


def keep(problem: Problem, settings: Settings = DEFAULT) -> Plan:
    """The plan by local repair alone: everybody keeps its place, who has none gets what is left.

    Source: paper 2.3.1.
    """
    return assign(problem, settings, lambda: 0.0)


@dataclass(frozen=True, slots=True)
class Block:
    """Cars that are given places together, and others there that must keep one.

    Source: paper 2.3.1.
    """

    cars: Index
    holders: Index


class _Work:
    """A plan in the making."""

    def __init__(self, problem: Problem, settings: Settings) -> None:
        self.problem, self.settings = problem, settings
        here = problem.now[problem.car]
        has = here != NOWHERE
        elsewhere = has & (problem.station[problem.place] != problem.station[here])
        self.price_s = problem.cost_s + problem.others_s + settings.switch_s * elsewhere
        if settings.weighted:
            weight = np.zeros(max(LEVELS) + 1)
            weight[list(LEVELS)] = WEIGHTS
            self.price_s = self.price_s * weight[problem.level[problem.car]]
        own = has & (problem.place == here)
        most_s = np.full(problem.count, np.inf)
        loss_s = np.where(problem.told, 0.0, settings.loss_s)
        most_s[problem.car[own]] = problem.cost_s[own] + loss_s[problem.car[own]]
        self.left_min = np.broadcast_to(np.floor(problem.left_min), (problem.count,))
        self.own_arc = np.full(problem.count, NOWHERE, dtype=np.intp)
        self.own_arc[problem.car[own]] = np.flatnonzero(own)
        # A car whose place is not among its arcs keeps it: nothing is known of what it would lose.
        stuck = (problem.now != NOWHERE) & (self.own_arc == NOWHERE)
        self.allowed = (problem.cost_s <= most_s[problem.car]) & ~stuck[problem.car]
        self.arc = np.full(problem.count, NOWHERE, dtype=np.intp)  # chosen arc of each car
        self.stuck = np.flatnonzero(stuck)
        self.free = np.ones(len(problem.station), dtype=bool)
        self.free[problem.now[self.stuck]] = False
        self.repaired = 0
        self._first = np.searchsorted(problem.car, np.arange(problem.count + 1))

    def blocks(self, cars: Mask) -> list[Block]:
        """The cars in parts that cannot be in each other's way, large ones cut."""
        problem = self.problem
        waiting = self.arc == NOWHERE
        holder = waiting & (self.own_arc != NOWHERE)
        seen = (cars & waiting) | holder
        arcs = np.flatnonzero(seen[problem.car] & self.allowed & self.free[problem.place])
        if (count := problem.count) <= _FEW_CARS:
            some = np.flatnonzero(cars & waiting)
            return [Block(some, np.flatnonzero(holder & ~cars))] if len(some) else []
        part = parts_of(problem.car[arcs], problem.place[arcs], count, len(problem.station))
        mine = np.unique(problem.car[arcs])
        mine = mine[cars[mine]]
        found = []
        for some in groups(mine, part[mine]):
            others = np.flatnonzero(holder & (part == part[some[0]]))
            for piece in np.array_split(some, -(-len(some) // self.settings.block_cars)):
                others = np.setdiff1d(others, piece, assume_unique=True)
                found.append(Block(piece, others))
        return found

    def expected_s(self, block: Block) -> float:
        """About how long it takes to match these cars."""
        rows = np.concatenate([block.cars, block.holders])
        arcs = int((self._first[rows + 1] - self._first[rows]).sum())
        return _ARC_S * arcs + _PAIR_S * len(rows) ** 2

    def match(self, block: Block) -> None:
        """Gives these cars the places that serve most of them at the least cost.

        The holders are only seen to keep some place; which, is decided in their turn.
        """
        problem, count = self.problem, len(block.cars) + len(block.holders)
        row_of = np.full(problem.count, NOWHERE, dtype=np.intp)
        row_of[block.cars] = np.arange(len(block.cars))
        row_of[block.holders] = np.arange(len(block.cars), count)
        usable = (row_of[problem.car] >= 0) & self.allowed & self.free[problem.place]
        arcs = np.flatnonzero(usable)
        places, column = np.unique(problem.place[arcs], return_inverse=True)
        row, wide = row_of[problem.car[arcs]], len(places) + count
        price = self.price_s[arcs]
        price = (price - price.min(initial=0.0)) * np.where(row < len(block.cars), 1.0, _LATER)
        price += 1.0  # an entry of 0 would be no arc
        # Leaving a car out costs more than any way of serving all the others.
        rows = np.concatenate([block.cars, block.holders])
        leave = (price.max(initial=0.0) + 1.0) * (count + 1) * self._need(rows)
        ends = np.append(row, np.arange(count)), np.append(column, len(places) + np.arange(count))
        at = tuple(end.astype(np.int32) for end in ends)  # older matchers take no wider ones
        matrix = csr_array((np.concatenate([price, leave]), at), shape=(count, wide))
        matched_row, matched = min_weight_full_bipartite_matching(matrix)
        taken = (matched < len(places)) & (matched_row < len(block.cars))
        keys = row * wide + column
        order = np.argsort(keys)
        found = np.searchsorted(keys[order], matched_row[taken] * wide + matched[taken])
        for arc in arcs[order[found]].tolist():
            self._take(int(problem.car[arc]), arc)

    def _need(self, rows: Index) -> Floats:
        """How many times the least it costs to leave these cars out: one more in need costs more,
        one that has a place more than all who have none. Still the most are served."""
        need, has = np.ones(len(rows)), self.own_arc[rows] != NOWHERE
        if not self.settings.weighted:
            need[~has] += np.unique(-self.left_min[rows[~has]], return_inverse=True)[1]
        need[has] = (need.max(initial=1.0) + 1.0) * (len(rows) + 1)
        return need

    def fill(self, block: Block) -> None:
        """Lets these cars keep what they have, and gives the others the cheapest that is left."""
        self.repaired += len(block.cars)
        keys = self.left_min, self.problem.level, self.own_arc == NOWHERE
        held = self.problem.now[block.holders]
        kept, self.free[held] = self.free[held].copy(), False
        for car in block.cars[np.lexsort([key[block.cars] for key in keys])].tolist():
            own = int(self.own_arc[car])
            if own != NOWHERE and self.free[self.problem.place[own]]:
                self._take(car, own)
            else:
                self._cheapest(car)
        self.free[held] = kept

    def _cheapest(self, car: int) -> None:
        arcs = np.arange(self._first[car], self._first[car + 1])
        arcs = arcs[self.allowed[arcs] & self.free[self.problem.place[arcs]]]
        if len(arcs):
            self._take(car, int(arcs[np.argmin(self.price_s[arcs])]))

    def _take(self, car: int, arc: int) -> None:
        self.arc[car] = arc
        self.free[self.problem.place[arc]] = False

    def give_back(self) -> None:
        """Lets every car that had a place and would lose it keep it; who was to get it gives way.

        Those who give way keep what they have themselves, so this ends.
        """
        lost = [car for car in np.flatnonzero(self.own_arc != NOWHERE) if self.arc[car] == NOWHERE]
        holder = {int(self.problem.place[arc]): car for car, arc in enumerate(self.arc) if arc >= 0}
        without: list[int] = []
        while lost:
            car = int(lost.pop())
            own = int(self.own_arc[car])
            place = int(self.problem.place[own])
            other = holder.pop(place, None)
            self._take(car, own)
            holder[place] = car
            if other is None:
                continue
            self.arc[other] = NOWHERE
            if self.own_arc[other] != NOWHERE:
                lost.append(np.intp(other))
            else:
                without.append(other)
        for car in sorted(without, key=lambda car: (self.problem.level[car], self.left_min[car])):
            self._cheapest(car)

    def plan(self) -> Plan:
        """The plan so far."""
        chosen = self.arc != NOWHERE
        place = np.full(self.problem.count, NOWHERE, dtype=np.intp)
        cost_s = np.zeros(self.problem.count)
        place[chosen] = self.problem.place[self.arc[chosen]]
        cost_s[chosen] = self.problem.cost_s[self.arc[chosen]]
        place[self.stuck] = self.problem.now[self.stuck]
        return Plan(place, cost_s, self.repaired)
