"""Passes a guidance on between a car and the district that keeps its promise.

The car's stream stays open while the district is away, and when the promise moves to another: the
next stream begins with the newest position, and with what may not have been heard.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import grpc
import structlog

from coordinator.core.recommend import explain
from coordinator.errors import ProtocolBroken
from coordinator.rpc.city.directory import Directory
from coordinator.rpc.city.link import AWAY, DistrictLink
from coordinator.rpc.city.moving import Mover
from coordinator.rpc.city.promising import CityPromiser
from coordinator.rpc.city.trips import Trip
from coordinator.rpc.guide_beat import beat, with_beats
from coordinator.rpc.relayed import Relayed
from pilewise.v1 import charging_service_pb2 as wire

log = structlog.get_logger()

SILENCE_S = 60.0  # of a district's stream, which beats every 20 s
LONGEST_WAIT_S = 2.0  # between two tries to reach the district
SAID_MOST = 16  # decisions and arrivals kept for a district that is away, the newest
Call = grpc.aio.StreamStreamCall[wire.GuideRequest, wire.GuideResponse]


class Relay:
    """One car's guidance; that it follows a promise makes the promise firm, if it still stands."""

    def __init__(
        self, trip: Trip, directory: Directory, mover: Mover, promiser: CityPromiser
    ) -> None:
        self._trip = trip
        self._directory = directory
        self._mover = mover
        self._promiser = promiser
        self._out: asyncio.Queue[wire.GuideResponse | Exception | None] = asyncio.Queue()
        self._here: wire.Progress | None = None
        self._unsent: wire.Progress | None = None
        # Said to the district of that moment; another would take it for its own.
        self._arrival: tuple[str, wire.GuideArrived] | None = None
        self._said: deque[tuple[str, wire.GuideRequest]] = deque(maxlen=SAID_MOST)
        self._wake = asyncio.Event()
        self._told = (0, False)  # the newest revision on this stream, and whether it stands

    async def run(
        self, opening: wire.GuideOpen, requests: AsyncIterator[wire.GuideRequest]
    ) -> AsyncIterator[wire.GuideResponse]:
        """What the car is told until it hangs up or the promise ends."""
        if opening.HasField("progress"):
            self._here = opening.progress
        tasks = [
            asyncio.create_task(self._read(requests), name="coordinator:relay-car"),
            asyncio.create_task(self._keep_open(), name="coordinator:relay-district"),
        ]
        self._trip.listeners.add(self._out.put_nowait)
        try:
            yield wire.GuideResponse(beat=beat())
            async for message in with_beats(self._out):
                if message.HasField("promise"):
                    promise = message.promise
                    told = promise.revision, not promise.HasField("accept_before")
                    if told <= self._told:
                        continue  # the district it has moved to says it too
                    self._told = told
                yield message
        finally:
            self._trip.listeners.discard(self._out.put_nowait)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        """Ends the guidance because the city goes down."""
        self._out.put_nowait(None)

    async def _read(self, requests: AsyncIterator[wire.GuideRequest]) -> None:
        """Takes what the car says until it hangs up."""
        try:
            async for message in requests:
                await self._hear(message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the car's call ends with it
            self._out.put_nowait(error)
        else:
            self._out.put_nowait(None)

    async def _hear(self, message: wire.GuideRequest) -> None:
        trip, kind = self._trip, message.WhichOneof("message")
        if kind == "open":
            raise ProtocolBroken("open only as the first message", "another open")
        if kind == "progress":
            self._here = self._unsent = message.progress
            self._mover.consider(trip, message.progress)
        elif kind == "decision":
            if await self._mover.decide(trip, message.decision):
                return
            message.decision.revision -= min(trip.shift, message.decision.revision)
            self._said.append((trip.district, message))
        elif kind == "arrived":
            self._arrival = trip.district, message.arrived
            self._said.append((trip.district, message))
        self._wake.set()

    async def _keep_open(self) -> None:
        """Holds a stream to whichever district keeps the promise; opens it anew when it breaks."""
        attempt = 0
        while True:
            district = self._trip.district
            link = self._directory[district]
            try:
                if await self._one_stream(link):
                    return
                attempt = 0
            except (
                grpc.aio.AioRpcError,
                TimeoutError,
                OSError,
                asyncio.InvalidStateError,
            ) as error:
                if isinstance(error, grpc.aio.AioRpcError) and error.code() not in AWAY:
                    if self._trip.district == district:
                        self._out.put_nowait(Relayed(district, error))
                        return
                else:
                    log.info("guidance broke", district=district, why=str(link.away(error)))
            except Exception as error:
                log.exception("guidance failed", district=district)
                self._out.put_nowait(link.away(error))
                return
            if self._trip.district == district:
                attempt += 1
                await asyncio.sleep(random.uniform(0.1, min(LONGEST_WAIT_S, 0.2 * 2.0**attempt)))

    async def _one_stream(self, link: DistrictLink) -> bool:
        """One stream to the district; True if the promise has ended, False if it has moved."""
        trip, district = self._trip, link.name
        call: Call = await link.guide()
        moved = asyncio.Event()

        def on_told(message: wire.GuideResponse) -> None:
            if trip.district != district:
                moved.set()

        trip.listeners.add(on_told)
        sender: asyncio.Task[None] | None = None
        gone = asyncio.create_task(moved.wait(), name="coordinator:relay-moved")
        try:
            await self._open(call)
            sender = asyncio.create_task(self._send(call, district), name="coordinator:relay-send")
            while trip.district == district:
                message = await _read_or(call, gone)
                if message is None or trip.district != district:
                    return False
                if self._pass(message):
                    return True
                # A promise that has ended is told, too: that it is told makes nothing firm.
                await self._promiser.firm(trip)
            return False
        finally:
            trip.listeners.discard(on_told)
            gone.cancel()
            if sender is not None:
                sender.cancel()
            call.cancel()

    async def _open(self, call: Call) -> None:
        """Says which promise is followed, where the car is, and that it has arrived."""
        opening = wire.GuideOpen(recommendation_id=self._trip.recommendation_id)
        if self._here is not None:
            opening.progress.CopyFrom(self._here)
            self._unsent = None
        await call.write(wire.GuideRequest(open=opening))
        if self._arrival is not None and self._arrival[0] == self._trip.district:
            await call.write(wire.GuideRequest(arrived=self._arrival[1]))

    async def _send(self, call: Call, district: str) -> None:
        """Writes what the car says, the newest position last, until the stream breaks."""
        while True:
            while self._said:
                said = self._said[0]
                if said[0] == district:
                    await call.write(said[1])
                if self._said and self._said[0] is said:  # not pushed out meanwhile
                    self._said.popleft()
            if self._unsent is not None:
                here, self._unsent = self._unsent, None
                await call.write(wire.GuideRequest(progress=here))
            await self._wake.wait()
            self._wake.clear()

    def _pass(self, message: wire.GuideResponse) -> bool:
        """Tells the car what its district says; True if that is the end."""
        trip, kind = self._trip, message.WhichOneof("message")
        if kind == "promise":
            told = trip.take(message.promise)
            if trip.offer is None or told.revision > trip.offer.promise.revision:
                self._out.put_nowait(wire.GuideResponse(promise=told))
            if self._here is not None:
                self._mover.consider(trip, self._here)
            return False
        if kind == "closed":
            message.closed.code = trip.closed or message.closed.code
            trip.closed = message.closed.code
            if trip.closed == "ARRIVED":
                self._promiser.confirmed(trip)  # the car charges, so it needs no other place
            if trip.closed == "REPLACED":
                language = trip.request.language if trip.request is not None else ""
                message.closed.text = explain.sentence("REPLACED", language or "en", {})
        self._out.put_nowait(message)
        return kind == "closed"


async def _read_or(call: Call, gone: asyncio.Task[Any]) -> wire.GuideResponse | None:
    """The next message of a district; None when the stream ends or the promise has moved.

    Raises TimeoutError if nothing at all comes.
    """
    reading = asyncio.ensure_future(call.read())
    done, _ = await asyncio.wait(
        {reading, gone}, timeout=SILENCE_S, return_when=asyncio.FIRST_COMPLETED
    )
    if reading not in done:
        reading.cancel()
        if not done:
            raise TimeoutError
        return None
    message = reading.result()
    return message if isinstance(message, wire.GuideResponse) else None
