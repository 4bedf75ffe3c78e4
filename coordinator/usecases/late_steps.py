"""Takes over what a store has made durable after its caller was told that nothing had happened.

The car has the place that is stored; so its promise follows, and the car is told.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from coordinator.clock import Clock
from coordinator.core.areas.ledger import ClaimState, Moment, Step
from coordinator.usecases.answer import Answer
from coordinator.usecases.composing import answers
from coordinator.usecases.ledger import ClaimStore, KeptAnswer
from coordinator.usecases.promises import ENDS, Promise, Promises

log = structlog.get_logger()


class LateSteps:
    """Hears of steps whose outcome came late."""

    def __init__(self, claims: ClaimStore, promises: Promises, clock: Clock) -> None:
        self._claims = claims
        self._promises = promises
        self._clock = clock

    async def came(self, step: Step, kept: Sequence[KeptAnswer]) -> None:
        """Brings the promises into line with a step and the answers that were stored with it."""
        for one in kept:
            promise = self._promises.get(one.recommendation_id)
            if promise is not None:
                await self._take(promise, answers.decode(one.answer))
        granted = step.claim is not None and step.claim.live
        for claim in step.after:
            promise = self._promises.of_claim(claim.claim_id)
            if promise is not None and not claim.live and not self._lives(claim.claim_id):
                self._promises.close(promise, "REPLACED" if granted else ENDS[claim.state])

    async def _take(self, promise: Promise, answer: Answer) -> None:
        claim_id = answer.hold.claim_id
        claim = self._claims.table.get(claim_id)
        if not claim_id:
            if not promise.closed and promise.claim_id and not self._lives(promise.claim_id):
                self._promises.revise(promise, answer)  # the place was lost, as it was decided
            return
        if claim is None or not claim.live:
            return
        firm = claim.state is not ClaimState.OFFERED
        if promise.claim_id == claim_id and not promise.closed:
            if firm and not promise.confirmed:
                until_s = answer.hold.until_s
                hold = msgspec.structs.replace(promise.answer.hold, until_s=until_s, confirmed=True)
                promise.answer = msgspec.structs.replace(promise.answer, hold=hold)
                promise.confirmed = True
                promise.tell()
        elif promise.closed or self._lives(promise.claim_id):
            if claim.state is not ClaimState.OCCUPIED:  # it has another place, or wants none
                moment = Moment(self._clock.now_s(), self._clock.link_s())
                await self._claims.release(claim_id, moment)
        else:
            promise.confirmed = firm
            self._promises.revise(promise, answer)
            log.warning("moved late", trace_id=promise.trace_id, to_evse_id=claim.evse_id)

    def _lives(self, claim_id: str) -> bool:
        claim = self._claims.table.get(claim_id)
        return claim is not None and claim.live
