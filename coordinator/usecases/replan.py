"""The joint re-plan: all cars on their way are looked at together, and those who gain are moved.

Cars that have lost their place are among them, and get what the plan has for them by their level.
The optimum is in `core/areas/assignment.py`, the order of steps in `core/areas/moves.py`. What
cannot wait for the next plan (a fault, a walk-in) is in `watchman.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np

from coordinator.clock import Clock
from coordinator.core.areas.assignment import (
    DEFAULT,
    NOWHERE,
    Plan,
    Problem,
    Settings,
    assign,
    keep,
)
from coordinator.core.areas.ledger import Claim, Move, Step
from coordinator.core.areas.moves import Wish, chains
from coordinator.core.district import District
from coordinator.core.recommend import pipeline
from coordinator.core.vehicle import SelectBy, WarningLevel
from coordinator.usecases.counters import Counters
from coordinator.usecases.frozen import frozen
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.pauses import Pauses
from coordinator.usecases.promises import Promise, Promises
from coordinator.usecases.proposals import Proposals
from coordinator.usecases.reroute import Rerouter
from coordinator.usecases.survey import Survey, Working, here, movable, survey
from coordinator.usecases.unplaced import waits
from coordinator.usecases.world import World

TURNS_WORTH = 3.5  # how many times what a switch costs it must save to be offered
LEAST_S = 5.0  # what a move inside its station must save to be told: estimates are coarser
# What a second that a car saves counts for in that, by its level.
NEED = {WarningLevel.HIGH: 9.0, WarningLevel.MEDIUM: 3.0, WarningLevel.LOW: 1.0}
PLACE_S = 3_600.0  # what it saves a car to have a place at all: about the stay of another
BETTER, MADE_ROOM = "BETTER", "MADE_ROOM"
SURPRISE_S = 60.0  # by how much a place may have become worse than planned, and is still taken
KEEP_AT_MOST = 200  # cars that are repaired on the loop where no solver answers


class Solver(Protocol):
    """Makes plans, somewhere else."""

    async def plan(self, problem: Problem) -> Plan | None:
        """The joint plan; None if none could be made in time."""
        ...

    async def close(self) -> None:
        """Ends what it runs."""
        ...


class InlineSolver:
    """Plans made at once, without budget: for simulations and tests, which must not vary."""

    def __init__(self, settings: Settings = DEFAULT) -> None:
        self._settings = settings

    async def plan(self, problem: Problem) -> Plan | None:
        """The joint plan."""
        return assign(problem, self._settings)

    async def close(self) -> None:
        """Nothing runs."""


class Replanner:
    """Looks at all cars on their way, and moves those who gain by it."""

    def __init__(
        self,
        district: District,
        world: World,
        claims: ClaimStore,
        promises: Promises,
        rerouter: Rerouter,
        proposals: Proposals,
        clock: Clock,
        counters: Counters,
        settings: Settings = DEFAULT,
    ) -> None:
        self.proposals, self.settings, self.early = proposals, settings, rerouter.early
        self._district = district
        self._world = world
        self._claims = claims
        self._promises = promises
        self._rerouter = rerouter
        self._clock = clock
        self._counters = counters
        self.degraded = False
        self.work: Working = here  # a thread's, where the loop answers cars as well
        counters.gauge("replan_degraded", lambda: float(self.degraded))
        counters.gauge("cars_without_place", lambda: len(promises.unplaced()))

    async def once(self, solver: Solver) -> int:
        """One round: plan and first steps; gives how many cars were moved or asked."""
        if self.early.begin():
            self._counters.add("replans_early")
        by_cost = (
            promise
            for promise in self._promises.open()
            if promise.request.select_by in (SelectBy.UNSPECIFIED, SelectBy.COST)
        )
        models = self._rerouter.models.for_plans
        seen = await survey(self._district, self._world, self._claims, models, by_cost, self.work)
        if seen is None or not len(seen.problem.car):
            return 0
        plan = await solver.plan(seen.problem)
        self.degraded = plan is None
        self._counters.add("replans")
        if plan is None:
            self._counters.add("replans_without_solver")
            if seen.problem.count > KEEP_AT_MOST:
                return 0
            plan = keep(seen.problem, self.settings)
        wanted = partial(wishes, seen, plan, self.settings.switch_s)
        found = await self.work(lambda: chains(wanted(), _promised(seen)))
        moved, pauses = 0, Pauses()
        for chain in found:
            moved += await self._step(seen, chain)
            await pauses.take()
        return moved

    async def _step(self, seen: Survey, chain: Sequence[Wish]) -> bool:
        """Carries out the first move of a chain, and the others as each is accepted."""
        if not chain:
            return False
        wish, rest = chain[0], chain[1:]
        promise, claim = seen.promises[wish.car], seen.claims[wish.car]
        if not self._stands(promise, claim):
            self._counters.add("replans_stale")
            return False
        rules = replace(self._world.rules, crowding=0.0)  # what others pay is no surprise to a car
        only = frozenset({wish.to_evse})
        context = self._world.around(promise.request, only=only, rules=rules)
        now_s, models = self._clock.now_s(), self._rerouter.models.for_plans
        view = frozen(self._district)
        ranked = await self.work(
            partial(pipeline.rank, view, promise.request, context, models, now_s)
        )
        columns = ranked.columns
        most_s = seen.problem.cost_s[_arc(seen, wish)] + SURPRISE_S
        worse = columns is None or columns.cost.total[0] > most_s
        if worse or not self._stands(promise, claim):
            self._counters.add("replans_stale")
            return False
        code = BETTER if wish.own_gain_s > LEAST_S else MADE_ROOM
        code = promise.lost_code if claim is None else code

        async def follow() -> None:
            await self._step(seen, rest)

        if wish.needs_word:
            return await self.proposals.propose(promise, context, ranked, 0, code, follow)
        moment = self._rerouter.moment()
        revision = self._rerouter.revision(promise, context, ranked, 0, code, moment)
        expected = {} if claim is None else {claim.claim_id: claim.revision}
        moves = [Move("" if claim is None else claim.claim_id, revision.claim)]
        step = await self._claims.apply(moves, expected, moment, revision.answering)
        if not isinstance(step, Step) or not await self._rerouter.granted(promise, revision):
            self._counters.add("replans_stale")
            return False
        self._counters.add("replan_moves" if claim is not None else "replan_placed")
        await follow()
        return True

    def _stands(self, promise: Promise, claim: Claim | None) -> bool:
        """Whether a car has what it had when it was looked at, and may still be moved."""
        if claim is None:
            return waits(promise, self._claims.table, self._rerouter.moment())
        now = movable(promise, self._claims.table)
        if now is None or promise.closed:
            return False
        return (now.claim_id, now.revision) == (claim.claim_id, claim.revision)


def wishes(seen: Survey, plan: Plan, switch_s: float) -> list[Wish]:
    """What the plan wants of each car that is to have another EVSE.

    What a car saves counts by its level, and a turn to another station must save `TURNS_WORTH`
    times its cost: the plan only chose among places, here a driver is asked to turn round. Nobody
    is moved inside a station for what no estimate tells apart; who has no place is simply given it.
    """
    made, station = [], seen.problem.station
    for car, place in enumerate(plan.place.tolist()):
        now = int(seen.problem.now[car])
        if now == NOWHERE and place != NOWHERE:
            made.append(_first_place(seen, car, place))
        if NOWHERE in (place, now) or seen.found.evse[place] == seen.rows[car]:
            continue
        arcs = [_arc_to(seen.problem, car, one) for one in (now, place)]
        own_s = float(seen.problem.cost_s[arcs[0]]) - float(plan.cost_s[car])
        others_s = np.broadcast_to(seen.problem.others_s, seen.problem.cost_s.shape)[arcs]
        told = bool(seen.problem.told[car])
        if seen.promises[car].arrived_link_s > float("-inf") and station[place] == station[now]:
            continue  # whose turn it is where it stands is seen to at once
        turned_s = TURNS_WORTH * switch_s if station[place] != station[now] else LEAST_S
        weight = _weight(seen, car)
        wish = Wish(
            car, int(seen.rows[car]), int(seen.turns[car]), int(station[now]),
            int(seen.found.evse[place]), int(seen.found.turn[place]), int(station[place]),
            weight * own_s + float(others_s[0] - others_s[1]) - turned_s, told, own_s,
        )  # fmt: skip
        made.append(wish)
    return made


def _first_place(seen: Survey, car: int, place: int) -> Wish:
    """What the plan has for a car without a place."""
    evse, turn, station = (
        int(of[place]) for of in (seen.found.evse, seen.found.turn, seen.problem.station)
    )
    gain_s = _weight(seen, car) * PLACE_S
    return Wish(car, NOWHERE, 0, NOWHERE, evse, turn, station, gain_s)


def _weight(seen: Survey, car: int) -> float:
    return NEED[WarningLevel(int(seen.problem.level[car]))]


def _promised(seen: Survey) -> dict[int, int]:
    """How many cars on their way each EVSE has."""
    rows, counts = np.unique(seen.rows, return_counts=True)
    return dict(zip(rows.tolist(), counts.tolist(), strict=True))


def _arc(seen: Survey, wish: Wish) -> int:
    return _arc_to(seen.problem, wish.car, seen.found.of(wish.to_evse, wish.to_turn))


def _arc_to(problem: Problem, car: int, place: int) -> int:
    """The arc from a car to a place that is among its own."""
    first, last = np.searchsorted(problem.car, [car, car + 1])
    return int(first + np.flatnonzero(problem.place[first:last] == place)[0])
