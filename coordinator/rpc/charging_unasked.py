"""`Guide` for a car that has asked for nothing: reminders and offers down, positions up.

Once an offer is accepted the stream is an ordinary guidance: see `charging.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from coordinator.core.vehicle import Fix
from coordinator.errors import FieldFault, FieldInvalid, ProtocolBroken
from coordinator.rpc.calling import as_signed
from coordinator.rpc.charging_codec import ChargingCodec, reminder_of
from coordinator.rpc.charging_request import check_progress, to_wish
from coordinator.rpc.guide_beat import beat, heard_in_time
from coordinator.usecases.promises import Promise
from coordinator.usecases.unasked import Followed, Unasked
from pilewise.v1 import charging_service_pb2 as wire

Taking = Callable[[Promise, wire.GuideRequest], Awaitable[None]]
Requests = AsyncIterator[wire.GuideRequest]


class UnaskedCars:
    """Streams of cars that are followed; `take` is what a promised car's message does."""

    def __init__(self, unasked: Unasked, codec: ChargingCodec, take: Taking) -> None:
        self._unasked = unasked
        self._codec = codec
        self._take = take
        self._followed: set[Followed] = set()
        self._closing = False

    def stop(self) -> None:
        """Ends all streams, because the process goes down."""
        self._closing = True
        for followed in self._followed:
            followed.tell()

    async def open(self, opening: wire.GuideOpen) -> Followed:
        """The car, from its first message."""
        if opening.recommendation_id:
            fault = "cannot stand beside recommendation_id: either a promise or a wish is followed"
            raise FieldInvalid(FieldFault("open.wish", fault))
        followed = Followed(as_signed(to_wish(opening.wish, "open.wish")))
        if opening.HasField("progress"):
            place = check_progress(opening.progress, "open.progress")
        else:
            request = followed.request
            place = Fix(request.latitude_deg, request.longitude_deg, request.soc_pct)
        await self._unasked.progress(followed, place)
        return followed

    async def follow(
        self, followed: Followed, reader: asyncio.Task[None]
    ) -> AsyncIterator[wire.GuideResponse]:
        """Gives reminders and offers until one is accepted, the car goes, or the process does."""
        self._followed.add(followed)
        offers = reminders = 0
        try:
            yield wire.GuideResponse(beat=beat())
            while not self._closing and followed.promise is None:
                news = followed.news()
                if followed.reminders != reminders and followed.reminder is not None:
                    reminders = followed.reminders
                    yield wire.GuideResponse(reminder=reminder_of(followed.reminder))
                    continue
                if followed.offers != offers and followed.offer is not None:
                    offers = followed.offers
                    yield wire.GuideResponse(offer=self._codec.promise(followed.offer))
                    continue
                if reader.done():
                    reader.result()  # a fault of the car's message ends the call with it
                    return
                if not await heard_in_time(news):
                    yield wire.GuideResponse(beat=beat())
        finally:
            self._followed.discard(followed)

    async def read(self, followed: Followed, requests: Requests) -> None:
        """Takes what the car says until it ends or breaks."""
        try:
            async for message in requests:
                if followed.promise is not None:
                    await self._take(followed.promise, message)
                else:
                    await self._unasked_says(followed, message)
        finally:
            followed.tell()
            if followed.promise is not None:
                followed.promise.tell()

    async def _unasked_says(self, followed: Followed, message: wire.GuideRequest) -> None:
        kind = message.WhichOneof("message")
        if kind == "progress":
            await self._unasked.progress(followed, check_progress(message.progress, "progress"))
        elif kind == "decision":
            await self._unasked.decide(followed, message.decision.accepted)
        else:
            raise ProtocolBroken("progress, or a decision on an offer", str(kind))
