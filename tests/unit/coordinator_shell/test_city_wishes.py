"""A car without a promise is followed through a city, whatever becomes of its district."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from hand_districts import HandCar, HandCity, broken, promise, until

from coordinator.rpc.relayed import Relayed
from pilewise.v1 import charging_service_pb2 as wire


@pytest.fixture
async def city() -> AsyncIterator[HandCity]:
    """Two districts by hand; without stations they are equally near, so the first by name."""
    opened = HandCity("east", "west")
    yield opened
    await opened.close()


def wish(city: HandCity) -> HandCar:
    """A car that only wishes."""
    opening = wire.GuideOpen(wish=wire.RecommendRequest(request_id="r-1", vehicle_id="car-1"))
    return HandCar(city, opening)


def progress(soc_pct: float) -> wire.Progress:
    """Where the car is, and its charge."""
    here = wire.Progress(soc_pct=soc_pct)
    here.position.latitude_deg, here.position.longitude_deg = 22.5, 114.0
    return here


REMINDED = wire.GuideResponse(reminder=wire.Reminder(text="charge soon"))


async def test_a_broken_stream_is_counted_and_opened_anew(city: HandCity) -> None:
    """The car hears nothing of it; its newest position opens the next stream."""
    east = city.districts["east"]
    east.away_streams = 2
    car = wish(city)
    car.say(progress=progress(40.0))
    third = await east.stream(3)
    third.says.put_nowait(REMINDED)
    await until("the car is reminded", lambda: any(m.HasField("reminder") for m in car.told))
    await over(car, third)

    assert third.heard[0].open.wish.vehicle_id == "car-1"
    assert third.heard[0].open.progress.soc_pct == 40.0
    assert city.counters.values()["wish_streams_broken"] == 2
    assert car.error is None


async def over(car: HandCar, stream: object) -> None:
    """The car hangs up, and its district ends the stream as it should."""
    car.says.put_nowait(None)
    await until("the district hears of it", lambda: stream.done)
    stream.says.put_nowait(grpc.aio.EOF)
    await car.ended()


async def test_another_district_follows_when_the_nearest_is_away(city: HandCity) -> None:
    """As soon as the city knows that it is."""
    east, west = city.districts["east"], city.districts["west"]
    car = wish(city)
    first = await east.stream()
    east.up = False
    first.says.put_nowait(broken())

    second = await west.stream()
    second.says.put_nowait(REMINDED)
    await until("the car is reminded", lambda: any(m.HasField("reminder") for m in car.told))
    await over(car, second)

    assert first.cancelled
    assert len(east.streams) == 1


async def test_a_decision_on_an_offer_of_before_is_not_told_to_the_next(city: HandCity) -> None:
    """It might be taken for a yes to another place."""
    east = city.districts["east"]
    car = wish(city)
    first = await east.stream()
    first.says.put_nowait(wire.GuideResponse(offer=promise("one", "claim-one")))
    await until("the car is offered it", lambda: any(m.HasField("offer") for m in car.told))
    first.taking.clear()
    car.say(decision=wire.GuideDecision(revision=7, accepted=True))
    car.say(decision=wire.GuideDecision(revision=8, accepted=True))
    await until("it was taken from the car", car.says.empty)
    first.says.put_nowait(broken())
    second = await east.stream(2)
    car.say(decision=wire.GuideDecision(revision=9))
    await until("the new word is said", lambda: len(second.heard) > 1)
    await over(car, second)

    assert [one.decision.revision for one in second.heard[1:]] == [9]


async def test_an_accepted_offer_is_followed_at_its_district(city: HandCity) -> None:
    """Also after its stream broke, by its name; its end ends the guidance."""
    east, west = city.districts["east"], city.districts["west"]
    car = wish(city)
    first = await east.stream()
    first.says.put_nowait(wire.GuideResponse(promise=promise("one", "claim-one")))
    await until("the car is promised it", lambda: bool(car.promises))
    east.up = False
    first.says.put_nowait(broken())
    second = await east.stream(2)
    second.says.put_nowait(wire.GuideResponse(closed=wire.GuideClosed(code="ARRIVED")))

    code = await car.ended()

    assert code == "ARRIVED"
    assert second.heard[0].open.recommendation_id == "one"
    assert not second.heard[0].open.HasField("wish")
    assert not west.streams
    assert (await city.trips.find("one")).closed == "ARRIVED"


async def test_what_a_district_refuses_is_told_to_the_car(city: HandCity) -> None:
    """With its own words, at once."""
    car = wish(city)
    stream = await city.districts["east"].stream()
    stream.says.put_nowait(broken(grpc.StatusCode.INVALID_ARGUMENT))

    await car.ended()

    assert isinstance(car.error, Relayed)
    assert car.error.status.code is grpc.StatusCode.INVALID_ARGUMENT
    assert len(city.districts["east"].streams) == 1
