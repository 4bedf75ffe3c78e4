"""`ChargingService`: what a car may ask. Stations on the map are in `charging_map.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.recommend import explain
from coordinator.core.recommend.intention import Intention
from coordinator.core.vehicle import ChargingRequest
from coordinator.errors import FieldFault, FieldInvalid, NotFound, ProtocolBroken
from coordinator.rpc.calling import as_signed
from coordinator.rpc.charging_codec import ChargingCodec, fill_reminder, reminder_of
from coordinator.rpc.charging_map import list_stations
from coordinator.rpc.charging_request import (
    check_progress,
    exact_fixes,
    outcome_faults,
    profile_faults,
    to_outcome,
    to_request,
    to_vehicle,
)
from coordinator.rpc.charging_unasked import UnaskedCars
from coordinator.rpc.guide_beat import beat, heard_in_time
from coordinator.rpc.noun_codec import check_id, check_position, invalid
from coordinator.rpc.server import Context
from coordinator.usecases.guide import Guidance
from coordinator.usecases.intention import Intentions
from coordinator.usecases.promises import Promise
from coordinator.usecases.recommend import Recommender
from coordinator.usecases.unasked import Unasked
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc

OPEN_S = 10.0  # how long a guidance waits for its first message
FIX_LIMIT = 16


class ChargingServicer(charging_service_pb2_grpc.ChargingServiceServicer):
    """Every call of a car."""

    def __init__(
        self,
        recommender: Recommender,
        guidance: Guidance,
        codec: ChargingCodec,
        district: District,
        intentions: Intentions,
        unasked: Unasked,
        statuses: Callable[[], NDArray[np.int8]],
    ) -> None:
        self._recommender = recommender
        self._guidance = guidance
        self.codec = codec
        self._district = district
        self._intentions = intentions
        self._levels = unasked
        self._unasked = UnaskedCars(unasked, codec, self._hear)
        self._statuses = statuses
        self._followed: set[Promise | None] = set()
        self._closing = False

    def stop(self) -> None:
        """Ends all guidances, because the process goes down; cars open them again elsewhere."""
        self._closing = True
        self._unasked.stop()
        for promise in self._followed:
            if promise is not None:
                promise.tell()

    async def Recommend(  # noqa: N802 - the contract
        self, request: wire.RecommendRequest, context: Context
    ) -> wire.RecommendResponse:
        """The best place that could be held."""
        asked = as_signed(to_request(request))
        return self.codec.response(await self._recommender.recommend(asked))

    async def Confirm(  # noqa: N802 - the contract
        self, request: wire.ConfirmRequest, context: Context
    ) -> wire.ConfirmResponse:
        """The firm promise."""
        invalid(check_id(request.recommendation_id, "recommendation_id"))
        promise = await self._guidance.confirm(request.recommendation_id, request.evse_id)
        return wire.ConfirmResponse(promise=self.codec.promise(promise.answer))

    async def Guide(  # noqa: N802 - the contract
        self, requests: AsyncIterator[wire.GuideRequest], context: Context
    ) -> AsyncIterator[wire.GuideResponse]:
        """Promises down while positions come up; reminders and offers to a car that only wishes."""
        opening = await self._opening(requests)
        promise: Promise | None = None
        reads: Coroutine[Any, Any, None]
        if opening.HasField("wish"):
            wishing = await self._unasked.open(opening)
            reads = self._unasked.read(wishing, requests)
        else:
            promise = await self._opened(opening)
            reads = self._read(promise, requests)
        reader = asyncio.create_task(reads, name="coordinator:guide")
        try:
            if promise is None:
                async for response in self._unasked.follow(wishing, reader):
                    yield response
                promise = wishing.promise
            if promise is not None:
                self._followed.add(promise)
                async for response in self._follow(promise, reader):
                    yield response
        finally:
            self._followed.discard(promise)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _opening(self, requests: AsyncIterator[wire.GuideRequest]) -> wire.GuideOpen:
        """The first message, which opens the guidance."""
        try:
            async with asyncio.timeout(OPEN_S):
                first = await anext(requests)
        except (StopAsyncIteration, TimeoutError) as error:
            raise ProtocolBroken("open as the first message", "nothing") from error
        kind = first.WhichOneof("message")
        if kind != "open":
            raise ProtocolBroken("open as the first message", str(kind))
        return first.open

    async def _opened(self, opening: wire.GuideOpen) -> Promise:
        """The promise that is followed; opening it confirms it."""
        invalid(check_id(opening.recommendation_id, "open.recommendation_id"))
        promise = await self._guidance.find(opening.recommendation_id)
        if opening.HasField("progress"):
            await self._take(promise, opening.progress, "open.progress")
        if not promise.closed and promise.claim_id and not promise.confirmed:
            await self._guidance.confirm(promise.recommendation_id)
        return promise

    async def _follow(
        self, promise: Promise, reader: asyncio.Task[None]
    ) -> AsyncIterator[wire.GuideResponse]:
        """Gives each revision, a beat every 20 s, and the end."""
        yield wire.GuideResponse(beat=beat())
        told, reminders = 0, promise.reminders
        while not self._closing:
            news = promise.news()
            newest = promise.newest
            if newest.revision > told:  # never back to what stood before an offer that is over
                told = newest.revision
                yield wire.GuideResponse(promise=self.codec.promise(newest))
                continue
            if promise.reminders != reminders and promise.answer.reminder is not None:
                reminders = promise.reminders
                yield wire.GuideResponse(reminder=reminder_of(promise.answer.reminder))
                continue
            if promise.closed:
                yield wire.GuideResponse(closed=_closed(promise))
                return
            if reader.done():
                reader.result()  # a fault of the car's message ends the call with it
                return
            if not await heard_in_time(news):
                yield wire.GuideResponse(beat=beat())

    async def _read(self, promise: Promise, requests: AsyncIterator[wire.GuideRequest]) -> None:
        """Takes what the car says until it ends or breaks."""
        try:
            async for message in requests:
                await self._hear(promise, message)
        finally:
            promise.tell()

    async def _hear(self, promise: Promise, message: wire.GuideRequest) -> None:
        """Takes one message of a car that was promised something."""
        kind = message.WhichOneof("message")
        if kind == "progress":
            await self._take(promise, message.progress, "progress")
        elif kind == "decision":
            decision = message.decision
            await self._guidance.decide(promise, decision.revision, decision.accepted)
        elif kind == "arrived":
            await self._guidance.arrived(promise, message.arrived.evse_id)
        elif kind == "open":
            raise ProtocolBroken("open only as the first message", "another open")

    async def _take(self, promise: Promise, progress: wire.Progress, field: str) -> None:
        """Takes in where the car is, and what its driver says of the queue there."""
        await self._guidance.progress(promise, check_progress(progress, field))
        if progress.HasField("cars_ahead"):
            self._guidance.waits_behind(promise, progress.cars_ahead)

    async def UpdateProgress(  # noqa: N802 - the contract
        self, request: wire.UpdateProgressRequest, context: Context
    ) -> wire.UpdateProgressResponse:
        """What is new since the revision that the car knows."""
        invalid(check_id(request.recommendation_id, "recommendation_id"))
        promise = await self._guidance.find(request.recommendation_id)
        reminders = promise.reminders
        if request.HasField("progress"):
            await self._take(promise, request.progress, "progress")
        if request.HasField("decision"):
            decision = request.decision
            await self._guidance.decide(promise, decision.revision, decision.accepted)
        if request.HasField("arrived"):
            await self._guidance.arrived(promise, request.arrived.evse_id)
        response = wire.UpdateProgressResponse(beat=beat())
        newest = promise.newest
        if newest.revision != request.known_revision:
            self.codec.fill_promise(response.promise, newest)
        if promise.reminders != reminders and promise.answer.reminder is not None:
            fill_reminder(response.reminder, promise.answer.reminder)
        if promise.closed:
            response.closed.CopyFrom(_closed(promise))
        return response

    async def GetRecommendation(  # noqa: N802 - the contract
        self, request: wire.GetRecommendationRequest, context: Context
    ) -> wire.GetRecommendationResponse:
        """The newest revision of an answer that was lost."""
        name = request.recommendation_id or request.request_id
        field = "recommendation_id" if request.recommendation_id else "request_id"
        invalid(check_id(name, field))
        if request.recommendation_id:
            answer = await self._recommender.answer(name)
        else:
            answer = await self._recommender.answer_to(name)
        if answer is None:
            raise NotFound(field.removesuffix("_id"), name)
        return wire.GetRecommendationResponse(promise=self.codec.promise(answer))

    async def ListStations(  # noqa: N802 - the contract
        self, request: wire.ListStationsRequest, context: Context
    ) -> wire.ListStationsResponse:
        """One page of the stations in a box."""
        return list_stations(self._district, self._statuses(), request)

    async def Release(  # noqa: N802 - the contract
        self, request: wire.ReleaseRequest, context: Context
    ) -> wire.ReleaseResponse:
        """Whether something was held."""
        invalid(check_id(request.recommendation_id, "recommendation_id"))
        released = await self._guidance.release(request.recommendation_id)
        return wire.ReleaseResponse(released=released)

    async def ReportOutcome(  # noqa: N802 - the contract
        self, request: wire.ReportOutcomeRequest, context: Context
    ) -> wire.ReportOutcomeResponse:
        """Nothing beyond success."""
        invalid(outcome_faults(request))
        charged = request.outcome == wire.OUTCOME_KIND_CHARGED
        await self._guidance.outcome(request.recommendation_id, charged, to_outcome(request))
        return wire.ReportOutcomeResponse()

    async def DetectIntention(  # noqa: N802 - the contract
        self, request: wire.DetectIntentionRequest, context: Context
    ) -> wire.DetectIntentionResponse:
        """The most probable intention."""
        faults = [*check_id(request.vehicle_id, "vehicle_id")]
        if request.user_id:
            faults += check_id(request.user_id, "user_id")
        if len(request.positions) > FIX_LIMIT:
            faults.append(FieldFault("positions", f"has more than {FIX_LIMIT} entries"))
        for number, position in enumerate(request.positions[:FIX_LIMIT]):
            faults += check_position(position, f"positions[{number}]")
        soc_pct = request.soc_pct if request.HasField("soc_pct") else None
        if soc_pct is not None and not 0.0 <= soc_pct <= 100.0:
            faults.append(FieldFault("soc_pct", "must be within 0 to 100"))
        if request.HasField("vehicle"):
            faults += profile_faults(request.vehicle)
        if faults:
            raise FieldInvalid(*faults)
        fixes = exact_fixes(request.positions)
        found = self._intentions.follow(request.user_id, request.vehicle_id, fixes, soc_pct)
        s1, s2, s3 = found.chances
        response = wire.DetectIntentionResponse(
            intention=int(found.intention),  # type: ignore[arg-type]  # the same numbers
            p_on_the_way=s1,
            p_at_pile=s2,
            p_none=s3,
            source=found.source,
            day_count=found.days,
        )
        to_be_charged = found.intention is Intention.ON_THE_WAY
        if to_be_charged and found.here and soc_pct is not None and request.HasField("vehicle"):
            asked = ChargingRequest(
                "", request.vehicle_id, to_vehicle(request.vehicle), soc_pct, *found.here,
                request.user_id,
            )  # fmt: skip
            level, response.level_reason, _ = self._levels.level(as_signed(asked))
            response.level = int(level)  # type: ignore[assignment]  # the same numbers
        return response


def _closed(promise: Promise) -> wire.GuideClosed:
    """The end of a guidance, in words."""
    text = explain.sentence(promise.closed, promise.request.language, {})
    return wire.GuideClosed(code=promise.closed, text=text)
