"""What a city remembers of the promises it passes on: which district keeps each, and what was told.

The districts' ledgers are the truth. A city that has forgotten a promise asks all districts for it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from coordinator.errors import NotFound, Overloaded
from coordinator.rpc.city.directory import Directory
from coordinator.rpc.relayed import Relayed
from coordinator.usecases.asked_twice import AskedTwice
from coordinator.usecases.refusals import DistrictAway
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import district_service_pb2 as wire

KEPT = 50_000  # trips; the ones touched longest ago are asked for again
# Names that are asked of every district, so who guesses names costs little: what nobody knew is not
# asked again for a while, and only so many are asked at once.
UNKNOWN_S, UNKNOWN_KEPT = 5.0, 10_000  # link time
ASKED_AT_ONCE, ASKED_MOST = 16, 1_000  # the second is with those that wait for their turn

Listener = Callable[[charging.GuideResponse], None]


@dataclass(slots=True, eq=False)
class Offer:
    """A place in another district that the car was asked about, held beside its own."""

    district: str
    promise: charging.Promise
    decided: asyncio.Future[bool]


@dataclass(slots=True, eq=False)
class Trip:
    """One promise; `promise` is the newest revision as the car was told.

    `shift` is by how much the told revision is above the district's own. `request` is absent after
    a restart of the city: then the promise stays in its district.
    """

    recommendation_id: str
    request_id: str
    vehicle_id: str
    district: str
    promise: charging.Promise
    request: charging.RecommendRequest | None = None
    signed_vip: bool = False
    confirmed: bool = False
    closed: str = ""
    shift: int = 0
    elsewhere: dict[str, str] = field(default_factory=dict)  # listed EVSEs of other districts
    others: list[tuple[str, str]] = field(default_factory=list)  # district, claim: until confirmed
    unanswered: list[str] = field(default_factory=list)
    offer: Offer | None = None
    looked_s: float = float("-inf")  # across the border, link time
    looking: asyncio.Task[None] | None = None
    listeners: set[Listener] = field(default_factory=set)
    moving: asyncio.Lock = field(default_factory=asyncio.Lock)  # what frees or firms it, in turn
    ahead: bool = False  # for a window in the future, beside which a car may have another

    @property
    def claim_id(self) -> str:
        """The claim behind it; empty if nothing is held."""
        return self.promise.choice.hold.claim_id

    def take(self, promise: charging.Promise) -> charging.Promise:
        """The district's promise as the car is told it; kept if it is the newest."""
        told = charging.Promise()
        told.CopyFrom(promise)
        told.revision += self.shift
        told.district_id = self.district
        known = self.promise
        if told.revision == known.revision and known is not promise and known.district_id:
            # What the city wrote into this revision is not known to the district.
            for name in ("alternatives", "degraded_reasons"):
                told.ClearField(name)
                getattr(told, name).extend(getattr(known, name))
            told.degraded = known.degraded
            if known.HasField("change"):
                told.change.CopyFrom(known.change)
        if told.revision >= self.promise.revision:
            self.promise = told
        return told

    def tell(self, message: charging.GuideResponse) -> None:
        """Says this to whoever follows the trip."""
        for listener in tuple(self.listeners):
            listener(message)


