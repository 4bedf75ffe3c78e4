"""What a car's position means for its promise: lease, warning level, and when the pile is told.

Who may report a position is checked by `rpc`; arriving and leaving are in `guide.py`.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from coordinator.clock import Clock
from coordinator.core.areas import area
from coordinator.core.areas.ledger import Moment
from coordinator.core.district import District
from coordinator.core.geo import great_circle_km
from coordinator.core.recommend import pipeline
from coordinator.core.recommend.reminder import Reminder
from coordinator.core.vehicle import Fix
from coordinator.usecases import reminding
from coordinator.usecases.answer import Answer, Stage
from coordinator.usecases.composing import Composer
from coordinator.usecases.ledger import ClaimStore, KeptAnswer
from coordinator.usecases.promises import Promise, Promises
from coordinator.usecases.reroute import CONFIRMED_LEASE_S, Rerouter
from coordinator.usecases.revising import Reviser
from coordinator.usecases.surroundings import SurroundingsKeeper
from coordinator.usecases.world import World

OFF_ROUTE_KM, OFF_ROUTE_SHARE = 1.0, 0.1  # further away than it was, by both
LATE_S = 300.0  # later than it was told, domain time
DRIVES_KMH = 10.0  # faster than this a car does not stand at its pile
RENEW_S = 60.0  # a lease is renewed when it would move by so much, domain time
# A level is judged anew when a car has come so far, or has used so much.


class Underway:
    """Follows promised cars while they drive."""

    def __init__(
        self,
        district: District,
        world: World,
        claims: ClaimStore,
        promises: Promises,
        composer: Composer,
        rerouter: Rerouter,
        clock: Clock,
        surroundings: SurroundingsKeeper,
        reviser: Reviser,
    ) -> None:
        self._district = district
        self._world = world
        self._claims = claims
        self._promises = promises
        self._composer = composer
        self._rerouter = rerouter
        self._clock = clock
        self._surroundings = surroundings
        self._reviser = reviser

    async def progress(self, promise: Promise, fix: Fix) -> None:
        """Takes a position: level and lease follow the car, the pile is told when it is near.

        A coarse fix shows that the car lives and what charge it has; the car stays where it was.
        """
        link_s, before = self._clock.link_s(), promise.request
        passed_s = (link_s - promise.reported_link_s) * self._clock.speed
        promise.reported_link_s = link_s
        promise.request = replace(before, soc_pct=fix.soc_pct)
        if not fix.coarse:
            here = fix.latitude_deg, fix.longitude_deg
            was = before.latitude_deg, before.longitude_deg
            promise.fixed_link_s, promise.drives = link_s, (fix.speed_kmh or 0.0) > DRIVES_KMH
            self._surroundings.moved(was, here, passed_s, fix.speed_kmh)
            promise.request = replace(
                promise.request,
                latitude_deg=here[0],
                longitude_deg=here[1],
                accuracy_m=fix.accuracy_m,
                position_source=fix.source,
            )
        if promise.closed or promise.ahead or not promise.claim_id:
            return
        moment = self._rerouter.moment()
        distance_km, left_km, eta_s = self._left(promise)
        if promise.confirmed and moment.now_s - promise.renewed_at_s >= RENEW_S:
            await self._renew(promise, moment, eta_s)
        _keep_course(promise, moment.now_s, left_km, eta_s)
        await self._relevel(promise, moment)
        near = area.stage(distance_km, eta_s) == area.PILE_STAGE
        if near and promise.answer.stage is not Stage.PILE:
            await self._tell_pile(promise)

    async def _renew(self, promise: Promise, moment: Moment, eta_s: float) -> None:
        """Moves lease and window to when the car will be there."""
        promise.renewed_at_s = moment.now_s
        figures = promise.answer.choice.figures
        stay_s = promise.request.vehicle.setup_s + figures.charge_s
        claim = self._claims.table.get(promise.claim_id)
        begin_s = moment.now_s + eta_s
        if claim is not None and figures.ahead:
            begin_s = max(begin_s, claim.from_s)  # cars before it are served first
        await self._claims.renew(
            promise.claim_id, begin_s + CONFIRMED_LEASE_S, begin_s + stay_s, moment
        )

    async def _relevel(self, promise: Promise, moment: Moment) -> None:
        """Judges how urgent the car has become; its claim and its answer say so from then on.

        What it is offered next follows the chain of the new level.
        """
        request = promise.request
        if not promise.levelled.moved_on(request):
            return
        context = self._world.around(request)
        level, reason, reminder = pipeline.level_of(self._district, request, context, moment.now_s)
        self._remind(promise, reminder)
        before = promise.answer
        if level == before.level:
            return
        answer = msgspec.structs.replace(before, level=int(level), level_reason=reason)
        await self._claims.relevel(
            promise.claim_id, level, moment, lambda _: (self._kept(promise, answer),)
        )
        # Whoever revised it meanwhile judged the level as well.
        if promise.answer is before:
            promise.answer = answer
            self._rerouter.early.promised(promise)

    def _remind(self, promise: Promise, reminder: Reminder | None) -> None:
        """Tells the car by when it must charge, as often as the margin halves."""
        before = promise.answer.reminder
        if reminding.again(self._district, before, reminder):
            told = self._composer.reminded(reminder, promise.request.language)
            promise.answer = msgspec.structs.replace(promise.answer, reminder=told)
            promise.reminders += 1
            promise.tell()
        elif reminder is None and before is not None:
            promise.answer = msgspec.structs.replace(promise.answer, reminder=None)

    def _left(self, promise: Promise) -> tuple[float, float, float]:
        """Km in a straight line, km and seconds by road that are left to the held station."""
        request, answer = promise.request, promise.answer
        here = request.latitude_deg, request.longitude_deg
        straight_km = great_circle_km(here, answer.entrance)
        first = answer.choice.figures
        speed_kmh = first.distance_km / first.eta_s * 3600.0 if first.eta_s > 0 else 20.0
        left_km = self._world.roads.between_km(here, answer.entrance)
        return straight_km, left_km, left_km / speed_kmh * 3600.0

    async def _tell_pile(self, promise: Promise) -> None:
        """The exact pile is shown from now on; it is not changed any more without need."""
        evse_id = promise.answer.choice.evse_id
        change = self._rerouter.change(promise, "NEAR", evse_id)

        def near(answer: Answer) -> Answer | None:
            if answer.stage is Stage.PILE or answer.choice.evse_id != evse_id:
                return None
            return msgspec.structs.replace(answer, stage=Stage.PILE, change=change)

        await self._reviser.revise(promise, near)

    def _kept(self, promise: Promise, answer: Answer) -> KeptAnswer:
        return self._composer.kept(answer, promise.request)


def _keep_course(promise: Promise, now_s: float, left_km: float, eta_s: float) -> None:
    """Notes that a car drives away from its station, or will be late; see `refreshing.py`."""
    course = promise.course
    if left_km > course.least_km + max(OFF_ROUTE_KM, OFF_ROUTE_SHARE * course.least_km):
        course.strayed, course.least_km = "OFF_ROUTE", left_km
    elif left_km < course.least_km:
        course.least_km = left_km
    first = promise.answer
    if now_s + eta_s > first.made_at_s + first.choice.figures.eta_s + LATE_S:
        course.strayed = course.strayed or "LATE"
