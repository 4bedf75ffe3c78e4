"""Holds what a city has chosen here: one EVSE for one car, with the answer that the car is told.

The city has sorted the candidates of all districts; whether the EVSE is still to be had is decided
by this district's own ledger. What comes after is as with any promise: `guide.py`, `watchman.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from coordinator.clock import Clock
from coordinator.core.areas.ledger import (
    LAPSED,
    OTHER_CLAIM,
    TAKEN,
    Claim,
    ClaimState,
    Moment,
    Refused,
    Step,
)
from coordinator.core.district import District
from coordinator.core.recommend import pipeline
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context
from coordinator.core.usual import user_of, usual
from coordinator.core.vehicle import ChargingRequest, WarningLevel
from coordinator.usecases.answer import Answer
from coordinator.usecases.composing import Composer
from coordinator.usecases.granting import Grant
from coordinator.usecases.guide import Guidance
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.models_now import ModelsNow
from coordinator.usecases.promises import Promise, Promises
from coordinator.usecases.world import World

UNKNOWN_EVSE = "UNKNOWN_EVSE"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the city asks for; names are the city's, so that they stay when the promise moves.

    `level` None leaves it to the district; `ttl_s` is how long the offer stands, link time.
    """

    claim_id: str
    evse_id: str
    recommendation_id: str
    revision: int
    level: WarningLevel | None
    ttl_s: float


class CityClaims:
    """The use case behind DistrictService.Claim, Confirm, Release and Renew."""

    def __init__(
        self,
        district: District,
        world: World,
        claims: ClaimStore,
        promises: Promises,
        composer: Composer,
        guidance: Guidance,
        models: ModelsNow,
        clock: Clock,
    ) -> None:
        self._district = district
        self._world = world
        self._claims = claims
        self._promises = promises
        self._composer = composer
        self._guidance = guidance
        self._models = models
        self._clock = clock

    def held(self, vehicle_id: str) -> tuple[Claim, ...]:
        """The live claims of a car here, lapsed ones left out."""
        moment = self._moment()
        return tuple(c for c in self._claims.table.of_car(vehicle_id) if not c.lapsed(moment))

    async def claim(self, request: ChargingRequest, wanted: Wanted) -> Answer | Refused:
        """The answer with the EVSE held for the car; the same claim_id again gives the same.

        Durable before it returns. Raises `StoreUnavailable` and `StoreClosed`.
        """
        known = self._claims.table.get(wanted.claim_id)
        if known is not None:
            return await self._again(known)
        old = self._promises.get(wanted.recommendation_id)
        if old is not None and old.request.vehicle_id != request.vehicle_id:
            return Refused(OTHER_CLAIM)  # a city's mistake costs no other car its promise
        row = self._district.row.get(wanted.evse_id)
        if row is None:
            return Refused(UNKNOWN_EVSE)
        if self._claims.paused:
            return Refused(self._claims.paused)
        request = usual(request, user_of(self._district, request.user_id, request.vehicle_id))
        self._world.asked(request)
        context, ranked, choice = self._find(request, row)
        if choice is None:
            return Refused(TAKEN)
        if wanted.level is not None:
            ranked.level = wanted.level
        moment = self._moment()
        wish = self._composer.wish(
            request, ranked, choice, wanted.recommendation_id, moment, max(wanted.revision, 1)
        )
        lease_s = moment.link_s + wanted.ttl_s
        wish = replace(wish, claim_id=wanted.claim_id, lease_until_s=lease_s)
        grant = Grant(self._composer, request, context, ranked, choice, moment)
        step = await self._claims.claim(wish, moment, grant.answering)
        if isinstance(step, Refused):
            return step
        return self._granted(request, grant, step)

    def _granted(self, request: ChargingRequest, grant: Grant, step: Step) -> Answer:
        """Takes the promise in, now that it is durable."""
        assert grant.answer is not None
        assert step.claim is not None
        self._promises.close_ended(step, replaced=True)
        confirmed = step.claim.state is ClaimState.CONFIRMED
        self._promises.add(Promise(grant.answer, request, confirmed))
        return grant.answer

    async def _again(self, known: Claim) -> Answer | Refused:
        """What a claim asked for before has become."""
        if not known.live or known.lapsed(self._moment()):
            return Refused(LAPSED)
        promise = await self._guidance.find(known.recommendation_id)
        return promise.answer if promise.claim_id == known.claim_id else Refused(LAPSED)

    def _find(self, request: ChargingRequest, row: int) -> tuple[Context, Ranked, int | None]:
        """The candidate in this row among all that the car could have; else it alone; else None."""
        for only in (None, frozenset({row})):
            context = self._world.around(request, only=only)
            now_s = self._clock.now_s()
            ranked = pipeline.rank(self._district, request, context, self._models.now, now_s)
            columns = ranked.columns
            rows = [] if columns is None else columns.candidates.evse.tolist()
            choice = next((c for c in ranked.order.tolist() if rows[c] == row), None)
            if choice is not None:
                break
        return context, ranked, choice

    async def confirm(self, claim_id: str) -> Promise | Refused:
        """The promise behind a claim, firm; its lease is that of any confirmed one."""
        claim = self._claims.table.get(claim_id)
        if claim is None or not claim.live or claim.lapsed(self._moment()):
            return Refused(LAPSED)
        return await self._guidance.confirm(claim.recommendation_id)

    async def release(self, claim_id: str) -> bool:
        """Gives a claim back; False if it was gone. A car that charges keeps what it has."""
        claim = self._claims.table.get(claim_id)
        if claim is None or not claim.live or claim.state is ClaimState.OCCUPIED:
            return False
        promise = self._promises.of_claim(claim_id)
        step = await self._claims.release(claim_id, self._moment())
        if promise is not None:
            self._promises.close(promise, "RELEASED")
        return isinstance(step, Step) and bool(step.after)

    async def renew(self, claim_id: str, lease_s: float) -> Claim | Refused:
        """The claim with its confirmed lease so long from now, domain time."""
        claim, moment = self._claims.table.get(claim_id), self._moment()
        if claim is None or not claim.live:
            return Refused(LAPSED)
        until_s = moment.now_s + lease_s
        step = await self._claims.renew(claim_id, until_s, max(claim.to_s, until_s), moment)
        if isinstance(step, Refused):
            return step
        return self._claims.table.get(claim_id) or Refused(LAPSED)

    def get(self, claim_id: str) -> Claim | None:
        """The claim as it stands; None if it was never here, or is forgotten."""
        return self._claims.table.get(claim_id)

    def _moment(self) -> Moment:
        return Moment(self._clock.now_s(), self._clock.link_s())
