"""A car's side of the contract, for Python: ask for a pile, follow the promise, say how it went.

Any gRPC client made from `proto/` can do the same; this one adds the reconnects and the threshold
at which a car asks by itself (patent step 310).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias, cast

import grpc
import uuid_utils

from pilewise.threshold import Threshold
from pilewise.v1 import charging_service_pb2 as pb
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import types_pb2 as nouns

if TYPE_CHECKING:
    Call: TypeAlias = grpc.aio.StreamStreamCall[pb.GuideRequest, pb.GuideResponse]

# The link is broken when nothing at all came for this long; the server beats every 20 s.
SILENCE_S = 60.0
CALL_S = 10.0
SAME_CLICK_S = 60.0  # a click so soon after a failed one is the same request
RETRYABLE = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)
CHANNEL_OPTIONS = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
)


def new_id() -> str:
    """A fresh UUIDv7, e.g. for `RecommendRequest.request_id`."""
    return str(uuid_utils.uuid7())


class VehicleClient:
    """One car's connection to its coordinator; use it as an async context manager.

    `auto_request_below_pct` is the state of charge below which `observe` asks by itself, once per
    crossing.
    """

    def __init__(
        self,
        target: str,
        vehicle_id: str,
        vehicle: pb.VehicleProfile,
        *,
        user_id: str = "",
        auto_request_below_pct: float = 20.0,
        channel: grpc.aio.Channel | None = None,
    ) -> None:
        self.vehicle_id = vehicle_id
        self.user_id = user_id
        self.vehicle = vehicle
        self._threshold = Threshold(auto_request_below_pct)
        self._asking: asyncio.Task[pb.RecommendResponse] | None = None
        self._unanswered: tuple[str, float] | None = None
        self._owns_channel = channel is None
        self._channel = channel or grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
        self._stub = rpc.ChargingServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._asking is not None:
            self._asking.cancel()
        if self._owns_channel:
            await self._channel.close()

    def should_ask(self, soc_pct: float) -> bool:
        """Whether the charge just fell below the threshold; true once until it was charged."""
        return self._threshold.crossed(soc_pct)

    async def observe(
        self, soc_pct: float, latitude_deg: float, longitude_deg: float
    ) -> pb.RecommendResponse | None:
        """Asks by itself when the charge falls below the threshold; None while it need not.

        Call it with every reading. What the network or a busy server refused is asked again at the
        next one.
        """
        if not self.should_ask(soc_pct):
            return None
        try:
            return await self.ask(soc_pct, latitude_deg, longitude_deg)
        except grpc.aio.AioRpcError as error:
            if error.code() in RETRYABLE:
                self._threshold.reset()
            raise

    async def ask(
        self, soc_pct: float, latitude_deg: float, longitude_deg: float
    ) -> pb.RecommendResponse:
        """The answer to the driver's click; a second one, before the answer, is the same request.

        A click soon after a failure repeats the request, so that it never makes two claims.
        """
        if self._asking is None:
            request = self.request(soc_pct, latitude_deg, longitude_deg)
            now_s = asyncio.get_running_loop().time()
            if self._unanswered is not None and now_s - self._unanswered[1] < SAME_CLICK_S:
                request.request_id = self._unanswered[0]
            self._unanswered = request.request_id, now_s
            self._asking = asyncio.create_task(self.recommend(request), name="client:ask")
            self._asking.add_done_callback(self._asked)
        return await asyncio.shield(self._asking)

    def _asked(self, done: asyncio.Task[pb.RecommendResponse]) -> None:
        self._asking = None
        if not done.cancelled() and done.exception() is None:
            self._unanswered = None

    def request(
        self, soc_pct: float, latitude_deg: float, longitude_deg: float
    ) -> pb.RecommendRequest:
        """A charging request of this car with a fresh id; fill in wishes before you send it."""
        return pb.RecommendRequest(
            request_id=new_id(),
            vehicle_id=self.vehicle_id,
            user_id=self.user_id,
            vehicle=self.vehicle,
            soc_pct=soc_pct,
            position=nouns.Position(latitude_deg=latitude_deg, longitude_deg=longitude_deg),
        )

    async def recommend(self, request: pb.RecommendRequest) -> pb.RecommendResponse:
        """The answer: a promise, or the reason why there is none. Sent again with its own id where
        the link breaks, so that one request never makes two claims."""
        for attempt in range(4):
            try:
                answer: pb.RecommendResponse = await self._stub.Recommend(request, timeout=CALL_S)
                return answer
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or attempt == 3:
                    raise
                await asyncio.sleep(_jitter(attempt))
        raise AssertionError("unreachable")

    async def confirm(self, recommendation_id: str, evse_id: str = "") -> pb.Promise:
        """The firm promise, on the first choice or on the alternative `evse_id`."""
        answer = await self._stub.Confirm(
            pb.ConfirmRequest(recommendation_id=recommendation_id, evse_id=evse_id), timeout=CALL_S
        )
        promise: pb.Promise = answer.promise
        return promise

    async def release(self, recommendation_id: str, reason: str = "") -> bool:
        """Gives the hold back; False when nothing was held any more."""
        answer = await self._stub.Release(
            pb.ReleaseRequest(recommendation_id=recommendation_id, reason=reason), timeout=CALL_S
        )
        return bool(answer.released)

    async def report_outcome(
        self,
        recommendation_id: str,
        outcome: pb.OutcomeKind.ValueType,
        *,
        evse_id: str = "",
        wait_s: float | None = None,
    ) -> None:
        """Tells what really happened; the next answers learn from it."""
        await self._stub.ReportOutcome(
            pb.ReportOutcomeRequest(
                recommendation_id=recommendation_id, outcome=outcome, evse_id=evse_id, wait_s=wait_s
            ),
            timeout=CALL_S,
        )

    def guide(self, promise: pb.Promise) -> Guidance:
        """The drive towards a promise; opening it makes the hold firm."""
        return Guidance(self._stub, promise)


class Guidance:
    """One drive: `async for event in guidance`, while `progress` and the others are called.

    Events are `GuideResponse`s without the beats. The stream is opened anew when the link breaks,
    and goes on from the newest revision; iteration ends when the coordinator closes the drive.
    """

    def __init__(self, stub: rpc.ChargingServiceAsyncStub, promise: pb.Promise) -> None:
        self._stub = stub
        self.promise = promise
        self._outbox: asyncio.Queue[pb.GuideRequest] = asyncio.Queue(maxsize=64)
        self._last_progress: pb.Progress | None = None
        self._arrival: pb.GuideArrived | None = None
        self.closed: pb.GuideClosed | None = None

    def progress(self, latitude_deg: float, longitude_deg: float, soc_pct: float) -> None:
        """Reports where the car is; a report that cannot be sent at once replaces older ones."""
        here = pb.Progress(
            position=nouns.Position(latitude_deg=latitude_deg, longitude_deg=longitude_deg),
            soc_pct=soc_pct,
        )
        self._last_progress = here
        if self._outbox.qsize() < 8:
            self._outbox.put_nowait(pb.GuideRequest(progress=here))

    def decide(self, revision: int, accepted: bool) -> None:
        """Accepts or refuses a revision that asks for it (`Promise.accept_before`)."""
        self._outbox.put_nowait(
            pb.GuideRequest(decision=pb.GuideDecision(revision=revision, accepted=accepted))
        )

    def arrived(self, evse_id: str = "") -> None:
        """Says that the car stands at the station, about to plug in."""
        self._arrival = pb.GuideArrived(evse_id=evse_id)
        self._outbox.put_nowait(pb.GuideRequest(arrived=self._arrival))

    async def __aiter__(self) -> AsyncIterator[pb.GuideResponse]:
        attempt = 0
        while self.closed is None:
            try:
                async for event in self._one_stream():
                    attempt = 0
                    yield event
                if self.closed is None:
                    await asyncio.sleep(_jitter(attempt))
                    attempt += 1
            except grpc.aio.AioRpcError as error:
                if error.code() not in (
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                    grpc.StatusCode.CANCELLED,
                ):
                    raise
                await asyncio.sleep(_jitter(attempt))
                attempt += 1

    async def _one_stream(self) -> AsyncIterator[pb.GuideResponse]:
        call = self._stub.Guide()
        opening = pb.GuideOpen(
            recommendation_id=self.promise.recommendation_id, known_revision=self.promise.revision
        )
        if self._last_progress is not None:
            opening.progress.CopyFrom(self._last_progress)
        await call.write(pb.GuideRequest(open=opening))
        if self._arrival is not None:
            # What was written to a stream that broke may never have been read; twice does no harm.
            await call.write(pb.GuideRequest(arrived=self._arrival))
        sender = asyncio.create_task(self._send(call), name="client:guide-send")
        try:
            while True:
                read = await asyncio.wait_for(call.read(), SILENCE_S)
                if read is grpc.aio.EOF:
                    return
                event = cast("pb.GuideResponse", read)
                kind = event.WhichOneof("message")
                if kind == "promise":
                    self.promise = event.promise
                elif kind == "closed":
                    self.closed = event.closed
                if kind != "beat":
                    yield event
                if kind == "closed":
                    return
        except TimeoutError:
            return
        finally:
            sender.cancel()
            call.cancel()

    async def _send(
        self, call: grpc.aio.StreamStreamCall[pb.GuideRequest, pb.GuideResponse]
    ) -> None:
        while True:
            message = await self._outbox.get()
            try:
                await call.write(message)
            except grpc.aio.AioRpcError:
                if message.WhichOneof("message") != "progress":
                    self._outbox.put_nowait(message)
                return


def _jitter(attempt: int) -> float:
    """Seconds to wait before the next try: full jitter, from 0.2 s doubling to 10 s."""
    return random.uniform(0.0, min(10.0, 0.2 * 2.0**attempt))
