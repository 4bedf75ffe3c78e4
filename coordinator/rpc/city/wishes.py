"""Follows a car that only wishes: the nearest district reminds it and makes it offers.

The car's stream stays open while that district is away: it is followed by the nearest that is
there, from its newest position on. Once it has accepted an offer, the district that keeps the
promise follows it. A promise that the car asked for is in `relay.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator

import grpc
import structlog

from coordinator.rpc.city.directory import Directory
from coordinator.rpc.city.link import AWAY, DistrictLink
from coordinator.rpc.city.relay import LONGEST_WAIT_S, SAID_MOST, SILENCE_S, Call
from coordinator.rpc.city.trips import Trip, Trips
from coordinator.rpc.guide_beat import with_beats
from coordinator.rpc.relayed import Relayed
from coordinator.usecases.counters import Counters
from pilewise.v1 import charging_service_pb2 as wire

log = structlog.get_logger()


class WishRelay:
    """One car's guidance without a promise; faults of districts are logged and counted."""

    def __init__(
        self, opening: wire.GuideOpen, directory: Directory, trips: Trips, counters: Counters
    ) -> None:
        self._opening = opening
        self._directory = directory
        self._trips = trips
        self._counters = counters
        self._out: asyncio.Queue[wire.GuideResponse | Exception | None] = asyncio.Queue()
        self._trip: Trip | None = None  # once an offer has become a promise
        self._said: deque[wire.GuideRequest] = deque(maxlen=SAID_MOST)
        self._unsent: wire.Progress | None = None
        self._wake = asyncio.Event()
        self._opened = self._hung_up = False

    async def run(
        self, requests: AsyncIterator[wire.GuideRequest]
    ) -> AsyncIterator[wire.GuideResponse]:
        """What the car is told until it hangs up or the promise that came of it ends."""
        tasks = [
            asyncio.create_task(self._read(requests), name="coordinator:wish-car"),
            asyncio.create_task(self._keep_open(), name="coordinator:wish-district"),
        ]
        try:
            async for message in with_beats(self._out):
                yield message
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        """Ends it because the city goes down."""
        self._out.put_nowait(None)

    async def _read(self, requests: AsyncIterator[wire.GuideRequest]) -> None:
        """Takes what the car says until it hangs up."""
        try:
            async for message in requests:
                if message.HasField("progress"):
                    self._unsent = message.progress
                    self._opening.progress.CopyFrom(message.progress)
                else:
                    self._said.append(message)
                self._wake.set()
        except Exception as error:  # noqa: BLE001 - whatever it is, the car's call ends with it
            self._out.put_nowait(error)
        self._hung_up = True
        self._wake.set()

    async def _keep_open(self) -> None:
        """Holds a stream to the nearest district; opens it anew, there or elsewhere, if it ends."""
        attempt = 0
        while not self._hung_up:
            link = self._nearest()
            why = "it has ended its stream"
            try:
                async for message in self._stream(link):
                    if attempt:
                        log.info("wish is followed again", district=link.name)
                    attempt = 0
                    self._tell(link, message)
            except (
                grpc.aio.AioRpcError,
                TimeoutError,
                OSError,
                asyncio.InvalidStateError,
            ) as error:
                if isinstance(error, grpc.aio.AioRpcError) and error.code() not in AWAY:
                    self._out.put_nowait(Relayed(link.name, error))
                    return
                why = str(link.away(error))
            except Exception as error:
                log.exception("wish failed", district=link.name)
                self._out.put_nowait(link.away(error))
                return
            if not self._hung_up:
                attempt += 1
                self._broke(link, why, attempt)
                await asyncio.sleep(random.uniform(0.1, min(LONGEST_WAIT_S, 0.2 * 2.0**attempt)))
        self._out.put_nowait(None)

    def _broke(self, link: DistrictLink, why: str, attempt: int) -> None:
        """Says that a car is not followed: aloud once, until it is again."""
        self._counters.add("wish_streams_broken")
        say = log.warning if attempt == 1 else log.info
        say("wish is not followed", district=link.name, why=why, attempt=attempt)

    def _nearest(self) -> DistrictLink:
        """The district that keeps the promise, else the nearest that is up."""
        if self._trip is not None:
            return self._directory[self._trip.district]
        here = self._opening.wish.position
        if self._opening.HasField("progress") and self._opening.progress.HasField("position"):
            here = self._opening.progress.position
        return self._directory.nearest((here.latitude_deg, here.longitude_deg))[0]

    async def _stream(self, link: DistrictLink) -> AsyncIterator[wire.GuideResponse]:
        """What one district says, until it ends its stream."""
        call: Call = await link.guide()
        if self._opened and self._trip is None:
            self._said.clear()  # it was said of an offer of the stream before
        self._opened = True
        sender: asyncio.Task[None] | None = None
        try:
            await call.write(wire.GuideRequest(open=self._opening))
            self._unsent = None
            sender = asyncio.create_task(self._send(call), name="coordinator:wish-send")
            while True:
                async with asyncio.timeout(SILENCE_S):
                    message = await call.read()
                if not isinstance(message, wire.GuideResponse):
                    return
                yield message
        finally:
            if sender is not None:
                sender.cancel()
            call.cancel()

    async def _send(self, call: Call) -> None:
        """Writes what the car says, the newest position last, until either side ends."""
        while True:
            while self._said:
                await call.write(self._said.popleft())
            if self._unsent is not None:
                here, self._unsent = self._unsent, None
                await call.write(wire.GuideRequest(progress=here))
            if self._hung_up:
                await call.done_writing()
                return
            await self._wake.wait()
            self._wake.clear()

    def _tell(self, link: DistrictLink, message: wire.GuideResponse) -> None:
        """Passes on what a district says, and remembers whose the place is that it names."""
        kind = message.WhichOneof("message")
        if kind in ("promise", "offer"):
            promise = message.promise if kind == "promise" else message.offer
            wish, trip = self._opening.wish, self._trip
            if trip is None or trip.recommendation_id != promise.recommendation_id:
                trip = Trip(
                    promise.recommendation_id, wish.request_id, wish.vehicle_id, link.name, promise
                )
                self._trips.add(trip)
            promise.CopyFrom(trip.take(promise))
            if kind == "promise":
                self._follow(trip)
        elif kind == "closed" and self._trip is not None:
            self._trip.closed = message.closed.code
        self._out.put_nowait(message)

    def _follow(self, trip: Trip) -> None:
        """The next stream follows this promise: its district has made it firm."""
        trip.confirmed, self._trip = True, trip
        wished = self._opening
        self._opening = wire.GuideOpen(recommendation_id=trip.recommendation_id)
        if wished.HasField("progress"):
            self._opening.progress.CopyFrom(wished.progress)
        self._opening.known_revision = trip.promise.revision