class Trips:
    """Trips by name, by request and by car; asks districts for those it does not know."""

    def __init__(self, directory: Directory, link_s: Callable[[], float]) -> None:
        self._directory = directory
        self._link_s = link_s
        self._unknown: OrderedDict[str, float] = OrderedDict()  # until when, link time
        self._asking: AskedTwice[Trip] = AskedTwice()
        self._turn, self._waiting = asyncio.Semaphore(ASKED_AT_ONCE), 0
        self._all: OrderedDict[str, Trip] = OrderedDict()
        self._by_request: dict[str, Trip] = {}
        self._by_car: dict[str, dict[str, Trip]] = {}

    def add(self, trip: Trip) -> Trip:
        """Remembers a trip."""
        name = trip.recommendation_id
        self._all[name] = trip
        self._by_request[trip.request_id] = trip
        self._unknown.pop(f"recommendation {name}", None)
        self._unknown.pop(f"request {trip.request_id}", None)
        self._by_car.setdefault(trip.vehicle_id, {})[name] = trip
        while len(self._all) > KEPT:
            self._drop(next(iter(self._all.values())))
        return trip

    def _drop(self, trip: Trip) -> None:
        name = trip.recommendation_id
        self._all.pop(name, None)
        if self._by_request.get(trip.request_id) is trip:
            del self._by_request[trip.request_id]
        cars = self._by_car.get(trip.vehicle_id, {})
        cars.pop(name, None)
        if not cars:
            self._by_car.pop(trip.vehicle_id, None)

    def of_request(self, request_id: str) -> Trip | None:
        """The trip of a request, if it is remembered."""
        return self._by_request.get(request_id)

    def of_car(self, vehicle_id: str) -> list[Trip]:
        """The remembered trips of a car, windows ahead aside, that have not ended."""
        every = self._by_car.get(vehicle_id, {}).values()
        return [trip for trip in every if not (trip.closed or trip.ahead)]

    def open(self) -> Iterator[Trip]:
        """All that have not ended and are held."""
        return (trip for trip in self._all.values() if not trip.closed and trip.claim_id)

    def forget(self, user_id: str) -> None:
        """Drops what is remembered of a driver, or of a car of this name."""
        for trip in tuple(self._all.values()):
            of_user = trip.request is not None and trip.request.user_id == user_id
            if of_user or trip.vehicle_id == user_id:
                self._drop(trip)

    async def find(self, recommendation_id: str) -> Trip:
        """The trip of this name; raises `NotFound`, or `DistrictAway` if it may be at one."""
        trip = self._all.get(recommendation_id)
        if trip is not None:
            self._all.move_to_end(recommendation_id)
            return trip
        request = wire.GetPromiseRequest(recommendation_id=recommendation_id)
        return await self._asked("recommendation", recommendation_id, request)

    async def find_request(self, request_id: str) -> Trip:
        """The trip of this request; raises the same."""
        trip = self._by_request.get(request_id)
        if trip is not None:
            return trip
        request = wire.GetPromiseRequest(request_id=request_id)
        return await self._asked("request", request_id, request)

    async def refresh(self, trip: Trip) -> charging.Promise:
        """The promise as its district has it; raises `DistrictAway` and `Relayed`."""
        request = charging.GetRecommendationRequest(recommendation_id=trip.recommendation_id)
        link = self._directory[trip.district]
        answer: charging.GetRecommendationResponse = await link.pass_on(
            "GetRecommendation", request
        )
        return trip.take(answer.promise)

    async def _asked(self, what: str, name: str, request: wire.GetPromiseRequest) -> Trip:
        """The trip as a district has it; raises `Overloaded` while too many names are asked for."""
        key = f"{what} {name}"
        if self._unknown.get(key, float("-inf")) > self._link_s():
            raise NotFound(what, name)
        trip = await self._asking.made(key)
        if trip is not None:
            return trip
        if self._waiting >= ASKED_MOST:
            raise Overloaded("names asked of all districts", self._waiting, ASKED_MOST)
        with self._asking.making(key) as made:
            self._waiting += 1
            try:
                async with self._turn:
                    trip = await self._ask(what, name, request)
            except NotFound:
                self._unknown[key] = self._link_s() + UNKNOWN_S
                if len(self._unknown) > UNKNOWN_KEPT:
                    self._unknown.popitem(last=False)
                raise
            finally:
                self._waiting -= 1
            made.set_result(trip)
        return trip

    async def _ask(self, what: str, name: str, request: wire.GetPromiseRequest) -> Trip:
        links = list(self._directory.links.values())
        asked = (link.ask("GetPromise", request) for link in links)
        told = await asyncio.gather(*asked, return_exceptions=True)
        found, away = [], []
        for link, answer in zip(links, told, strict=True):
            if isinstance(answer, wire.GetPromiseResponse):
                found.append((link.name, answer))
            elif isinstance(answer, DistrictAway):
                away.append(link.name)
            elif isinstance(answer, BaseException) and not isinstance(answer, Relayed):
                raise answer
        if not found or (away and all(answer.closed for _, answer in found)):
            if away:
                raise DistrictAway(", ".join(away), f"and no other keeps {what} {name}")
            raise NotFound(what, name)
        # A promise that has moved has ended in the district where it was.
        found.sort(key=lambda one: (bool(one[1].closed), -one[1].promise.revision))
        return self.learn(*found[0])

    def learn(self, district: str, answer: wire.GetPromiseResponse) -> Trip:
        """Remembers what a district says that it keeps; as firm, for an offer ends by itself."""
        promise = answer.promise
        trip = Trip(
            promise.recommendation_id, answer.request_id, answer.vehicle_id, district, promise,
            confirmed=True, closed=answer.closed,
        )  # fmt: skip
        trip.take(promise)
        return self.add(trip)


class CityOwners:
    """Whose an answer is, for the door; records of drivers are the districts'."""

    def __init__(self, trips: Trips) -> None:
        self._trips = trips

    async def car_of(self, recommendation_id: str) -> str:
        """The car that was answered; empty if there is no such answer."""
        try:
            return (await self._trips.find(recommendation_id)).vehicle_id
        except NotFound:
            return ""

    async def car_that_asked(self, request_id: str) -> str:
        """The car whose request this was; empty if it is not known."""
        try:
            return (await self._trips.find_request(request_id)).vehicle_id
        except NotFound:
            return ""

    def driver_of(self, vehicle_id: str) -> str:
        """Empty: a driver is who the token names."""
        return ""
