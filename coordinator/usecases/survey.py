"""What every car on its way could have, if nothing were promised to any of them: the joint problem.

Which cars are looked at, and what is done with the plan, is in `replan.py`.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coordinator.core import outages
from coordinator.core.areas.assignment import NOWHERE, Problem
from coordinator.core.areas.ledger import Claim, ClaimState
from coordinator.core.areas.places import Judged, Places, kinds_of, places, problem, turns_ready_s
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.candidates import USABLE
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Models
from coordinator.core.recommend.layout import layout_of
from coordinator.core.recommend.pipeline import rank_each
from coordinator.core.recommend.queue_evidence import standing
from coordinator.usecases.answer import Stage
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.promises import Promise
from coordinator.usecases.world import World

AT_ONCE = 8  # cars ranked without a pause: more would hold up who asks
KINDS_OF_CAR = 20  # kinds of EVSE that a car may be moved to, the best by themselves
FAR_S = 3.0 * 3600.0  # a window that begins later keeps nobody out who comes now
Floats = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Survey:
    """The joint problem, and what its numbers stand for."""

    promises: list[Promise]
    claims: list[Claim]  # of the promises, as they were
    rows: Index  # EVSE that each has
    turns: Index  # its place in the queue there, among those on their way
    found: Places
    problem: Problem


async def survey(
    district: District,
    world: World,
    claims: ClaimStore,
    models: Models,
    promises: Sequence[Promise],
) -> Survey | None:
    """The problem of these cars; None if there is nobody, or stations changed meanwhile.

    Pauses between a few cars each, so that answers come first.
    """
    held = [(promise, claims.table.get(promise.claim_id)) for promise in promises]
    known = [(promise, claim) for promise, claim in held if claim is not None and claim.live]
    if not known:
        return None
    now_s, link_s = world.clock.now_s(), world.clock.link_s()
    layout = layout_of(district)
    mine = {claim.claim_id for _, claim in known}
    view, promised = unpromised(district, claims, mine, now_s)
    judged: list[tuple[Index, Index, Floats, Floats, Floats]] = []
    levels: list[int] = []
    stays: list[float] = []
    for begin in range(0, len(known), AT_ONCE):
        some = [promise for promise, _ in known[begin : begin + AT_ONCE]]
        for number, ranked in enumerate(_rank(view, world, models, some, now_s), start=begin):
            levels.append(int(ranked.level))
            judged.append(_judged(district, ranked, number, stays))
        await asyncio.sleep(0)
        if layout_of(district) is not layout:
            return None
    all_judged = Judged(*[np.concatenate(column) for column in zip(*judged, strict=True)])
    rows = np.array([district.row.get(claim.evse_id, NOWHERE) for _, claim in known])
    kinds, evse, ready_s = _ready(view, world, np.unique(all_judged.kind), now_s, link_s)
    stay_s = float(np.mean(stays)) if stays else 0.0
    drive_s = float(np.mean(all_judged.drive_s)) if len(all_judged.car) else 0.0
    ends_s = {
        at: [claim.to_s - now_s for claim in claims.table.of_evse(district.evse_ids[row])
             if claim.claim_id in mine]
        for at, row in enumerate(evse.tolist()) if promised[row]
    }  # fmt: skip
    by_turn_s = turns_ready_s(ready_s, ends_s, stay_s, drive_s)
    found = places(kinds, evse, by_turn_s, promised[evse])
    turns = _turns([claim for _, claim in known], claims, mine)
    now = np.array([found.of(row, turn) for row, turn in zip(rows, turns, strict=True)])
    told = np.array([promise.answer.stage is Stage.PILE for promise, _ in known])
    station = district.station.astype(np.intp)
    made = problem(np.array(levels), now, told, all_judged, found, station)
    return Survey(
        [promise for promise, _ in known], [claim for _, claim in known], rows, turns, found, made
    )


def unpromised(
    district: District, claims: ClaimStore, mine: set[str], now_s: float
) -> tuple[District, Index]:
    """The district as if these claims were not; and how many of them each EVSE has."""
    view = copy.copy(district)
    for name in ("claim_count", "claimed_to_s", "claimed_by"):
        setattr(view, name, getattr(district, name).copy())
    promised = np.zeros(len(district), dtype=np.intp)
    table = claims.table
    for claim_id in mine:
        claim = table.get(claim_id)
        row = NOWHERE if claim is None else district.row.get(claim.evse_id, NOWHERE)
        if row != NOWHERE:
            promised[row] += 1
    for row in np.flatnonzero(promised).tolist():
        others = [
            claim
            for claim in table.of_evse(district.evse_ids[row])
            if claim.claim_id not in mine and claim.from_s < now_s + FAR_S
        ]
        view.claim_count[row] = len(others)
        view.claimed_to_s[row] = max((claim.to_s for claim in others), default=-np.inf)
    return view, promised


def _rank(
    view: District, world: World, models: Models, some: Sequence[Promise], now_s: float
) -> list[Ranked]:
    """What these cars could have, each by itself."""
    contexts = []
    for promise in some:
        excluded = frozenset(
            view.row[evse_id] for evse_id in promise.refused if evse_id in view.row
        )
        contexts.append(replace(world.around(promise.request, excluded=excluded), own=()))
    return rank_each(view, [promise.request for promise in some], contexts, models, now_s)


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


def _turns(mine: Sequence[Claim], claims: ClaimStore, ids: set[str]) -> Index:
    """The place of each claim in the queue of its EVSE, counting cars on their way only."""
    turns = []
    for claim in mine:
        before = claims.table.of_evse(claim.evse_id)
        turns.append(sum(c.claim_id in ids and c.from_s < claim.from_s for c in before))
    return np.array(turns, dtype=np.intp)


def _ready(
    view: District, world: World, kinds: Index, now_s: float, link_s: float
) -> tuple[Index, Index, Floats]:
    """EVSEs of these kinds that can be used: kind, row, and when each is free, from now."""
    kind = kinds_of(view)
    evse = np.flatnonzero(np.isin(kind, kinds))
    status = view.status[evse]
    if world.stale_after_s != float("inf"):
        stale = view.stale(evse, link_s, world.stale_after_s)
        status = np.where(stale, np.int8(EvseStatus.UNKNOWN), status)
    usable = USABLE[status]
    if view.outages and len(evse):
        begin = np.full((1, len(evse)), now_s)
        usable &= ~outages.meets(view, evse[None], begin, begin + FAR_S, now_s)[0]
    evse, status = evse[usable], status[usable]
    there = standing(view, evse, status, np.full(len(evse), np.inf), now_s)
    left_s = there.occupant_s + there.queue * there.mean_s
    ready_s = np.maximum(np.maximum(left_s, view.claimed_to_s[evse] - now_s), 0.0)
    return kind[evse], evse, ready_s


def movable(promise: Promise, claim: Claim | None) -> bool:
    """Whether a car is on its way to a place that it may be given another for."""
    return (
        claim is not None
        and claim.state is ClaimState.CONFIRMED
        and not claim.moving
        and not claim.future
        and promise.proposal is None
        and promise.confirmed
        and promise.arrived_link_s == float("-inf")
        and promise.taken_link_s == float("inf")
        and promise.retry_link_s == float("inf")
    )
