"""Follows a car to its pile: confirm, arrival, release, and what happened in the end.

What a position means for the promise is in `underway.py`, what changes it from outside in
`watchman.py`; how a car gets another place is in `reroute.py`.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from coordinator.clock import Clock
from coordinator.core.areas.ledger import ClaimState, Refused, Step
from coordinator.core.district import District
from coordinator.core.recommend import pipeline
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context
from coordinator.core.vehicle import Fix
from coordinator.errors import FieldFault, FieldInvalid, NotFound, PromiseLost
from coordinator.usecases.answer import Answer
from coordinator.usecases.composing import Composer, answers, requests
from coordinator.usecases.counters import Counters
from coordinator.usecases.ledger import ClaimStore, KeptAnswer, Outcome
from coordinator.usecases.occupying import Occupying
from coordinator.usecases.presence import Presence
from coordinator.usecases.promises import ENDS, Promise, Promises
from coordinator.usecases.proposals import Proposals
from coordinator.usecases.reroute import CONFIRMED_LEASE_S, Rerouter
from coordinator.usecases.revising import Reviser
from coordinator.usecases.sessions import SessionBook
from coordinator.usecases.surroundings import SurroundingsKeeper
from coordinator.usecases.underway import Underway
from coordinator.usecases.world import World

UNSTORED = 8  # numbers beyond the stored one that a car may have been told, of offers and races


class Guidance:
    """The use case behind Confirm, Guide, UpdateProgress, Release and ReportOutcome."""

    def __init__(
        self,
        district: District,
        world: World,
        claims: ClaimStore,
        promises: Promises,
        composer: Composer,
        rerouter: Rerouter,
        clock: Clock,
        counters: Counters,
        book: SessionBook,
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
        self._counters = counters
        self._book = book
        self._presence = Presence(clock)
        self._occupying = Occupying(
            district, claims, promises, composer, rerouter, clock, counters, book
        )
        self.proposals: Proposals | None = None
        self._underway = Underway(
            district, world, claims, promises, composer, rerouter, clock, surroundings, reviser
        )

    async def restore(self) -> int:
        """Takes the promises behind the live claims of the store up again; gives how many."""
        for claim in tuple(self._claims.table.live()):
            if claim.recommendation_id and self._promises.get(claim.recommendation_id) is None:
                promise = await self._load(claim.recommendation_id)
                session = self._book.at(claim.evse_id)
                unnamed = session is not None and not session.recommendation_id
                if promise is not None and unnamed and claim.state is ClaimState.OCCUPIED:
                    await self._occupying.name_session(promise)  # the last process had no time to
        await self._forget_offers()
        return len(self._promises)

    async def _forget_offers(self) -> None:
        """Gives back what the last process offered cars beside what they hold: nobody knows it."""
        for claim in tuple(self._claims.table.live()):
            promise = self._promises.get(claim.recommendation_id)
            if claim.moving and promise is not None and promise.claim_id != claim.claim_id:
                await self._claims.release(claim.claim_id, self._rerouter.moment())

    async def find(self, recommendation_id: str) -> Promise:
        """The promise of this name; raises `NotFound`."""
        promise = self._promises.get(recommendation_id) or await self._load(recommendation_id)
        if promise is None:
            raise NotFound("recommendation", recommendation_id)
        return promise

    async def _load(self, recommendation_id: str) -> Promise | None:
        kept = await self._claims.answer(recommendation_id)
        if kept is None:
            return None
        answer = answers.decode(kept.answer)
        claim = self._claims.table.get(answer.hold.claim_id)
        live = claim is not None and claim.live
        confirmed = claim is not None and claim.state is not ClaimState.OFFERED
        request = replace(requests.decode(kept.request), id_token=kept.id_token)
        promise = Promise(answer, request, confirmed and live)
        promise.token_mark = kept.token_mark
        promise.proposed_revision = answer.revision + UNSTORED
        promise.renewed_at_s = answer.made_at_s
        promise.ahead = live and claim is not None and claim.future
        self._promises.add(promise)
        if not live:
            self._promises.close(promise, ENDS[claim.state] if claim else "EXPIRED")
        elif claim is not None and claim.state is ClaimState.OCCUPIED:
            self._promises.close(promise, "ARRIVED")
        return promise

    async def confirm(self, recommendation_id: str, evse_id: str = "") -> Promise:
        """Makes the offer firm, on the choice or any alternative that was listed.

        Raises `PromiseLost` if the place is gone, `FieldInvalid` for an EVSE that was not listed.
        """
        promise = await self._open(recommendation_id)
        if evse_id and evse_id != promise.answer.choice.evse_id:
            await self._switch(promise, evse_id)
        moment = self._rerouter.moment()
        figures = promise.answer.choice.figures
        arrives_s = moment.now_s + figures.eta_s + figures.wait_s
        if promise.ahead and promise.answer.window is not None:
            arrives_s = promise.answer.window[1]
        lease_s = arrives_s + CONFIRMED_LEASE_S
        held = promise.answer.hold
        answer = msgspec.structs.replace(
            promise.answer, hold=msgspec.structs.replace(held, until_s=lease_s, confirmed=True)
        )
        step = await self._claims.confirm(
            held.claim_id,
            lease_s,
            moment,
            lambda step: (self._kept(promise, answer),) if step.after else (),
        )
        if isinstance(step, Refused):
            self._promises.close(promise, "EXPIRED")
            raise PromiseLost(recommendation_id, step.reason)
        if step.after:
            promise.confirmed = True
            promise.renewed_at_s = moment.now_s
            # What became of the hold at the pile may have been told meanwhile.
            held = msgspec.structs.replace(promise.answer.hold, until_s=lease_s, confirmed=True)
            promise.answer = msgspec.structs.replace(promise.answer, hold=held)
            self._promises.close_ended(step, replaced=True)
            self._rerouter.early.promised(promise)
        return promise

    def waits_behind(self, promise: Promise, cars: int) -> None:
        """Notes how many cars wait at the promised EVSE before this one, by its driver's word."""
        row = self._district.row.get(promise.answer.choice.evse_id)
        if row is not None and not promise.closed:
            self._district.tell_queue(row, cars, self._clock.now_s())

    async def _open(self, recommendation_id: str) -> Promise:
        """The promise, if something stands behind it; raises `PromiseLost`."""
        promise = await self.find(recommendation_id)
        if (why := promise.closed or self._claims.paused) or not promise.claim_id:
            raise PromiseLost(recommendation_id, why or promise.answer.hold.reason)
        return promise

    async def _switch(self, promise: Promise, evse_id: str) -> None:
        """Moves the promise to another EVSE that the answer listed."""
        listed = {judged.evse_id for judged in promise.answer.judged}
        row = self._district.row.get(evse_id)
        if evse_id not in listed or row is None:
            raise FieldInvalid(FieldFault("evse_id", "was not listed in the recommendation"))
        if promise.ahead:
            if not await self._rerouter.ahead.switch(promise, "DRIVER_CHOICE", evse_id):
                raise PromiseLost(promise.recommendation_id, "TAKEN")
            return
        context = self._world.around(promise.request)
        ranked = self._ranked(promise, context)
        at = _candidates(ranked)
        if row not in at:
            context = self._world.around(promise.request, only=frozenset({row}))
            ranked = self._ranked(promise, context)
            at = _candidates(ranked)
        if row not in at:
            raise PromiseLost(promise.recommendation_id, "TAKEN")
        # The rest of the list stays, as the driver has it on the screen.
        rows = (self._district.row.get(judged.evse_id, -1) for judged in promise.answer.judged)
        rest = [at[other] for other in rows if other in at and other != row]
        step = await self._rerouter.move(
            promise, context, ranked, at[row], "DRIVER_CHOICE", (at[row], *rest)
        )
        if isinstance(step, Refused):
            raise PromiseLost(promise.recommendation_id, step.reason)

    def _ranked(self, promise: Promise, context: Context) -> Ranked:
        """What the promised car could have now."""
        now_s, models = self._clock.now_s(), self._rerouter.models.now
        return pipeline.rank(self._district, promise.request, context, models, now_s)

    async def progress(self, promise: Promise, fix: Fix) -> None:
        """Takes a position; what follows from it is in `underway.py`.

        A car that drives about cannot be the one that charges, and one that is there may be.
        """
        await self._underway.progress(promise, fix)
        if promise.closed == "ARRIVED":
            await self._occupying.take_back(promise, fix)
        elif promise.taken_link_s != float("inf") and self._presence.is_here(promise):
            await self.occupy(promise)

    def _kept(self, promise: Promise, answer: Answer) -> KeptAnswer:
        return self._composer.kept(answer, promise.request)

    async def arrived(self, promise: Promise, evse_id: str = "") -> None:
        """The car stands at the station; its plug-in is awaited, or has just been seen.

        Raises `PromiseLost` if it names an EVSE that another car holds.
        """
        if promise.closed:
            return
        elsewhere = evse_id and evse_id != promise.answer.choice.evse_id
        if elsewhere and not await self.follow_car(promise, evse_id):
            raise PromiseLost(promise.recommendation_id, "TAKEN")
        promise.arrived_link_s, promise.arrived_evse_id = self._clock.link_s(), evse_id
        if abs(promise.taken_link_s) < float("inf") and not self._presence.is_far(promise):
            await self.occupy(promise)
        self._promises.stands(promise)

    async def follow_car(self, promise: Promise, evse_id: str) -> bool:
        """Moves the claim to where the car stands, within its station; False if it is held."""
        row = self._district.row.get(evse_id)
        if row is None:
            return False
        station_id = self._district.stations[int(self._district.station[row])].station_id
        if station_id != promise.answer.choice.station_id:
            return False
        if self._claims.table.of_evse(evse_id):
            return False
        if promise.ahead:
            return await self._rerouter.ahead.switch(promise, "DRIVER_CHOICE", evse_id)
        context = self._world.around(promise.request, only=frozenset({row}))
        ranked, arrived = self._ranked(promise, context), promise.arrived_link_s
        if ranked.columns is None or ranked.columns.wait.ahead[0] > 0:
            return False
        step = await self._rerouter.move(promise, context, ranked, 0, "DRIVER_CHOICE")
        promise.arrived_link_s = arrived
        return isinstance(step, Step)

    async def occupy(self, promise: Promise, evse_id: str = "") -> None:
        """The car is plugged in, at another EVSE if one is named."""
        await self._occupying.occupy(promise, evse_id)

    async def disown(self, promise: Promise) -> None:
        """Another car is plugged in where this one was thought to be."""
        await self._occupying.disown(promise)

    async def decide(self, promise: Promise, revision: int, accepted: bool) -> None:
        """The driver's word on an offer or a revision; if that is no, the car looks elsewhere."""
        if self.proposals is not None and await self.proposals.decide(promise, revision, accepted):
            return
        if promise.closed or revision != promise.answer.revision or accepted:
            return
        await self._rerouter.reroute(promise, "DRIVER_CHOICE")

    async def release(self, recommendation_id: str) -> bool:
        """Gives the hold back; False if nothing was held any more."""
        promise = await self.find(recommendation_id)
        if promise.closed or not promise.claim_id:
            if not promise.closed:
                self._promises.close(promise, "RELEASED")
            return False
        step = await self._claims.release(promise.claim_id, self._rerouter.moment())
        self._promises.close(promise, "RELEASED")
        return isinstance(step, Step) and bool(step.after)

    async def outcome(self, recommendation_id: str, charged: bool, told: Outcome) -> None:
        """What really happened, in the driver's word; a place that was not used is given back."""
        promise = await self.find(recommendation_id)
        await self._claims.keep_outcome(recommendation_id, told, self._rerouter.moment())
        self._counters.add("outcomes")
        self._counters.add("outcomes_as_promised" if charged else "outcomes_otherwise")
        if not charged and not promise.closed:
            await self.release(recommendation_id)
        elif not charged and promise.closed == "ARRIVED":
            await self.disown(promise)


def _candidates(ranked: Ranked) -> dict[int, int]:
    """Candidates by their EVSE rows; padding is left out."""
    if ranked.columns is None:
        return {}
    rows = ranked.columns.candidates.evse
    return {int(rows[candidate]): candidate for candidate in ranked.order.tolist()}
