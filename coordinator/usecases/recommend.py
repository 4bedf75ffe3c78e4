"""Answers a charging request: rank, then claim the best place or the next; durable before told."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from time import perf_counter

import msgspec
import structlog
import uuid_utils

from coordinator.clock import Clock
from coordinator.core.areas.ledger import (
    CAR_IS_CHARGING,
    ClaimState,
    Moment,
    Step,
    lapse,
)
from coordinator.core.district import District
from coordinator.core.recommend import explain, pipeline
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context, Models
from coordinator.core.usual import user_of, usual
from coordinator.core.vehicle import ChargingRequest, WarningLevel
from coordinator.errors import (
    FieldFault,
    FieldInvalid,
    Overloaded,
    StoreClosed,
    StoreUnavailable,
)
from coordinator.usecases.admission import Admission
from coordinator.usecases.answer import Answer, Hold, HoldKind
from coordinator.usecases.asked_twice import AskedTwice
from coordinator.usecases.composing import Composer, answers
from coordinator.usecases.counters import Counters
from coordinator.usecases.displace import Displacer
from coordinator.usecases.elsewhere import refuse_elsewhere
from coordinator.usecases.events import Events
from coordinator.usecases.granting import Grant
from coordinator.usecases.ledger import ClaimStore, KeptAnswer
from coordinator.usecases.promises import ENDS, Promise, Promises
from coordinator.usecases.ranking import RankingDesk
from coordinator.usecases.reroute import Rerouter

log = structlog.get_logger()

TRIES = 16  # places asked for in order before the answer is that nothing is free


class Recommender:
    """The use case behind Recommend."""

    def __init__(
        self,
        district: District,
        claims: ClaimStore,
        promises: Promises,
        composer: Composer,
        displacer: Displacer,
        desk: RankingDesk,
        rerouter: Rerouter,
        clock: Clock,
        events: Events,
        counters: Counters,
    ) -> None:
        self._desk = desk
        self._ahead = rerouter.ahead
        self._composer = composer
        self._displacer = displacer
        self._district = district
        self._claims = claims
        self._promises = promises
        self._clock = clock
        self._events = events
        self._counters = counters
        self.admission = Admission(counters, district, clock)
        self._took = counters.timing("answer_seconds")
        self._under_way: AskedTwice[Answer] = AskedTwice()

    def moment(self) -> Moment:
        """Now, in both times."""
        return Moment(self._clock.now_s(), self._clock.link_s())

    async def recommend(self, request: ChargingRequest) -> Answer:
        """The answer to a request; the same request_id again gives the same answer and one claim.

        Raises `FieldInvalid` for another car's request_id or a car far from here; `Overloaded`.
        """
        given = await self._under_way.made(request.request_id)
        if given is not None:
            return self._as_held(_same_car(given, request))
        began_s = perf_counter()
        try:
            with self._under_way.making(request.request_id) as made:
                with self.admission.enter(request):
                    known = await self.answer_to(request.request_id)
                    answer = known or await self._answer(request)
                made.set_result(answer)
        finally:
            self._took.add(perf_counter() - began_s)
        return _same_car(answer, request)

    async def answer_to(self, request_id: str) -> Answer | None:
        """The newest revision of the answer to a request; None if there was none."""
        kept = await self._claims.answer_to(request_id)
        return None if kept is None else self._as_held(self._newest(kept))

    async def answer(self, recommendation_id: str) -> Answer | None:
        """The newest revision of a recommendation; None if there was none."""
        promise = self._promises.get(recommendation_id)
        if promise is not None:
            return self._as_held(promise.answer)
        kept = await self._claims.answer(recommendation_id)
        return None if kept is None else self._as_held(self._newest(kept))

    def _as_held(self, answer: Answer) -> Answer:
        """The answer with what the ledger still holds for it, and why if that is nothing."""
        claim_id = answer.hold.claim_id
        if not claim_id:
            return answer
        claim = self._claims.table.get(claim_id)
        if claim is None:
            reason = "EXPIRED"
        elif not claim.live:
            reason = ENDS[claim.state]
        elif claim.lapsed(self.moment()):
            reason = ENDS[lapse(claim)]
        else:
            return answer
        return msgspec.structs.replace(answer, hold=Hold(HoldKind.NONE, reason=reason))

    def _newest(self, kept: KeptAnswer) -> Answer:
        promise = self._promises.get(kept.recommendation_id)
        return answers.decode(kept.answer) if promise is None else promise.answer

    async def _answer(self, request: ChargingRequest) -> Answer:
        request = usual(request, user_of(self._district, request.user_id, request.vehicle_id))
        if request.arrival_window_s is not None and not self._claims.paused:
            return await self._for_later(request)
        ranked, context = await self._desk.rank(request)
        now_s = self._clock.now_s()
        self._counters.add("requests")
        if ranked.batch is None:
            answer = self._empty(request, context, ranked, now_s)
            await self._note(answer, request, None)
            return answer
        try:
            answer = await self._promise(request, context, ranked)
        except (StoreUnavailable, StoreClosed):
            self._counters.add("unheld_recommendations")
            return self._without_hold(request, context, ranked, "STORE_UNAVAILABLE", now_s)
        if not answer.hold.claim_id:
            await self._note(answer, request, ranked)
        self._count(answer, ranked)
        return answer

    async def _for_later(self, request: ChargingRequest) -> Answer:
        """The answer to a request for a window in the future."""
        answer, ranked = await self._ahead.answer(request)
        self._counters.add("requests")
        if not answer.hold.claim_id:
            self._counters.add("empty_answers")
            await self._note(answer, request, ranked)
        self._count(answer, ranked)
        return answer

    async def _note(self, answer: Answer, request: ChargingRequest, ranked: Ranked | None) -> None:
        """Keeps a request behind whose answer nothing is held; an answer is given all the same."""
        kept = self._composer.kept(answer, request, ranked if answer.judged else None)
        with contextlib.suppress(StoreUnavailable, StoreClosed, Overloaded):
            await self._claims.keep_request(kept, self.moment())

    async def _promise(self, request: ChargingRequest, context: Context, ranked: Ranked) -> Answer:
        """The answer with the best place that the ledger grants."""
        moment = self.moment()
        recommendation_id = str(uuid_utils.uuid7())
        if ranked.conflict:
            given_up = await self._displacer.displace(request, ranked, recommendation_id)
            if given_up is not None:
                self._promises.add(Promise(given_up, request))
                return given_up
        for choice in ranked.order[:TRIES].tolist():
            wish = self._composer.wish(request, ranked, choice, recommendation_id, moment)
            grant = Grant(self._composer, request, context, ranked, choice, moment)
            step = await self._claims.claim(wish, moment, grant.answering)
            if isinstance(step, Step):
                assert grant.answer is not None
                assert step.claim is not None
                self._promises.close_ended(step, replaced=True)
                confirmed = step.claim.state is ClaimState.CONFIRMED
                self._promises.add(Promise(grant.answer, request, confirmed))
                return grant.answer
            if step.reason in (CAR_IS_CHARGING, self._claims.paused):
                return self._without_hold(request, context, ranked, step.reason, moment.now_s)
        return self._full(request, ranked, moment.now_s)

    def _without_hold(
        self,
        request: ChargingRequest,
        context: Context,
        ranked: Ranked,
        reason: str,
        now_s: float,
    ) -> Answer:
        """A recommendation that nothing stands behind, and says so."""
        moment = Moment(now_s, self._clock.link_s())
        choice = int(ranked.order[0])
        answer = self._composer.compose(request, context, ranked, choice, None, moment)
        degraded = (*answer.degraded, reason)
        hold = Hold(HoldKind.NONE, reason=reason)
        return msgspec.structs.replace(answer, hold=hold, degraded=degraded)

    def _empty(
        self, request: ChargingRequest, context: Context, ranked: Ranked, now_s: float
    ) -> Answer:
        """Why nothing can be recommended; NOTHING_FREE if only promises are in the way."""
        if not len(self._district):
            return self._nothing(request, ranked, "NOTHING_KNOWN", None, now_s)
        refuse_elsewhere(self._district, request)
        unlimited = replace(context, rules=replace(context.rules, queue_places=32_000))
        behind = pipeline.rank(self._district, request, unlimited, Models(), now_s)
        if behind.batch is None:
            return self._nothing(request, ranked, "NOTHING_REACHABLE", None, now_s)
        return self._full(request, behind, now_s)

    def _full(self, request: ChargingRequest, ranked: Ranked, now_s: float) -> Answer:
        assert ranked.columns is not None
        free_s = now_s + float(ranked.columns.wait.free_in_s.min())
        return self._nothing(request, ranked, "NOTHING_FREE", free_s, now_s)

    def _nothing(
        self,
        request: ChargingRequest,
        ranked: Ranked,
        reason: str,
        next_free_at_s: float | None,
        now_s: float,
    ) -> Answer:
        self._counters.add("empty_answers")
        text = explain.sentence(reason, request.language, {"km": f"{ranked.reach_km:.0f}"})
        return Answer(
            "", request.request_id, request.vehicle_id, now_s, int(ranked.level),
            ranked.level_reason, request.language, empty_reason=reason, empty_text=text,
            next_free_at_s=next_free_at_s,
            reminder=self._composer.reminded(ranked.reminder, request.language),
        )  # fmt: skip

    def _count(self, answer: Answer, ranked: Ranked) -> None:
        """Counts an answer and tells those who watch."""
        if not answer.judged:
            return
        choice = answer.choice
        log.debug("recommended", evse_id=choice.evse_id, request_id=answer.request_id)
        self._counters.add("recommendations")
        if answer.degraded:
            self._counters.add("degraded_recommendations")
        facts = {"evse_id": choice.evse_id, "level": WarningLevel(answer.level).name}
        self._events.add(
            "RECOMMENDED",
            choice.summary,
            evse_id=choice.evse_id,
            vehicle_id=answer.vehicle_id,
            facts=facts,
        )
        if ranked.conflict and ranked.wanted is not None and ranked.batch is not None:
            wanted = self._district.evse_ids[
                int(ranked.batch.columns.candidates.evse[ranked.number, ranked.wanted])
            ]
            self._tell_conflict(answer, wanted, facts)

    def _tell_conflict(self, answer: Answer, wanted: str, facts: dict[str, str]) -> None:
        """Where the wanted EVSE was promised to another: who went elsewhere, or who waits."""
        car, choice = answer.vehicle_id, answer.choice
        ahead = choice.figures.ahead
        if choice.evse_id != wanted:
            self._counters.add("conflicts_resolved")
            kind, text = (
                "CONFLICT",
                f"{wanted} is promised to another car; {car} -> {choice.evse_id}",
            )
        elif ahead:
            kind, text = "QUEUED", f"{car} waits behind {ahead} at {wanted}"
        else:
            return  # the other car has given it up, and was told so
        facts = facts | {"wanted_evse_id": wanted}
        self._events.add(kind, text, evse_id=wanted, vehicle_id=car, facts=facts)


def _same_car(answer: Answer, request: ChargingRequest) -> Answer:
    if answer.vehicle_id != request.vehicle_id:
        raise FieldInvalid(FieldFault("request_id", "was used by another car"))
    return answer
