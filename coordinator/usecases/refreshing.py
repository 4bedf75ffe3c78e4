"""Keeps the list of a car true while it drives: figures, alternatives, area; its own place stays.

A car that strays from what was planned is sent elsewhere if that is clearly better. Places that are
better without any need are the joint re-planner's to give.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import Moment
from coordinator.core.district import Changes, District
from coordinator.core.geo import great_circle_km
from coordinator.core.recommend import pipeline
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context
from coordinator.usecases import wording
from coordinator.usecases.answer import Answer, Stage
from coordinator.usecases.composing import Composer
from coordinator.usecases.figures import Lines
from coordinator.usecases.lost import LOST, back
from coordinator.usecases.pauses import Pauses
from coordinator.usecases.promises import Promise, Promises
from coordinator.usecases.reroute import SWITCH_S, Rerouter
from coordinator.usecases.revising import Reviser
from coordinator.usecases.world import World

MOVED_KM, USED_PCT = 0.5, 3.0  # a list is made anew when the car has come or used so much
LEAST_S, MOST_S = 10.0, 120.0  # but not within, and at the latest after, so long; link time
EACH_TICK, AT_ONCE = 32, 8  # lists made anew in a tick, and in one pass: answers come first
LIST_UPDATED, SOC_LOW = "LIST_UPDATED", "SOC_LOW"


class Refresher:
    """Makes lists anew, a few in each tick, so that requests are answered first."""

    def __init__(
        self,
        district: District,
        world: World,
        table: ClaimTable,
        promises: Promises,
        composer: Composer,
        rerouter: Rerouter,
        reviser: Reviser,
    ) -> None:
        self._district = district
        self._world = world
        self._table = table
        self._promises = promises
        self._composer = composer
        self._rerouter = rerouter
        self._reviser = reviser
        self._lost: set[str] = set()
        self._back: set[str] = set()  # stations

    def on_changes(self, changes: Changes) -> None:
        """Takes EVSEs that cannot be had any more, or are there anew; returns at once.

        Source: paper 2.3.1 (the list follows the piles).
        """
        ids, district = self._district.evse_ids, self._district
        for row, after in zip(changes.evse.tolist(), changes.after.tolist(), strict=True):
            if after in LOST:
                self._lost.add(ids[row])
        stations = district.station[changes.evse[back(changes)]]
        self._back.update(district.stations[row].station_id for row in set(stations.tolist()))

    async def look(self, moment: Moment) -> None:
        """Lists that are due, those of cars that stray or have lost an alternative first."""
        lost, self._lost = self._lost, set()
        there, self._back = self._places(self._back), set()
        now, later, pauses = [], [], Pauses()
        for promise in self._promises.open():
            await pauses.take()  # answers come first
            course = promise.course
            if lost and not lost.isdisjoint(one.evse_id for one in promise.answer.judged[1:]):
                course.strayed = course.strayed or LIST_UPDATED
            if there and _could_list(promise, there):
                course.strayed = course.strayed or LIST_UPDATED
            if not promise.confirmed or not promise.claim_id or promise.arrived_evse_id:
                continue
            if promise.ahead:
                continue  # what is free now says nothing of its window
            if promise.proposal is not None:
                continue  # it has been asked something; its list can wait for the answer
            if course.strayed:
                now.append(promise)
            elif self._due(promise, moment.link_s):
                later.append(promise)
        later.sort(key=lambda promise: promise.course.made_link_s)  # nobody is passed over for ever
        due = (now + later)[:EACH_TICK]
        for begin in range(0, len(due), AT_ONCE):
            await self._refresh(due[begin : begin + AT_ONCE], moment)
            await asyncio.sleep(0)

    def _places(self, station_ids: set[str]) -> list[tuple[float, float]]:
        """Where these stations stand; one that is gone again is left out."""
        rows, stations = self._district.station_row, self._district.stations
        found = [stations[rows[station_id]] for station_id in station_ids if station_id in rows]
        return [(station.latitude_deg, station.longitude_deg) for station in found]

    def _due(self, promise: Promise, link_s: float) -> bool:
        """Whether the car has come so far since its list was made; the first look only notes it."""
        course, request = promise.course, promise.request
        here = request.latitude_deg, request.longitude_deg
        if course.place is None:
            course.place, course.soc_pct, course.made_link_s = here, request.soc_pct, link_s
            return False
        passed_s = link_s - course.made_link_s
        if passed_s < LEAST_S or promise.answer.stage is Stage.PILE:
            return False
        heard = promise.reported_link_s > course.made_link_s
        moved = great_circle_km(course.place, here) >= MOVED_KM
        return (
            moved or course.soc_pct - request.soc_pct >= USED_PCT or (heard and passed_s >= MOST_S)
        )

    async def _refresh(self, due: Sequence[Promise], moment: Moment) -> None:
        contexts = []
        for promise in due:
            own = promise.answer.choice.evse_id
            rows = (self._district.row.get(evse_id, -1) for evse_id in promise.refused - {own})
            contexts.append(self._world.around(promise.request, excluded=frozenset(rows)))
        requests, models = [promise.request for promise in due], self._rerouter.models.now
        ranked = pipeline.rank_each(self._district, requests, contexts, models, moment.now_s)
        for promise, context, found in zip(due, contexts, ranked, strict=True):
            course, request = promise.course, promise.request
            course.place = request.latitude_deg, request.longitude_deg
            course.soc_pct, course.made_link_s = request.soc_pct, moment.link_s
            why, course.strayed = course.strayed, ""
            if not promise.closed and promise.claim_id:
                await self._keep_true(promise, context, found, moment, why)

    async def _keep_true(
        self, promise: Promise, context: Context, ranked: Ranked, moment: Moment, why: str
    ) -> None:
        """A place that suits a car that strayed, or else its list as it is now."""
        columns = ranked.columns
        row = self._district.row.get(promise.answer.choice.evse_id)
        at = (
            {}
            if columns is None
            else {r: c for c, r in enumerate(columns.candidates.evse.tolist())}
        )
        own = at.get(-1 if row is None else row)
        if columns is None or own is None:
            here = promise.request.latitude_deg, promise.request.longitude_deg
            left_km = self._world.roads.between_km(here, promise.answer.entrance)
            if columns is not None and left_km > ranked.reach_km:
                await self._rerouter.reroute(promise, SOC_LOW)
            return
        best = int(ranked.order[0])
        strayed = why not in ("", LIST_UPDATED)
        gain_s = float(columns.cost.total[own] - columns.cost.total[best])
        if strayed and gain_s > SWITCH_S and not columns.wait.held[best]:
            await self._rerouter.move(promise, context, ranked, best, why)
            return
        if why == "LATE" or self._differs(promise, ranked, own, at):
            code = why if why == "LATE" else LIST_UPDATED
            await self._tell(promise, context, ranked, own, code, moment)

    def _differs(self, promise: Promise, ranked: Ranked, own: int, at: dict[int, int]) -> bool:
        """Whether a listed place is gone, or one that is not listed is clearly better than one."""
        columns = ranked.columns
        assert columns is not None
        rows = self._district.row
        told = [rows.get(judged.evse_id, -1) for judged in promise.answer.judged[1:]]
        if any(row not in at for row in told):
            return True
        picked = wording.pick(ranked, own, promise.request.alternative_count)[1:]
        worst_s = max((float(columns.cost.total[at[row]]) for row in told), default=float("inf"))
        fresh = [choice for choice in picked if choice not in {at[row] for row in told}]
        if not told:
            return bool(fresh)
        if any(float(columns.cost.total[choice]) + SWITCH_S < worst_s for choice in fresh):
            return True
        return set(Lines(self._district, ranked).area(ranked, own)) != set(promise.answer.area)

    async def _tell(
        self,
        promise: Promise,
        context: Context,
        ranked: Ranked,
        own: int,
        code: str,
        moment: Moment,
    ) -> None:
        """The same place with figures and list as they are now."""
        evse_id = promise.answer.choice.evse_id
        change = self._rerouter.change(promise, code, evse_id)

        def anew(answer: Answer) -> Answer | None:
            claim = self._table.get(answer.hold.claim_id)
            if claim is None or claim.evse_id != evse_id:
                return None
            made = self._composer.compose(promise.request, context, ranked, own, claim, moment)
            return msgspec.structs.replace(
                made,
                hold=answer.hold,
                stage=max(answer.stage, made.stage),
                reminder=answer.reminder,
                change=change,
            )

        await self._reviser.revise(promise, anew, ranked)


def _could_list(promise: Promise, places: Sequence[tuple[float, float]]) -> bool:
    """Whether one of these is no further away than the furthest that the car was told of."""
    answer, request = promise.answer, promise.request
    if len(answer.judged) <= request.alternative_count:
        return True  # there is room for more
    here = request.latitude_deg, request.longitude_deg
    furthest_km = max(judged.figures.distance_km for judged in answer.judged)
    return any(great_circle_km(here, place) <= furthest_km for place in places)
