"""One drive towards a promise, over a stream that is opened anew whenever it breaks.

Asking for a promise is in `client.py`. Other languages do the same: see `docs/examples/node`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeAlias, cast

import grpc

from pilewise.dialling import TokenSource, bearing
from pilewise.v1 import charging_service_pb2 as pb
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import types_pb2 as nouns

if TYPE_CHECKING:
    Call: TypeAlias = grpc.aio.StreamStreamCall[pb.GuideRequest, pb.GuideResponse]

# The link is broken when nothing at all came for this long; the server beats every 20 s.
SILENCE_S = 60.0
REPORT_EVERY_S = 5.0  # until the first beat says how often
# What a new stream may mend; anything else is a mistake of ours, and is raised.
BROKEN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
    }
)


class Guidance:
    """One drive: `async for event in guidance`, while `progress` and the others are called.

    Events are `GuideResponse`s without the beats. `promise` is the newest revision that stands;
    `offer` is a better one that waits for `decide`, None if there is none: an accepted one stands
    once it comes back without `accept_before`. `report_every_s` is how often the coordinator wants
    to hear of the car. When the link breaks, the
    stream is opened anew by the recommendation's id and goes on from the newest revision, with the
    newest position and whatever may not have been heard. Iteration ends when the coordinator closes
    the drive (`closed` says why), or after `stop`.
    """

    def __init__(
        self,
        stub: rpc.ChargingServiceAsyncStub,
        promise: pb.Promise,
        *,
        silence_s: float = SILENCE_S,
        token: TokenSource = "",
    ) -> None:
        self.promise = promise
        self.offer: pb.Promise | None = None
        self.closed: pb.GuideClosed | None = None
        self.report_every_s = REPORT_EVERY_S
        self._stub = stub
        self._silence_s = silence_s
        self._token = token
        self._heard = False  # anything, on the stream that is open
        self._here: pb.Progress | None = None
        self._unsent: pb.Progress | None = None
        self._said: deque[pb.GuideRequest] = deque()
        self._arrival: pb.GuideArrived | None = None
        self._decision: pb.GuideDecision | None = None
        self._wake = asyncio.Event()
        self._stopped = asyncio.Event()

    def progress(
        self, latitude_deg: float, longitude_deg: float, soc_pct: float, *, cars_ahead: int = -1
    ) -> None:
        """Reports where the car is; one that could not be sent yet is replaced by the newest.

        `cars_ahead` is how many cars the driver sees waiting at the promised EVSE; -1 means not
        said.
        """
        self._here = self._unsent = pb.Progress(
            position=nouns.Position(latitude_deg=latitude_deg, longitude_deg=longitude_deg),
            soc_pct=soc_pct,
            cars_ahead=cars_ahead if cars_ahead >= 0 else None,
        )
        self._wake.set()

    def decide(self, revision: int, accepted: bool) -> None:
        """Accepts or refuses a revision that asks for it (`Promise.accept_before`)."""
        self._decision = pb.GuideDecision(revision=revision, accepted=accepted)
        self._say(pb.GuideRequest(decision=self._decision))

    def arrived(self, evse_id: str = "") -> None:
        """Says that the car stands at the station, about to plug in."""
        self._arrival = pb.GuideArrived(evse_id=evse_id)
        self._say(pb.GuideRequest(arrived=self._arrival))

    def stop(self) -> None:
        """Ends the iteration; the hold stays until it is released, or lapses for want of news."""
        self._stopped.set()

    def _take(self, promise: pb.Promise) -> None:
        if promise.HasField("accept_before"):
            self.offer = promise
        else:
            self.promise, self.offer = promise, None

    @property
    def _newest(self) -> int:
        """The newest revision that was heard of, offers too."""
        return (self.offer or self.promise).revision

    def _say(self, message: pb.GuideRequest) -> None:
        self._said.append(message)
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[pb.GuideResponse]:
        attempt = 0
        while self.closed is None and not self._stopped.is_set():
            try:
                async for event in self._one_stream():
                    attempt = 0
                    yield event
            except grpc.aio.AioRpcError as error:
                # A token that ended while the stream was open is renewed by who gives it.
                ended = error.code() is grpc.StatusCode.UNAUTHENTICATED and self._heard
                if error.code() not in BROKEN and not (ended and callable(self._token)):
                    raise
            if self.closed is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopped.wait(), jitter(attempt))
                attempt += 1

    async def _one_stream(self) -> AsyncIterator[pb.GuideResponse]:
        self._heard = False
        call = self._stub.Guide(metadata=await bearing(self._token))
        sender: asyncio.Task[None] | None = None
        stopped = asyncio.create_task(self._stopped.wait(), name="client:guide-stop")
        try:
            await self._open(call)
            sender = asyncio.create_task(self._send(call), name="client:guide-send")
            while (event := await self._read(call, stopped)) is not None:
                self._heard = True
                kind = event.WhichOneof("message")
                if kind == "promise":
                    self._take(event.promise)
                elif kind == "closed":
                    self.closed = event.closed
                elif kind == "beat":
                    self.report_every_s = event.beat.report_every_s or REPORT_EVERY_S
                    continue
                yield event
                if kind == "closed":
                    return
        finally:
            stopped.cancel()
            if sender is not None:
                sender.cancel()
            call.cancel()

    async def _open(self, call: Call) -> None:
        """Says which promise is followed, and again what a broken stream may not have carried."""
        opening = pb.GuideOpen(
            recommendation_id=self.promise.recommendation_id, known_revision=self._newest
        )
        if self._here is not None:
            opening.progress.CopyFrom(self._here)
            self._unsent = None
        self._said.clear()
        await call.write(pb.GuideRequest(open=opening))
        if self._decision is not None and self._decision.revision == self._newest:
            await call.write(pb.GuideRequest(decision=self._decision))
        if self._arrival is not None:
            await call.write(pb.GuideRequest(arrived=self._arrival))

    async def _read(self, call: Call, stopped: asyncio.Task[bool]) -> pb.GuideResponse | None:
        """The next message; None when the stream has ended, fell silent, or is not wanted."""
        reading = asyncio.ensure_future(call.read())
        await asyncio.wait(
            {reading, stopped}, timeout=self._silence_s, return_when=asyncio.FIRST_COMPLETED
        )
        if not reading.done() or stopped.done():
            reading.cancel()
            return None
        read = reading.result()
        return None if read is grpc.aio.EOF else cast("pb.GuideResponse", read)

    async def _send(self, call: Call) -> None:
        """Writes what is said, the newest position last, until the stream breaks."""
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._said:
                    await call.write(self._said.popleft())
                if self._unsent is not None:
                    here, self._unsent = self._unsent, None
                    await call.write(pb.GuideRequest(progress=here))


def jitter(attempt: int) -> float:
    """Seconds to wait before the next try: full jitter, from 0.2 s doubling to 10 s."""
    return random.uniform(0.0, min(10.0, 0.2 * 2.0 ** min(attempt, 10)))
