"""A car's side of the contract, for Python: ask for a pile, follow the promise, say how it went.

Any gRPC client made from `proto/` can do the same; this one adds the reconnects and the threshold
at which a car asks by itself (patent step 310).
"""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
import uuid_utils

from pilewise.dialling import TokenSource, bearing, open_channel
from pilewise.guidance import Guidance, jitter
from pilewise.threshold import Threshold
from pilewise.v1 import charging_service_pb2 as pb
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import types_pb2 as nouns

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


def traceparent(request: pb.RecommendRequest) -> str:
    """The W3C trace context of a request: what it leads to is logged under its own digits.

    A request_id that is no UUID gets digits of its own, made of it.
    """
    try:
        trace = uuid.UUID(request.request_id)
    except ValueError:
        trace = uuid.uuid5(uuid.NAMESPACE_OID, request.request_id)
    return f"00-{trace.hex}-{trace.hex[16:]}-01"


class VehicleClient:
    """One car's connection to its coordinator; use it as an async context manager.

    `auto_request_below_pct` is the state of charge below which `observe` asks by itself, once per
    crossing. `token` proves which car it is: a token, or a function that gives the one of now,
    asked before each call. `ca_file` (PEM) dials with TLS.
    """

    def __init__(
        self,
        target: str,
        vehicle_id: str,
        vehicle: pb.VehicleProfile,
        *,
        user_id: str = "",
        auto_request_below_pct: float = 20.0,
        token: TokenSource = "",
        ca_file: Path | None = None,
        channel: grpc.aio.Channel | None = None,
    ) -> None:
        self.vehicle_id = vehicle_id
        self.user_id = user_id
        self.vehicle = vehicle
        self._threshold = Threshold(auto_request_below_pct)
        self._asking: asyncio.Task[pb.RecommendResponse] | None = None
        self._unanswered: tuple[str, float] | None = None
        self._owns_channel = channel is None
        self._token = token
        self._channel = channel or open_channel(target, ca_file=ca_file, options=CHANNEL_OPTIONS)
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
                proof = await bearing(self._token)
                answer: pb.RecommendResponse = await self._stub.Recommend(
                    request,
                    timeout=CALL_S,
                    metadata=(("traceparent", traceparent(request)), *proof),
                )
                return answer
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or attempt == 3:
                    raise
                await asyncio.sleep(jitter(attempt))
        raise AssertionError("unreachable")

    async def confirm(self, recommendation_id: str, evse_id: str = "") -> pb.Promise:
        """The firm promise, on the first choice or on the alternative `evse_id`."""
        answer = await self._stub.Confirm(
            pb.ConfirmRequest(recommendation_id=recommendation_id, evse_id=evse_id),
            timeout=CALL_S,
            metadata=await bearing(self._token),
        )
        promise: pb.Promise = answer.promise
        return promise

    async def release(self, recommendation_id: str, reason: str = "") -> bool:
        """Gives the hold back; False when nothing was held any more."""
        answer = await self._stub.Release(
            pb.ReleaseRequest(recommendation_id=recommendation_id, reason=reason),
            timeout=CALL_S,
            metadata=await bearing(self._token),
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
            metadata=await bearing(self._token),
        )

    def guide(self, promise: pb.Promise) -> Guidance:
        """The drive towards a promise; opening it makes the hold firm."""
        return Guidance(self._stub, promise, token=self._token)

    async def update(
        self,
        promise: pb.Promise,
        here: pb.Progress | None = None,
        *,
        arrived: bool = False,
        accept: bool | None = None,
    ) -> pb.UpdateProgressResponse:
        """`guide` for cars that cannot keep a stream open: what is new since this revision.

        `accept` answers a revision that asks for it. Call it as often as `beat` says.
        """
        request = pb.UpdateProgressRequest(
            recommendation_id=promise.recommendation_id, known_revision=promise.revision
        )
        if here is not None:
            request.progress.CopyFrom(here)
        if arrived:
            request.arrived.SetInParent()
        if accept is not None:
            request.decision.revision, request.decision.accepted = promise.revision, accept
        answer: pb.UpdateProgressResponse = await self._stub.UpdateProgress(
            request, timeout=CALL_S, metadata=await bearing(self._token)
        )
        return answer
