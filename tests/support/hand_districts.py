"""Districts by hand below a real city's servicer: what they answer and say is what a test says."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np

from coordinator.clock import Clock
from coordinator.config_city import CitySection
from coordinator.core.vehicle import WarningLevel
from coordinator.rpc.city.charging import CityCharging
from coordinator.rpc.city.claiming import Claiming
from coordinator.rpc.city.directory import Directory
from coordinator.rpc.city.moving import Mover
from coordinator.rpc.city.promising import CityPromiser
from coordinator.rpc.city.trips import Trip, Trips
from coordinator.rpc.relayed import Relayed
from coordinator.usecases.counters import Counters
from coordinator.usecases.refusals import DistrictAway
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import district_service_pb2 as district

END_S = 120.0


def broken(code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> grpc.aio.AioRpcError:
    """What gRPC raises."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), "by hand")


def refused(code: grpc.StatusCode = grpc.StatusCode.NOT_FOUND) -> Relayed:
    """A district's no."""
    return Relayed("by hand", broken(code))


async def until(what: str, holds: Callable[[], bool]) -> None:
    """Returns once it holds."""
    try:
        async with asyncio.timeout(END_S):
            while not holds():
                await asyncio.sleep(0.005)
    except TimeoutError as error:
        raise AssertionError(f"never: {what}") from error


class HandStream:
    """One guidance at a district: `says` goes up to the city, `heard` is what came down."""

    def __init__(self) -> None:
        self.says: asyncio.Queue[Any] = asyncio.Queue()
        self.heard: list[wire.GuideRequest] = []
        self.taking = asyncio.Event()  # clear: nothing is taken from the city
        self.taking.set()
        self.cancelled = self.done = False

    async def write(self, message: wire.GuideRequest) -> None:
        """As gRPC's."""
        await self.taking.wait()
        copy = wire.GuideRequest()
        copy.CopyFrom(message)
        self.heard.append(copy)

    async def read(self) -> Any:
        """As gRPC's; exceptions that were said are raised."""
        message = await self.says.get()
        if isinstance(message, BaseException):
            raise message
        return message

    async def done_writing(self) -> None:
        """As gRPC's."""
        self.done = True

    def cancel(self) -> bool:
        """As gRPC's."""
        self.cancelled = True
        return True


class HandDistrict:
    """In the place of a `DistrictLink`; `answers` has a value, an exception or a function each."""

    def __init__(self, name: str) -> None:
        self.name, self.up, self.summary, self.area = name, True, None, None
        self.answers: dict[str, Any] = {
            "Release": district.DistrictServiceReleaseResponse(released=True)
        }
        self.calls: dict[str, list[Any]] = defaultdict(list)
        self.streams: list[HandStream] = []
        self.away_streams = 0  # so many streams to come break at once

    async def ask(self, method: str, request: Any, within_s: float | None = None) -> Any:
        """What was set for this method; DistrictAway if nothing was."""
        copy = type(request)()
        copy.CopyFrom(request)
        self.calls[method].append(copy)
        answer = self.answers.get(method, DistrictAway(self.name, "by hand"))
        if callable(answer):
            answer = answer(request)
            if asyncio.iscoroutine(answer):
                answer = await answer
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def pass_on(self, method: str, request: Any) -> Any:
        """The same for methods of cars, whose names begin with a dot here."""
        return await self.ask(f".{method}", request)

    async def guide(self) -> HandStream:
        """A new stream."""
        stream = HandStream()
        self.streams.append(stream)
        if self.away_streams:
            self.away_streams -= 1
            stream.says.put_nowait(broken())
        return stream

    def away(self, error: Exception) -> DistrictAway:
        """As the real one's."""
        return DistrictAway(self.name, str(error))

    async def stream(self, number: int = 1) -> HandStream:
        """The stream of this number, once it is open and has said which promise it follows."""
        await until(
            f"a stream {number} at {self.name}",
            lambda: len(self.streams) >= number and bool(self.streams[number - 1].heard),
        )
        return self.streams[number - 1]


@dataclass
class HandFinder:
    """Finds what a test says: places best first, each with its district and its cost, seconds."""

    places: list[tuple[str, str, float]] = field(default_factory=list)

    async def find(self, message: Any, asked: Any, *, signed_vip: bool) -> Any:
        """As `CandidateFinder`, as far as moves need it."""
        cost = SimpleNamespace(total=np.array([cost for *_, cost in self.places]))
        ranked = SimpleNamespace(
            columns=SimpleNamespace(cost=cost),
            order=np.arange(len(self.places)),
            level=WarningLevel.LOW,
        )
        together = SimpleNamespace(
            ranked=ranked,
            evse_ids=[evse_id for evse_id, *_ in self.places],
            district_ids=[name for _, name, _ in self.places],
        )
        return SimpleNamespace(sorted=together, answers={}, unanswered=[])


