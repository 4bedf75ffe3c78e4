"""Gives a car another place when its own is lost: finds it, moves the claim, tells the car.

When that is needed is decided in `watchman.py` (the world changed), `guide.py` (the driver chose)
and `displace.py` (a more urgent car).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
import structlog

from coordinator.clock import Clock
from coordinator.core.areas.ledger import (
    OFFER_S,
    Claim,
    ClaimState,
    Moment,
    Move,
    Refused,
    Step,
)
from coordinator.core.district import District
from coordinator.core.recommend import explain, pipeline
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context
from coordinator.usecases.accounts import entered
from coordinator.usecases.ahead import Ahead
from coordinator.usecases.answer import Answer, Change, Hold, HoldKind
from coordinator.usecases.composing import Composer
from coordinator.usecases.counters import Counters
from coordinator.usecases.early_rounds import EarlyRounds
from coordinator.usecases.events import Events
from coordinator.usecases.ledger import ClaimStore, KeptAnswer
from coordinator.usecases.models_now import ModelsNow
from coordinator.usecases.promises import Course, Promise, Promises
from coordinator.usecases.world import World

log = structlog.get_logger()

TRIES = 16
SWITCH_S = 90.0  # by how much another place must be better before a car is sent there, in the cost
RETRY_S = 10.0  # link time until a car without a place is looked after again
CONFIRMED_LEASE_S = 600.0  # a confirmed lease ends so long after the expected arrival, domain time


@dataclass(slots=True)
class Revision:
    """Makes the revised answer as soon as the move is decided, so that both are stored together."""

    composer: Composer
    promise: Promise
    context: Context
    ranked: Ranked
    choice: int
    claim: Claim
    moment: Moment
    change: Change
    picked: Sequence[int] | None = None  # what is listed, the choice first; None for the best
    in_favour_of: str = ""  # the car that needs the place more
    answer: Answer | None = None

    def compose(self) -> KeptAnswer:
        """The revised answer, to be stored."""
        request = self.promise.request
        answer = self.composer.compose(
            request, self.context, self.ranked, self.choice, self.claim, self.moment, self.picked
        )
        answer = msgspec.structs.replace(answer, change=self.change)
        self.answer = entered(self.promise.answer, answer, self.in_favour_of)
        return self.composer.kept(self.answer, request, self.ranked)

    def kept(self, answer: Answer) -> KeptAnswer:
        """The same, finished, to be stored."""
        return self.composer.kept(answer, self.promise.request, self.ranked)

    def answering(self, step: Step) -> Sequence[KeptAnswer]:
        """For the store of claims."""
        return (self.compose(),)


class Rerouter:
    """Moves promises from one EVSE to another."""

    def __init__(
        self,
        district: District,
        world: World,
        claims: ClaimStore,
        promises: Promises,
        composer: Composer,
        models: ModelsNow,
        clock: Clock,
        events: Events,
        counters: Counters,
    ) -> None:
        self.models = models
        self.forget: Callable[[Promise], Awaitable[None]] | None = None  # what a car was offered
        self.early = EarlyRounds()
        self.ahead = Ahead(district, world, claims, promises, models, clock)
        self._district = district
        self._world = world
        self._claims = claims
        self._promises = promises
        self._composer = composer
        self._clock = clock
        self._events = events
        self._counters = counters

    @property
    def speed(self) -> float:
        """Domain seconds in a second."""
        return self._clock.speed

    def moment(self) -> Moment:
        """Now, in both times."""
        return Moment(self._clock.now_s(), self._clock.link_s())

    async def reroute(self, promise: Promise, code: str) -> bool:
        """Gives the car another place for this reason, or says that there is none for now.

        False if nothing was found; it is then looked for again every few seconds.
        """
        claim_id = promise.claim_id
        if await self.elsewhere(promise, code) or promise.claim_id != claim_id:
            return True  # found here, or meanwhile by the joint plan
        await self._without_place(promise, code, self.moment())
        return False

    async def elsewhere(self, promise: Promise, code: str) -> bool:
        """Gives the car another place for this reason; False leaves it the one that it has."""
        if promise.answer.hold.kind is not HoldKind.NONE:
            promise.refused.add(promise.answer.choice.evse_id)
        if promise.ahead:
            return await self.ahead.switch(promise, code)
        rows = self._district.row
        excluded = frozenset(rows[evse] for evse in promise.refused if evse in rows)
        context = self._world.around(promise.request, excluded=excluded)
        moment = self.moment()
        ranked = pipeline.rank(
            self._district, promise.request, context, self.models.now, moment.now_s
        )
        for choice in self._by_area(promise, ranked)[:TRIES]:
            if isinstance(await self.move(promise, context, ranked, choice, code), Step):
                return True
        return False

    def _by_area(self, promise: Promise, ranked: Ranked) -> list[int]:
        """Candidates in order, those of the promised area that are free on arrival first."""
        columns = ranked.columns
        if columns is None:
            return []
        members = set(promise.answer.area)
        stations = self._district.stations
        found = columns.candidates
        inside = [stations[row].station_id in members for row in found.stations.tolist()]
        waits, place = columns.wait.p50_s, found.place
        ordered: list[int] = ranked.order.tolist()
        first = [c for c in ordered if inside[place[c]] and waits[c] <= 0.0]
        return first + [c for c in ordered if c not in set(first)]

    async def move(
        self,
        promise: Promise,
        context: Context,
        ranked: Ranked,
        choice: int,
        code: str,
        picked: Sequence[int] | None = None,
    ) -> Step | Refused:
        """Moves the promise to this candidate in one step and tells the car.

        `picked` is what the car is told, the choice first; without it, the best others.
        """
        if promise.proposal is not None and self.forget is not None:
            await self.forget(promise)
        moment = self.moment()
        revision = self.revision(promise, context, ranked, choice, code, moment)
        revision.picked = picked
        held = self._claims.table.get(promise.claim_id)
        live = held is not None and held.live and not held.lapsed(moment)
        move = Move(promise.claim_id if live else "", revision.claim)
        step = await self._claims.apply([move], {}, moment, revision.answering)
        if isinstance(step, Step):
            await self.granted(promise, revision)
        return step

    async def granted(self, promise: Promise, revision: Revision) -> bool:
        """Tells the car of its new place; one that gave up while that was stored gets none."""
        if promise.closed:
            await self._claims.release(revision.claim.claim_id, self.moment())
            return False
        self.told(promise, revision)
        return True

    def revision(
        self,
        promise: Promise,
        context: Context,
        ranked: Ranked,
        choice: int,
        code: str,
        moment: Moment,
        without: frozenset[str] = frozenset(),
    ) -> Revision:
        """The next revision of a promise with this candidate, and the claim it needs."""
        columns = ranked.columns
        assert columns is not None
        number = promise.next_revision
        claim = self._composer.wish(
            promise.request, ranked, choice, promise.recommendation_id, moment, number, without
        )
        if promise.confirmed:
            eta_s = float(columns.drive.drive_s[choice] + columns.wait.p50_s[choice])
            lease_s = moment.now_s + eta_s + CONFIRMED_LEASE_S
            claim = replace(claim, state=ClaimState.CONFIRMED, lease_until_s=lease_s)
        else:
            claim = replace(claim, lease_until_s=moment.link_s + OFFER_S)
        change = self.change(promise, code, claim.evse_id)
        return Revision(self._composer, promise, context, ranked, choice, claim, moment, change)

    def change(self, promise: Promise, code: str, to_evse_id: str) -> Change:
        """Why the promise changes, in words."""
        choice = promise.answer.choice
        name = choice.place.name
        text = explain.sentence(code, promise.request.language, {"name": name})
        return Change(code, text, choice.evse_id, to_evse_id)

    def told(self, promise: Promise, revision: Revision) -> None:
        """Takes a durable revision over and tells who waits and who watches."""
        assert revision.answer is not None
        promise.taken_link_s = promise.silent_link_s = promise.retry_link_s = float("inf")
        promise.arrived_link_s, promise.arrived_evse_id = float("-inf"), ""
        promise.renewed_at_s = revision.moment.now_s
        promise.course = Course()
        change, left = revision.change, promise.answer
        self._promises.revise(promise, revision.answer)
        if left.hold.claim_id:
            self.early.lost(promise, left.choice.station_id, change.code)
        if promise.confirmed and change.code != "DRIVER_CHOICE":
            self._counters.add("reroutes")
        log.info(
            "re-routed",
            trace_id=promise.trace_id,
            code=change.code,
            from_evse_id=change.from_evse_id,
            to_evse_id=change.to_evse_id,
        )
        self._events.add(
            "REROUTED",
            f"{promise.request.vehicle_id}: {change.from_evse_id} -> {change.to_evse_id}"
            f" ({change.code})",
            evse_id=change.to_evse_id,
            vehicle_id=promise.request.vehicle_id,
            facts={"code": change.code, "from_evse_id": change.from_evse_id,
                   "to_evse_id": change.to_evse_id},
        )  # fmt: skip

    async def _without_place(self, promise: Promise, code: str, moment: Moment) -> None:
        """Says that the place is lost and none is free; the old claim ends."""
        promise.retry_link_s = moment.link_s + RETRY_S
        promise.lost_code = code
        promise.taken_link_s = promise.silent_link_s = float("inf")
        if promise.answer.hold.kind is HoldKind.NONE:
            return
        claim_id = promise.claim_id
        answer = msgspec.structs.replace(
            promise.answer,
            revision=promise.next_revision,
            made_at_s=moment.now_s,
            hold=Hold(HoldKind.NONE, reason="NOTHING_FREE"),
            change=self.change(promise, code, ""),
        )
        answer = entered(promise.answer, answer)
        self._promises.revise(promise, answer)
        self.early.lost(promise, answer.choice.station_id, code)
        await self._claims.release(claim_id, moment)
        self._events.add(
            "PLACE_LOST",
            f"{promise.request.vehicle_id}: {answer.choice.evse_id} is lost ({code}), none is free",
            evse_id=answer.choice.evse_id,
            vehicle_id=promise.request.vehicle_id,
            facts={"code": code},
        )
