"""Windows in the future: an EVSE is kept for a car that wants to arrive later today or tomorrow.

Ranked by what the EVSEs will be like then, and claimed like any other place. When it is time to set
out the window becomes the car's live claim, and its promise is looked after as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import uuid_utils

from coordinator.clock import Clock
from coordinator.core.areas.ledger import AHEAD_S, ClaimState, Moment, Move, Refused, Step
from coordinator.core.district import District
from coordinator.core.recommend.columns import Ranked
from coordinator.core.vehicle import ChargingRequest
from coordinator.errors import FieldFault, FieldInvalid
from coordinator.usecases import ahead_words
from coordinator.usecases.ahead_desk import LaterDesk, Look, Window
from coordinator.usecases.answer import Answer, Change
from coordinator.usecases.ledger import ClaimStore, KeptAnswer
from coordinator.usecases.models_now import ModelsNow
from coordinator.usecases.promises import Promise, Promises
from coordinator.usecases.world import World

SET_OUT_S = 300.0  # before a car must drive off, domain time


class Ahead:
    """Keeps windows, and lets them begin."""

    def __init__(
        self,
        district: District,
        world: World,
        claims: ClaimStore,
        promises: Promises,
        models: ModelsNow,
        clock: Clock,
    ) -> None:
        self._district = district
        self._world = world
        self._claims = claims
        self._promises = promises
        self._clock = clock
        self._desk = LaterDesk(district, world, claims.table, models, clock)

    async def answer(self, request: ChargingRequest) -> tuple[Answer, Ranked]:
        """The answer to a request for a window; raises `FieldInvalid` for one out of reach."""
        moment = Moment(self._clock.now_s(), self._clock.link_s())
        window = _reachable(request, moment.now_s)
        look = self._desk.look(request, window, moment)
        name = str(uuid_utils.uuid7())
        for choice in look.choices():
            wish = self._desk.wish(request, look, choice, name, moment)
            grant = _Grant(self._desk, request, look, choice, moment)
            step = await self._claims.claim(wish, moment, grant.answering)
            if isinstance(step, Step):
                assert grant.answer is not None
                assert step.claim is not None
                self._promises.close_ended(step, replaced=True)
                confirmed = step.claim.state is ClaimState.CONFIRMED
                self._promises.add(Promise(grant.answer, request, confirmed, ahead=True))
                return grant.answer, look.ranked
        return self._desk.nothing(request, look, moment.now_s), look.ranked

    async def switch(self, promise: Promise, code: str, evse_id: str = "") -> bool:
        """Keeps another EVSE for the window of a promise, this one if it is named; and tells it."""
        moment = Moment(self._clock.now_s(), self._clock.link_s())
        assert promise.answer.window is not None
        row = self._district.row.get(evse_id)
        only = None if row is None else frozenset({row})
        rows = self._district.row
        gone = frozenset(rows[e] for e in promise.refused if e in rows) if only is None else None
        look = self._desk.look(
            promise.request, promise.answer.window, moment, gone or frozenset(), only
        )
        before = self._claims.table.get(promise.claim_id)
        for choice in look.choices():
            wish = self._desk.wish(
                promise.request, look, choice, promise.recommendation_id, moment, promise
            )
            grant = _Grant(self._desk, promise.request, look, choice, moment, promise, code)
            live = before is not None and before.live and not before.lapsed(moment)
            moves = [Move(promise.claim_id if live else "", wish)]
            step = await self._claims.apply(moves, {}, moment, grant.answering)
            if isinstance(step, Step):
                assert grant.answer is not None
                self._promises.revise(promise, grant.answer)
                return True
        return False

    async def begin_due(self, moment: Moment) -> list[Promise]:
        """Lets windows begin whose cars must set out; gives their promises."""
        begun = []
        for claim in tuple(self._claims.table.windows()):
            promise = self._promises.of_claim(claim.claim_id)
            if promise is None or not promise.confirmed:
                continue
            drive_s = promise.answer.choice.figures.eta_s
            if moment.now_s < claim.from_s - drive_s - SET_OUT_S:
                continue
            if await self.begin(promise, moment):
                begun.append(promise)
        return begun

    async def begin(self, promise: Promise, moment: Moment, instead: bool = False) -> bool:
        """Makes a window the live claim of its car and says so; False while another one lives."""
        answer = promise.answer
        assert answer.window is not None
        offset_h = self._world.around(promise.request).utc_offset_h
        name, evse_id = answer.choice.place.name, answer.choice.evse_id
        text = ahead_words.sentence(
            "WINDOW_BEGINS", name, answer.window, offset_h, promise.request.language
        )
        change = Change("WINDOW_BEGINS", text, evse_id, evse_id)
        revised = msgspec.structs.replace(answer, revision=promise.next_revision, change=change)
        step = await self._claims.begin(
            promise.claim_id,
            moment,
            instead,
            lambda _: (self._desk.kept(promise.request, revised),),
        )
        if isinstance(step, Refused):
            return False
        self._promises.close_ended(step, replaced=True)
        promise.ahead = False
        promise.renewed_at_s = moment.now_s
        self._promises.revise(promise, revised)
        return True


@dataclass(slots=True)
class _Grant:
    """Makes the answer as soon as its claim is decided, so that both are stored together."""

    desk: LaterDesk
    request: ChargingRequest
    look: Look
    choice: int
    moment: Moment
    promise: Promise | None = None
    code: str = ""
    answer: Answer | None = None

    def answering(self, step: Step) -> Sequence[KeptAnswer]:
        """The answer of a granted step, to be stored with it."""
        assert step.claim is not None
        self.answer = self.desk.compose(
            self.request, self.look, self.choice, step.claim, self.moment
        )
        if self.promise is not None:
            before = self.promise.answer.choice
            text = self.answer.choice.summary
            change = Change(self.code, text, before.evse_id, step.claim.evse_id)
            self.answer = msgspec.structs.replace(self.answer, change=change)
        return (self.desk.kept(self.request, self.answer, self.look),)


def _reachable(request: ChargingRequest, now_s: float) -> Window:
    """The window as far as it lies ahead; raises `FieldInvalid`."""
    assert request.arrival_window_s is not None
    from_s, to_s = request.arrival_window_s
    if to_s <= now_s:
        raise FieldInvalid(FieldFault("arrival_window.to_at", "must be in the future"))
    if to_s > now_s + AHEAD_S:
        raise FieldInvalid(FieldFault("arrival_window.to_at", "must be at most 24 h ahead"))
    return max(from_s, now_s), to_s
