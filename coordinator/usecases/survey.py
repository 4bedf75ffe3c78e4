"""What every car on its way could have, if nothing were promised to any of them: the joint problem.

Which cars are looked at, and what is done with the plan, is in `replan.py`; the district as it was
when the look began, in `frozen.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.core import outages
from coordinator.core.areas.assignment import NOWHERE, Problem
from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import Claim, ClaimState, Moment
from coordinator.core.areas.places import (
    Judged,
    Places,
    crowd_s,
    kinds_of,
    places,
    problem,
    turns_ready_s,
)
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.candidates import USABLE
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.crowding import cars_at
from coordinator.core.recommend.layout import layout_of
from coordinator.core.recommend.pipeline import rank_each
from coordinator.core.recommend.queue_evidence import standing
from coordinator.core.vehicle import ChargingRequest
from coordinator.usecases.answer import Stage
from coordinator.usecases.frozen import FAR_S, Line, free_of, frozen, lines_of
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.pauses import Pauses
from coordinator.usecases.promises import Promise
from coordinator.usecases.unplaced import waits
from coordinator.usecases.world import World

AT_ONCE = 32  # cars ranked together
KINDS_OF_CAR = 20  # kinds of EVSE that a car may be moved to, the best by themselves
Floats = NDArray[np.float64]
Index = NDArray[np.intp]
# Does work on what nobody else touches, here or on a thread, and gives its result.
Working = Callable[[Callable[[], Any]], Awaitable[Any]]


async def here(work: Callable[[], Any]) -> Any:
    """The result of the work, done at once: for simulations and tests, which must not vary."""
    return work()


@dataclass(frozen=True, slots=True)
class Survey:
    """The joint problem, and what its numbers stand for."""

    promises: list[Promise]
    claims: list[Claim | None]  # of the promises, as they were; None of who has no place
    rows: Index  # EVSE that each has, -1 for none
    turns: Index  # its place in the queue there, among those on their way
    found: Places
    problem: Problem


@dataclass(frozen=True, slots=True)
class _Thought:
    """What a few cars think of their candidates: levels, drive left, kinds of EVSE, stays."""

    levels: list[int]
    left_min: list[float]
    judged: list[tuple[Index, Index, Floats, Floats, Floats]]
    stays: list[float]


async def survey(
    district: District,
    world: World,
    claims: ClaimStore,
    models: Models,
    promises: Iterable[Promise],
    work: Working = here,
) -> Survey | None:
    """The problem of those who may be moved, or have no place; None if there is nobody, or stations
    changed.

    What is done on the loop pauses in time, so that answers come first; the rest is `work`.
    """
    pauses, table = Pauses(), claims.table
    known: list[tuple[Promise, Claim | None]] = []
    for promise in promises:
        await pauses.take()
        claim = movable(promise, table)
        moment = Moment(world.clock.now_s(), world.clock.link_s())
        if claim is not None or waits(promise, table, moment):
            known.append((promise, claim))
    if not known:
        return None
    now_s, link_s = world.clock.now_s(), world.clock.link_s()
    layout = layout_of(district)
    own = [claim for _, claim in known]
    rows, lines = await work(partial(lines_of, district.row, own))
    view = frozen(district)
    await free_of(view, table, lines, now_s, pauses)
    await pauses.take()
    told = np.array([promise.answer.stage is Stage.PILE for promise, _ in known])
    thoughts = []
    for begin in range(0, len(known), AT_ONCE):
        requests, contexts = [], []
        for promise, _ in known[begin : begin + AT_ONCE]:
            await pauses.take()
            requests.append(promise.request)
            contexts.append(_context(view, world, promise))
        thoughts.append(await work(partial(_think, view, models, requests, contexts, now_s, begin)))
        await pauses.take()
        if layout_of(district) is not layout:
            return None
    usable = _Usable(world.stale_after_s, now_s, link_s, world.rules.crowding)
    found, made, turns = await work(
        partial(_problem, view, usable, own, rows, lines, thoughts, told)
    )
    return Survey([promise for promise, _ in known], own, rows, turns, found, made)


def _context(view: District, world: World, promise: Promise) -> Context:
    """The world around a car, as if nothing were promised to it."""
    excluded = frozenset(view.row[evse_id] for evse_id in promise.refused if evse_id in view.row)
    # What a car costs others depends on who else is sent there: the plan counts it by place.
    rules = replace(world.rules, crowding=0.0)
    return replace(world.around(promise.request, excluded=excluded, rules=rules), own=())


def _think(
    view: District,
    models: Models,
    requests: Sequence[ChargingRequest],
    contexts: Sequence[Context],
    now_s: float,
    first: int,
) -> _Thought:
    """What these cars could have, each by itself; the first has this number."""
    thought = _Thought([], [], [], [])
    ranked_each = rank_each(view, requests, contexts, models, now_s)
    for number, ranked in enumerate(ranked_each, start=first):
        thought.levels.append(int(ranked.level))
        thought.left_min.append(ranked.time_left_min)
        thought.judged.append(_judged(view, ranked, number, thought.stays))
    return thought


def _judged(
    district: District, ranked: Ranked, number: int, stays: list[float]
) -> tuple[Index, Index, Floats, Floats, Floats]:
    """The kinds of EVSE that a car could have: number, kind, drive, cost without wait, risk."""
    columns = ranked.columns
    if columns is None:
        none = np.zeros(0)
        return none.astype(np.intp), none.astype(np.intp), none, none, none
    expected_s, drive_s = columns.wait.expected_s, columns.drive.drive_s
    rest_s = columns.cost.total - expected_s
    risk_s = np.where(columns.wait.p50_s > 0.0, 0.0, expected_s)
    kind = kinds_of(district)[columns.candidates.evse]
    stays.append(float(columns.charge_s.mean()))
    order = np.lexsort((rest_s, kind))
    first = order[np.concatenate([[True], np.diff(kind[order]) != 0])]
    best = first[np.argsort(rest_s[first], kind="stable")[:KINDS_OF_CAR]]
    best.sort()
    count = np.full(len(best), number, dtype=np.intp)
    return count, kind[best], drive_s[best], rest_s[best], risk_s[best]


@dataclass(frozen=True, slots=True)
class _Usable:
    """When an EVSE counts as heard of: its age, and now in both times; what crowding costs."""

    stale_after_s: float
    now_s: float
    link_s: float
    crowding: float


def _problem(
    view: District,
    usable: _Usable,
    claims: Sequence[Claim | None],
    rows: Index,
    lines: dict[int, Line],
    thoughts: Sequence[_Thought],
    told: NDArray[np.bool_],
) -> tuple[Places, Problem, Index]:
    """Places and what they cost these cars; the turn that each has now."""
    judged = Judged(
        *[
            np.concatenate(column)
            for column in zip(*[one for t in thoughts for one in t.judged], strict=True)
        ]
    )
    levels = np.array([level for thought in thoughts for level in thought.levels])
    stays = [stay_s for thought in thoughts for stay_s in thought.stays]
    kinds, evse, ready_s, cars = _ready(view, usable, np.unique(judged.kind))
    stay_s = float(np.mean(stays)) if stays else 0.0
    drive_s = float(np.mean(judged.drive_s)) if len(judged.car) else 0.0
    ends_s = {
        at: [to_s - usable.now_s for to_s in lines[row].ends_s]
        for at, row in enumerate(evse.tolist())
        if row in lines
    }
    by_turn_s = turns_ready_s(ready_s, ends_s, stay_s, drive_s)
    promised = np.bincount(rows[rows != NOWHERE], minlength=len(view))
    found = places(kinds, evse, by_turn_s, promised[evse])
    turn_of = {claim_id: t for line in lines.values() for t, claim_id in enumerate(line.claim_ids)}
    turns = np.array([turn_of.get(c.claim_id, 0) if c else 0 for c in claims], dtype=np.intp)
    station = view.station.astype(np.intp)
    made = problem(levels, found.of_each(rows, turns), told, judged, found, station)
    made = _without(made, np.array([c is not None for c in claims]) & (made.now == NOWHERE))
    others_s = usable.crowding * crowd_s(found, kinds, cars, stay_s)[made.place]
    left_min = np.array([left for thought in thoughts for left in thought.left_min])
    return found, replace(made, others_s=others_s, left_min=left_min), turns


def _without(made: Problem, cars: NDArray[np.bool_]) -> Problem:
    """The problem without what these cars could have: their places are none that it knows of."""
    kept = ~cars[made.car]
    return replace(made, car=made.car[kept], place=made.place[kept], cost_s=made.cost_s[kept])


def _ready(view: District, usable: _Usable, kinds: Index) -> tuple[Index, Index, Floats, Floats]:
    """EVSEs of these kinds that can be used: kind, row, when each is free, from now, and cars."""
    kind, now_s = kinds_of(view), usable.now_s
    evse = np.flatnonzero(np.isin(kind, kinds))
    status = view.status[evse]
    if usable.stale_after_s != float("inf"):
        stale = view.stale(evse, usable.link_s, usable.stale_after_s)
        status = np.where(stale, np.int8(EvseStatus.UNKNOWN), status)
    fit = USABLE[status]
    if view.outages and len(evse):
        begin = np.full((1, len(evse)), now_s)
        fit &= ~outages.meets(view, evse[None], begin, begin + FAR_S, now_s)[0]
    evse, status = evse[fit], status[fit]
    there = standing(view, evse, status, np.full(len(evse), np.inf), now_s)
    left_s = there.occupant_s + there.queue * there.mean_s
    ready_s = np.maximum(np.maximum(left_s, view.claimed_to_s[evse] - now_s), 0.0)
    return kind[evse], evse, ready_s, cars_at(view, evse, status)


def movable(promise: Promise, table: ClaimTable) -> Claim | None:
    """The claim of a car on its way, or that waits, if it may be given another place; else None.

    Whose driver has asked again, and looks at an offer beside it, is not asked anything else.
    """
    claim = table.get(promise.claim_id)
    if (
        claim is None
        or claim.state is not ClaimState.CONFIRMED
        or claim.moving
        or claim.future
        or len(table.of_car(claim.vehicle_id)) > 1
    ):
        return None
    waits = promise.answer.choice.figures.ahead > 0
    open_to_moves = (
        promise.proposal is None
        and promise.confirmed
        and (waits or promise.arrived_link_s == float("-inf"))
        and promise.taken_link_s == float("inf")
        and promise.retry_link_s == float("inf")
    )
    return claim if open_to_moves else None
