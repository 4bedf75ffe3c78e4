"""`DistrictService`: what a city asks of a district. People are in `district_people.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from coordinator.core.areas.ledger import Claim, Refused
from coordinator.core.vehicle import ChargingRequest, WarningLevel
from coordinator.errors import FieldFault, FieldInvalid, NotFound
from coordinator.rpc.charging_codec import ChargingCodec
from coordinator.rpc.charging_request import to_request
from coordinator.rpc.district_codec import fill_share, fill_summary
from coordinator.rpc.district_people import DistrictPeople
from coordinator.rpc.noun_codec import check_id, invalid
from coordinator.rpc.server import Context
from coordinator.usecases.answer import Answer
from coordinator.usecases.city_claims import CityClaims, Wanted
from coordinator.usecases.finding import Finder
from coordinator.usecases.guide import Guidance
from coordinator.usecases.recommend import Recommender
from coordinator.usecases.summary import Summarizer
from pilewise.v1 import district_service_pb2 as wire

CANDIDATES_DEFAULT = 64
CANDIDATES_LIMIT = 256
OFFER_S = 30.0  # an offer of which nothing is said stands so long, link time
OFFER_LIMIT_S = 120.0
SUMMARY_S = 1.0  # between two summaries
LEASE_LIMIT_S = 86_400.0

Record = Callable[[Claim], wire.ClaimRecord]


class DistrictServicer(DistrictPeople):
    """Finds, holds, and tells the city; `record` says a claim as the contract does."""

    def __init__(
        self,
        finder: Finder,
        codec: ChargingCodec,
        recommender: Recommender,
        guidance: Guidance,
        claims: CityClaims,
        summarizer: Summarizer,
        record: Record,
    ) -> None:
        self._finder = finder
        self._codec = codec
        self._recommender = recommender
        self._guidance = guidance
        self._claims = claims
        self._summarizer = summarizer
        self._record = record
        self._ending = asyncio.Event()

    def stop(self) -> None:
        """Ends the streams, because the process goes down."""
        self._ending.set()

    async def FindCandidates(  # noqa: N802 - the contract
        self, request: wire.FindCandidatesRequest, context: Context
    ) -> wire.FindCandidatesResponse:
        """Candidates of this district, with all that the city sorts by."""
        if request.limit > CANDIDATES_LIMIT:
            raise FieldInvalid(FieldFault("limit", f"must be at most {CANDIDATES_LIMIT}"))
        asked = _asked(request)
        response = wire.FindCandidatesResponse()
        answered = await self._recommender.answer_to(asked.request_id)
        if answered is not None and answered.judged:
            _same_car(answered, asked)
            response.district_id = self._summarizer.district_id
            self._codec.fill_promise(response.answered, answered)
            return response
        with self._recommender.admission.enter(asked):
            found = self._finder.find(asked, request.limit or CANDIDATES_DEFAULT)
        for number, judged in enumerate(found.judged, start=1):
            self._codec.fill_judged(response.candidates.add(), judged, number)
        fill_share(response, found.share, found.wanted)
        response.held.extend(self._record(claim) for claim in self._claims.held(asked.vehicle_id))
        return response

    async def Claim(  # noqa: N802 - the contract
        self, request: wire.ClaimRequest, context: Context
    ) -> wire.ClaimResponse:
        """The EVSE, held for the car, and what the car is told; or why it cannot be had."""
        wish = request.claim
        faults = [
            *check_id(wish.claim_id, "claim.claim_id"),
            *check_id(wish.evse_id, "claim.evse_id"),
            *check_id(wish.recommendation_id, "claim.recommendation_id"),
        ]
        if not 0.0 <= request.ttl_s <= OFFER_LIMIT_S:
            faults.append(FieldFault("ttl_s", f"must be within 0 to {OFFER_LIMIT_S:.0f}"))
        invalid(faults)
        asked = _asked(request)
        level = WarningLevel(wish.level) if wish.level else None
        wanted = Wanted(
            wish.claim_id, wish.evse_id, wish.recommendation_id, wish.revision, level,
            request.ttl_s or OFFER_S,
        )  # fmt: skip
        made = await self._claims.claim(asked, wanted)
        if isinstance(made, Refused):
            return wire.ClaimResponse(refused_reason=made.reason)
        response = wire.ClaimResponse(granted=True)
        self._codec.fill_promise(response.promise, made)
        claim = self._claims.get(wish.claim_id)
        if claim is not None:
            response.claim.CopyFrom(self._record(claim))
        return response

    async def Confirm(  # noqa: N802 - the contract
        self, request: wire.DistrictServiceConfirmRequest, context: Context
    ) -> wire.DistrictServiceConfirmResponse:
        """The claim, firm."""
        invalid(check_id(request.claim_id, "claim_id"))
        made = await self._claims.confirm(request.claim_id)
        if isinstance(made, Refused):
            raise NotFound("claim", request.claim_id)
        return wire.DistrictServiceConfirmResponse(claim=self._of(request.claim_id))

    async def Release(  # noqa: N802 - the contract
        self, request: wire.DistrictServiceReleaseRequest, context: Context
    ) -> wire.DistrictServiceReleaseResponse:
        """Whether something was held."""
        invalid(check_id(request.claim_id, "claim_id"))
        released = await self._claims.release(request.claim_id)
        return wire.DistrictServiceReleaseResponse(released=released)

    async def Renew(  # noqa: N802 - the contract
        self, request: wire.DistrictServiceRenewRequest, context: Context
    ) -> wire.DistrictServiceRenewResponse:
        """The claim with its longer lease."""
        invalid(check_id(request.claim_id, "claim_id"))
        if not 0.0 < request.lease_s <= LEASE_LIMIT_S:
            fault = FieldFault("lease_s", f"must be above 0 and at most {LEASE_LIMIT_S:.0f}")
            raise FieldInvalid(fault)
        made = await self._claims.renew(request.claim_id, request.lease_s)
        if isinstance(made, Refused):
            raise NotFound("claim", request.claim_id)
        return wire.DistrictServiceRenewResponse(claim=self._record(made))

    async def GetPromise(  # noqa: N802 - the contract
        self, request: wire.GetPromiseRequest, context: Context
    ) -> wire.GetPromiseResponse:
        """An answer, whose it is, and whether it still stands."""
        name = request.recommendation_id or request.request_id
        field = "recommendation_id" if request.recommendation_id else "request_id"
        invalid(check_id(name, field))
        if request.recommendation_id:
            answer = await self._recommender.answer(name)
        else:
            answer = await self._recommender.answer_to(name)
        if answer is None or not answer.judged:
            raise NotFound(field.removesuffix("_id"), name)
        promise = await self._guidance.find(answer.recommendation_id)
        closed = promise.closed
        if not closed and not answer.hold.claim_id and answer.hold.reason in ENDED:
            closed = answer.hold.reason
        response = wire.GetPromiseResponse(
            vehicle_id=answer.vehicle_id, request_id=answer.request_id, closed=closed
        )
        self._codec.fill_promise(response.promise, answer)
        return response

    async def Summarize(  # noqa: N802 - the contract
        self, request: wire.SummarizeRequest, context: Context
    ) -> wire.SummarizeResponse:
        """The figures of now."""
        response = wire.SummarizeResponse()
        fill_summary(response, self._summarizer.now())
        return response

    async def WatchSummary(  # noqa: N802 - the contract
        self, request: wire.WatchSummaryRequest, context: Context
    ) -> AsyncIterator[wire.WatchSummaryResponse]:
        """The figures, every second."""
        while not self._ending.is_set():
            response = wire.WatchSummaryResponse()
            fill_summary(response.summary, self._summarizer.now())
            yield response
            try:
                async with asyncio.timeout(SUMMARY_S):
                    await self._ending.wait()
            except TimeoutError:
                continue

    def _of(self, claim_id: str) -> wire.ClaimRecord | None:
        claim = self._claims.get(claim_id)
        return None if claim is None else self._record(claim)


ENDED = frozenset({"RELEASED", "EXPIRED", "NO_SHOW", "ARRIVED"})


def _asked(message: wire.FindCandidatesRequest | wire.ClaimRequest) -> ChargingRequest:
    """The car's request in a city's; the city vouches for what the car's token says."""
    if not message.HasField("request"):
        raise FieldInvalid(FieldFault("request", "is missing"))
    try:
        asked = to_request(message.request)
    except FieldInvalid as error:
        faults = [replace(fault, field=f"request.{fault.field}") for fault in error.faults]
        raise FieldInvalid(*faults) from error
    return replace(asked, vip=True) if message.signed_vip else asked


def _same_car(answer: Answer, asked: ChargingRequest) -> None:
    if answer.vehicle_id != asked.vehicle_id:
        raise FieldInvalid(FieldFault("request.request_id", "was used by another car"))