class HandCity:
    """A city's servicer over districts by hand."""

    def __init__(self, *names: str) -> None:
        self.districts = {name: HandDistrict(name) for name in names}
        self.ahead_s = 0.0  # of the real clock
        self.directory = Directory(CitySection(), self.link_s)
        self.directory.links.update(self.districts)  # type: ignore[arg-type]
        self.finder, self.counters = HandFinder(), Counters()
        self.trips = Trips(self.directory, self.link_s)
        self.claiming = Claiming(self.directory, self.link_s)
        self.mover = Mover(
            self.directory, self.finder, self.claiming, time.time, self.link_s, self.counters
        )
        self.promiser = CityPromiser(
            self.finder, self.claiming, self.trips, Clock(0, 0.0, 1.0), self.counters
        )
        self.charging = CityCharging(
            self.directory, self.promiser, self.trips, self.mover, self.counters
        )

    def link_s(self) -> float:
        """Link time."""
        return time.monotonic() + self.ahead_s

    def trip(self, name: str, owner: str, evse_id: str = "A-1*1", **given: Any) -> Trip:
        """A remembered promise `name` of a district, firm unless told otherwise."""
        told = promise(name, f"claim-{name}", evse_id)
        request = wire.RecommendRequest(
            request_id=f"request-{name}", vehicle_id="car-1", soc_pct=50.0
        )
        request.vehicle.battery_kwh = 60.0
        request.vehicle.connectors.append(4)
        request.position.latitude_deg, request.position.longitude_deg = 22.54, 114.05
        given = {"confirmed": True, **given}
        trip = Trip(name, f"request-{name}", "car-1", owner, told, request, **given)
        trip.take(told)
        return self.trips.add(trip)

    def freed(self, name: str) -> list[str]:
        """Claims that the city has had released at this district."""
        return [one.claim_id for one in self.districts[name].calls["Release"]]

    async def close(self) -> None:
        """Ends what is under way."""
        await self.mover.close()
        await self.claiming.close()


def promise(name: str, claim_id: str, evse_id: str = "A-1*1", revision: int = 1) -> wire.Promise:
    """A promise with a place behind it; without one if `claim_id` is empty."""
    told = wire.Promise(recommendation_id=name, revision=revision)
    told.choice.evse.evse_id = evse_id
    told.choice.hold.claim_id = claim_id
    told.choice.hold.kind = wire.HOLD_KIND_FIRM if claim_id else wire.HOLD_KIND_NONE
    return told


class HandCar:
    """A car's guidance through the city: `says` goes up, `told` is what came down."""

    def __init__(self, city: HandCity, opening: wire.GuideOpen) -> None:
        self.says: asyncio.Queue[wire.GuideRequest | None] = asyncio.Queue()
        self.says.put_nowait(wire.GuideRequest(open=opening))
        self.told: list[wire.GuideResponse] = []
        self.error: BaseException | None = None
        self._city = city
        self.task = asyncio.create_task(self._listen(), name="test:car")

    async def _requests(self) -> AsyncIterator[wire.GuideRequest]:
        while (message := await self.says.get()) is not None:
            yield message

    async def _listen(self) -> None:
        try:
            async for message in self._city.charging.Guide(self._requests(), None):
                copy = wire.GuideResponse()
                copy.CopyFrom(message)
                self.told.append(copy)
        except Exception as error:  # noqa: BLE001 - the test asks for it
            self.error = error

    def say(self, **message: Any) -> None:
        """One message up."""
        self.says.put_nowait(wire.GuideRequest(**message))

    @property
    def promises(self) -> list[wire.Promise]:
        """What it was told that is promised."""
        return [one.promise for one in self.told if one.HasField("promise")]

    async def ended(self) -> str:
        """Why its guidance ended; empty if it was not told."""
        await asyncio.wait_for(asyncio.shield(self.task), END_S)
        closed = [one.closed.code for one in self.told if one.HasField("closed")]
        return closed[-1] if closed else ""

    async def hang_up(self) -> None:
        """Ends it."""
        self.says.put_nowait(None)
        await asyncio.wait_for(self.task, END_S)


def follow(city: HandCity, name: str) -> HandCar:
    """A car that follows a promise."""
    return HandCar(city, wire.GuideOpen(recommendation_id=name))
