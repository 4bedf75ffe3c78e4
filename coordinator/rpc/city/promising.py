"""Answers a charging request for a whole city: find everywhere, sort, claim at the owner.

Source: US 12,393,974 B2, claims 4-5, 16.
"""

from __future__ import annotations

import contextlib

import structlog
import uuid_utils

from coordinator.clock import Clock
from coordinator.core.areas.ledger import CAR_IS_CHARGING
from coordinator.core.recommend import explain
from coordinator.core.vehicle import ChargingRequest
from coordinator.errors import FieldFault, FieldInvalid
from coordinator.rpc.calling import as_signed
from coordinator.rpc.charging_codec import stamp
from coordinator.rpc.charging_request import to_request
from coordinator.rpc.city.claiming import Claiming, Wish
from coordinator.rpc.city.finding import CandidateFinder, Found
from coordinator.rpc.city.merging import merged, unheld
from coordinator.rpc.city.trips import Trip, Trips
from coordinator.rpc.relayed import Relayed
from coordinator.usecases.asked_twice import AskedTwice
from coordinator.usecases.counters import Counters
from coordinator.usecases.refusals import DistrictAway
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import district_service_pb2 as district_wire

log = structlog.get_logger()

TRIES = 16  # places asked for in order before the answer is that nothing is free
PARTIAL = "DISTRICT_UNANSWERED"
OCCUPIED = district_wire.CLAIM_STATE_OCCUPIED
OFFERED = district_wire.CLAIM_STATE_OFFERED


