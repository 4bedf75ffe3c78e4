"""`ChargingService` of a city: what a car may ask, wherever in the city its pile stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from coordinator.errors import FieldFault, FieldInvalid, PromiseLost, ProtocolBroken
from coordinator.rpc.charging import OPEN_S
from coordinator.rpc.charging_request import to_request
from coordinator.rpc.city.directory import Directory
from coordinator.rpc.city.moving import Mover
from coordinator.rpc.city.promising import CityPromiser
from coordinator.rpc.city.relay import Relay
from coordinator.rpc.city.trips import Trip, Trips
from coordinator.rpc.city.wishes import WishRelay
from coordinator.rpc.guide_beat import beat
from coordinator.rpc.noun_codec import check_id, invalid
from coordinator.rpc.server import Context
from coordinator.usecases.counters import Counters
from coordinator.usecases.refusals import DistrictAway
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc


class CityCharging(charging_service_pb2_grpc.ChargingServiceServicer):
    """Every call of a car; promises are kept by the districts."""

    def __init__(
        self,
        directory: Directory,
        promiser: CityPromiser,
        trips: Trips,
        mover: Mover,
        counters: Counters,
    ) -> None:
        self._directory = directory
        self._promiser = promiser
        self._trips = trips
        self._mover = mover
        self._counters = counters
        self._relays: set[Relay | WishRelay] = set()

    def stop(self) -> None:
        """Ends all guidances, because the city goes down; cars open them again."""
        for relay in tuple(self._relays):
            relay.stop()

    async def Recommend(  # noqa: N802 - the contract
        self, request: wire.RecommendRequest, context: Context
    ) -> wire.RecommendResponse:
        """The best place of all districts near the car that could be held."""
        if request.HasField("arrival_window"):
            return await self._ahead(request)
        return await self._promiser.recommend(request)

    async def _ahead(self, request: wire.RecommendRequest) -> wire.RecommendResponse:
        """A window in the future is kept by the nearest district that is there.

        Once it was asked it may keep the window, so no other is asked when its answer stays out.
        """
        asked, away = to_request(request), []
        known = self._trips.of_request(request.request_id)
        for link in self._directory.nearest((asked.latitude_deg, asked.longitude_deg)):
            if known is not None and link.name != known.district:
                continue
            if known is None and not link.up:
                away.append(link.name)
                continue
            response: wire.RecommendResponse = await link.pass_on("Recommend", request)
            if response.HasField("promise"):
                trip = Trip(
                    response.promise.recommendation_id, request.request_id, request.vehicle_id,
                    link.name, response.promise, ahead=True,
                )  # fmt: skip
                response.promise.CopyFrom(trip.take(response.promise))
                self._trips.add(trip)
            response.unanswered_district_ids.extend(away)
            return response
        raise DistrictAway(", ".join(away), "none is there")

    async def _found(self, recommendation_id: str) -> Trip:
        """The trip of a promise that a district keeps; raises `PromiseLost` if none does."""
        invalid(check_id(recommendation_id, "recommendation_id"))
        trip = await self._trips.find(recommendation_id)
        if trip.district not in self._directory.links:
            raise PromiseLost(recommendation_id, trip.promise.choice.hold.reason_code)
        return trip

    async def Confirm(  # noqa: N802 - the contract
        self, request: wire.ConfirmRequest, context: Context
    ) -> wire.ConfirmResponse:
        """The firm promise, in whichever district the place is."""
        trip = await self._found(request.recommendation_id)
        if request.evse_id in trip.elsewhere:
            await self._mover.choose(trip, request.evse_id)
        else:
            async with trip.moving:
                link = self._directory[trip.district]
                answer: wire.ConfirmResponse = await link.pass_on("Confirm", request)
                trip.take(answer.promise)
        self._promiser.confirmed(trip)
        return wire.ConfirmResponse(promise=trip.promise)

    async def Guide(  # noqa: N802 - the contract
        self, requests: AsyncIterator[wire.GuideRequest], context: Context
    ) -> AsyncIterator[wire.GuideResponse]:
        """Promises down while positions come up, across districts."""
        opening = await _opening(requests)
        relay: Relay | WishRelay
        if opening.HasField("wish"):
            wishing = WishRelay(opening, self._directory, self._trips, self._counters)
            relay, told = wishing, wishing.run(requests)
        else:
            trip = await self._found(opening.recommendation_id)
            guided = Relay(trip, self._directory, self._mover, self._promiser)
            relay, told = guided, guided.run(opening, requests)
        self._relays.add(relay)
        try:
            async for response in told:
                yield response
        finally:
            self._relays.discard(relay)

    async def UpdateProgress(  # noqa: N802 - the contract
        self, request: wire.UpdateProgressRequest, context: Context
    ) -> wire.UpdateProgressResponse:
        """What is new since the revision that the car knows."""
        trip = await self._found(request.recommendation_id)
        known = request.known_revision
        if request.HasField("decision") and await self._mover.decide(trip, request.decision):
            request.ClearField("decision")
        request.known_revision -= min(trip.shift, known)
        if request.HasField("decision"):
            request.decision.revision -= min(trip.shift, request.decision.revision)
        link = self._directory[trip.district]
        response: wire.UpdateProgressResponse = await link.pass_on("UpdateProgress", request)
        if trip.district != link.name:  # moved meanwhile: that district's word is old
            response.ClearField("promise")
            response.ClearField("closed")
        if response.HasField("promise"):
            trip.take(response.promise)
            response.ClearField("promise")
        if response.HasField("closed"):
            trip.closed = response.closed.code
        elif request.HasField("progress"):
            self._mover.consider(trip, request.progress)
        newest = trip.promise if trip.offer is None else trip.offer.promise
        if newest.revision > known:
            response.promise.CopyFrom(newest)
        response.beat.CopyFrom(beat())
        return response

    async def GetRecommendation(  # noqa: N802 - the contract
        self, request: wire.GetRecommendationRequest, context: Context
    ) -> wire.GetRecommendationResponse:
        """The newest revision; as told last while its district is away."""
        if request.recommendation_id:
            trip = await self._trips.find(request.recommendation_id)
        else:
            invalid(check_id(request.request_id, "request_id"))
            trip = await self._trips.find_request(request.request_id)
        if trip.district in self._directory.links:
            try:
                await self._trips.refresh(trip)
            except DistrictAway:
                promise = wire.Promise()
                promise.CopyFrom(trip.promise)
                promise.degraded = True
                promise.degraded_reasons.append("DISTRICT_UNANSWERED")
                return wire.GetRecommendationResponse(promise=promise)
        return wire.GetRecommendationResponse(promise=trip.promise)

    async def ListStations(  # noqa: N802 - the contract
        self, request: wire.ListStationsRequest, context: Context
    ) -> wire.ListStationsResponse:
        """Pages of the districts by name; the token is the district's name and its own token."""
        names = list(self._directory.links)
        first, _, token = request.page.page_token.partition(" ")
        if first and first not in names:
            raise FieldInvalid(FieldFault("page.page_token", "is not one of ours"))
        unanswered: list[str] = []
        start = names.index(first) if first else 0
        for at, name in enumerate(names[start:], start):
            request.page.page_token, token = token, ""
            try:
                link = self._directory[name]
                page: wire.ListStationsResponse = await link.pass_on("ListStations", request)
            except DistrictAway:
                unanswered.append(name)
                continue
            if not page.stations and not page.next_page_token and at + 1 < len(names):
                continue
            if page.next_page_token:
                page.next_page_token = f"{name} {page.next_page_token}"
            elif at + 1 < len(names):
                page.next_page_token = f"{names[at + 1]} "
            page.unanswered_district_ids.extend(unanswered)
            return page
        return wire.ListStationsResponse(unanswered_district_ids=unanswered)

    async def Release(  # noqa: N802 - the contract
        self, request: wire.ReleaseRequest, context: Context
    ) -> wire.ReleaseResponse:
        """Whether something was held."""
        trip = await self._found(request.recommendation_id)
        async with trip.moving:
            before, trip.closed = trip.closed, "RELEASED"
            try:
                link = self._directory[trip.district]
                answer: wire.ReleaseResponse = await link.pass_on("Release", request)
            except BaseException:
                trip.closed = before
                raise
        return answer

    async def ReportOutcome(  # noqa: N802 - the contract
        self, request: wire.ReportOutcomeRequest, context: Context
    ) -> wire.ReportOutcomeResponse:
        """Nothing beyond success."""
        trip = await self._found(request.recommendation_id)
        link = self._directory[trip.district]
        answer: wire.ReportOutcomeResponse = await link.pass_on("ReportOutcome", request)
        return answer

    async def DetectIntention(  # noqa: N802 - the contract
        self, request: wire.DetectIntentionRequest, context: Context
    ) -> wire.DetectIntentionResponse:
        """What the district thinks in which the car is."""
        here = request.positions[-1] if request.positions else None
        place = (0.0, 0.0) if here is None else (here.latitude_deg, here.longitude_deg)
        nearest = self._directory.nearest(place)[0]
        answer: wire.DetectIntentionResponse = await nearest.pass_on("DetectIntention", request)
        return answer


async def _opening(requests: AsyncIterator[wire.GuideRequest]) -> wire.GuideOpen:
    """The first message, which opens the guidance."""
    try:
        async with asyncio.timeout(OPEN_S):
            first = await anext(requests)
    except (StopAsyncIteration, TimeoutError) as error:
        raise ProtocolBroken("open as the first message", "nothing") from error
    if first.WhichOneof("message") != "open":
        raise ProtocolBroken("open as the first message", str(first.WhichOneof("message")))
    return first.open