class CityPromiser:
    """What is behind Recommend at a city."""

    def __init__(
        self,
        finder: CandidateFinder,
        claiming: Claiming,
        trips: Trips,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._finder = finder
        self._claiming = claiming
        self._trips = trips
        self._clock = clock
        self._counters = counters
        self._under_way: AskedTwice[tuple[str, wire.RecommendResponse]] = AskedTwice()

    async def recommend(self, request: wire.RecommendRequest) -> wire.RecommendResponse:
        """The answer; the same request_id again gives the same promise and one claim.

        Raises `FieldInvalid`, `DistrictAway` if no district near answers, and `Relayed`.
        """
        asked = as_signed(to_request(request))
        given = await self._under_way.made(request.request_id)
        if given is None:
            with self._under_way.making(request.request_id) as made:
                given = await self._answer(request, asked)
                made.set_result(given)
        if given[0] != request.vehicle_id:
            raise FieldInvalid(FieldFault("request_id", "was used by another car"))
        return given[1]

    async def _answer(
        self, request: wire.RecommendRequest, asked: ChargingRequest
    ) -> tuple[str, wire.RecommendResponse]:
        known = self._trips.of_request(request.request_id)
        if known is not None:
            return known.vehicle_id, await self._again(known)
        found = await self._finder.find(request, asked, signed_vip=asked.vip)
        before = found.answered
        if before is not None:
            trip = self._learnt(request, asked, *before)
            return trip.vehicle_id, await self._again(trip)
        response = await self._promise(request, asked, found)
        response.unanswered_district_ids.extend(found.unanswered)
        if found.unanswered:
            self._counters.add("partial_answers")
        return request.vehicle_id, response

    async def _again(self, trip: Trip) -> wire.RecommendResponse:
        """What was answered to a request before, as it stands; as told last if nobody can say."""
        with contextlib.suppress(DistrictAway, Relayed):
            await self._trips.refresh(trip)
        response = self._response()
        response.promise.CopyFrom(trip.promise)
        response.unanswered_district_ids.extend(trip.unanswered)
        return response

    def _learnt(
        self,
        request: wire.RecommendRequest,
        asked: ChargingRequest,
        district: str,
        promise: wire.Promise,
    ) -> Trip:
        """A promise to this very request that the city had forgotten."""
        trip = Trip(
            promise.recommendation_id, request.request_id, request.vehicle_id, district, promise,
            request, asked.vip, confirmed=True,
        )  # fmt: skip
        trip.take(promise)
        return self._trips.add(trip)

    async def _promise(
        self, request: wire.RecommendRequest, asked: ChargingRequest, found: Found
    ) -> wire.RecommendResponse:
        """The answer with the best place that its district grants."""
        response, level = self._response(), found.sorted.ranked.level
        if not found.sorted.evse_ids:
            return self._nothing(response, asked, found)
        name = str(uuid_utils.uuid7())
        if any(claim.state == OCCUPIED for _, claim in found.held):
            return unheld(response, found, name, CAR_IS_CHARGING)
        wish = Wish(request, asked.vip, name, level)
        order = zip(found.sorted.evse_ids, found.sorted.district_ids, strict=True)
        refusals = 0
        for evse_id, district in order:
            if district in found.unanswered or refusals == TRIES:
                continue
            try:
                answer = await self._claiming.claim(district, evse_id, wish)
            except DistrictAway:
                found.unanswered.append(district)
                continue
            if answer.granted:
                trip = self._granted(request, asked, found, district, answer)
                response.promise.CopyFrom(trip.promise)
                return response
            refusals += 1
            if answer.refused_reason == CAR_IS_CHARGING:
                return unheld(response, found, name, CAR_IS_CHARGING)
        if not refusals:
            raise DistrictAway(", ".join(found.unanswered), "and the others have no place")
        return self._nothing(response, asked, found, "NOTHING_FREE")

    def _granted(
        self,
        request: wire.RecommendRequest,
        asked: ChargingRequest,
        found: Found,
        district: str,
        answer: district_wire.ClaimResponse,
    ) -> Trip:
        """Remembers the promise; what the car held elsewhere ends, now or once this is firm."""
        promise = answer.promise
        elsewhere = merged(promise, found, district, asked.alternative_count, asked.language)
        if found.unanswered:
            promise.degraded = True
            promise.degraded_reasons.append(PARTIAL)
        trip = Trip(
            promise.recommendation_id, request.request_id, request.vehicle_id, district, promise,
            request, asked.vip,
            confirmed=answer.claim.state == district_wire.CLAIM_STATE_CONFIRMED,
            elsewhere=elsewhere, unanswered=list(found.unanswered),
        )  # fmt: skip
        trip.take(promise)
        held = {claim.claim_id: (name, claim.state == OFFERED) for name, claim in found.held}
        for other in self._trips.of_car(request.vehicle_id):
            held.setdefault(other.claim_id, (other.district, not other.confirmed))
        for claim_id, (name, offered) in held.items():
            if name == district or not claim_id:
                continue  # its own ledger has seen to that
            if offered:
                self._claiming.settle(name, claim_id)
            else:
                trip.others.append((name, claim_id))
        self._close_offered(request.vehicle_id)
        self._counters.add("recommendations")
        return self._trips.add(trip)

    def _close_offered(self, vehicle_id: str) -> None:
        for other in self._trips.of_car(vehicle_id):
            if not other.confirmed:
                other.closed = "REPLACED"

    async def firm(self, trip: Trip) -> None:
        """Has a promise that is followed made firm by its district, and only then ends the others.

        If its place is gone, or nobody can say now, the car keeps what it holds elsewhere.
        """
        async with trip.moving:
            if (trip.confirmed and not trip.others) or trip.closed or not trip.claim_id:
                return
            try:
                firm = await self._claiming.firm(trip.district, trip.claim_id)
            except (DistrictAway, Relayed) as error:
                log.info("promise is not firm", district=trip.district, why=str(error))
                return
            if firm:
                self.confirmed(trip)

    def confirmed(self, trip: Trip) -> None:
        """The promise is firm: what the car held in other districts ends."""
        trip.confirmed = True
        others, trip.others = trip.others, []
        for district, claim_id in others:
            self._claiming.settle(district, claim_id)
        for other in self._trips.of_car(trip.vehicle_id):
            if other is not trip and other.confirmed and not trip.ahead:
                other.closed = "REPLACED"

    def _response(self) -> wire.RecommendResponse:
        return wire.RecommendResponse(domain_speed=self._clock.speed)

    def _nothing(
        self,
        response: wire.RecommendResponse,
        asked: ChargingRequest,
        found: Found,
        reason: str = "",
    ) -> wire.RecommendResponse:
        """Why nothing can be recommended, and when something frees if that is known."""
        if not reason:
            known = any(a.district.fitting_in_reach_count for a in found.answers.values())
            reason = "NOTHING_FREE" if known else "NOTHING_REACHABLE"
        reach_km = found.sorted.ranked.reach_km
        response.empty_reason = reason
        response.empty_text = explain.sentence(reason, asked.language, {"km": f"{reach_km:.0f}"})
        free_in_s = [f.free_in_s for a in found.answers.values() for f in a.facts]
        if reason == "NOTHING_FREE" and free_in_s:
            stamp(response.next_free_at, self._clock.now_s() + min(free_in_s))
        self._counters.add("empty_answers")
        return response
