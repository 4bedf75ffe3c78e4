"""What a city asks of its districts is bounded: names that nobody knows, and calls under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from hand_districts import HandCity, promise, refused, until

from coordinator.config_city import CitySection
from coordinator.errors import NotFound, Overloaded
from coordinator.rpc.city import trips as lookups
from coordinator.rpc.city.link import DistrictLink
from coordinator.rpc.city.trips import ASKED_AT_ONCE, UNKNOWN_S
from coordinator.usecases.refusals import DistrictAway
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import district_service_pb2 as district


@pytest.fixture
async def city() -> AsyncIterator[HandCity]:
    """Two districts by hand that know no promise."""
    opened = HandCity("south", "north")
    for one in opened.districts.values():
        one.answers["GetPromise"] = refused()
    yield opened
    await opened.close()


def asked(city: HandCity) -> list[int]:
    """How often each district was asked for a promise."""
    return [len(one.calls["GetPromise"]) for one in city.districts.values()]


async def test_a_name_that_nobody_knows_is_asked_for_once(city: HandCity) -> None:
    """Again only after a while; then a district may know it."""
    for _ in range(5):
        with pytest.raises(NotFound):
            await city.trips.find("never-given")
    before = asked(city)
    city.ahead_s = UNKNOWN_S + 1.0
    city.districts["north"].answers["GetPromise"] = district.GetPromiseResponse(
        promise=promise("never-given", "claim-1"), vehicle_id="car-1", request_id="r-1"
    )

    found = await city.trips.find("never-given")

    assert before == [1, 1]
    assert asked(city) == [2, 2]
    assert found.district == "north"


async def test_a_district_that_is_away_leaves_the_name_open(city: HandCity) -> None:
    """It may know it, so it is asked each time."""
    city.districts["north"].answers["GetPromise"] = DistrictAway("north", "by hand")
    for _ in range(3):
        with pytest.raises(DistrictAway):
            await city.trips.find("perhaps")

    assert asked(city) == [3, 3]


async def test_a_request_that_was_answered_meanwhile_is_known_at_once(city: HandCity) -> None:
    """What was not known before does not hide it."""
    with pytest.raises(NotFound):
        await city.trips.find_request("request-one")
    city.trip("one", "south")

    assert (await city.trips.find_request("request-one")).recommendation_id == "one"


async def test_a_flood_of_names_is_asked_a_few_at_a_time(
    city: HandCity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others wait for their turn; beyond the limit they are refused as retryable, unasked."""
    monkeypatch.setattr(lookups, "ASKED_MOST", 100)
    go, at_once, most = asyncio.Event(), 0, 0

    async def slow(request: Any) -> Any:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await go.wait()
        at_once -= 1
        return refused()

    for one in city.districts.values():
        one.answers["GetPromise"] = slow
    tasks = [asyncio.create_task(city.trips.find(f"guess-{n}")) for n in range(150)]
    for _ in range(10):
        await asyncio.sleep(0)
    go.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)

    kinds = [type(error) for error in ended]
    assert (kinds.count(NotFound), kinds.count(Overloaded)) == (100, 50)
    assert most == 2 * ASKED_AT_ONCE
    assert asked(city) == [100, 100]


async def test_one_name_asked_for_by_many_is_asked_once() -> None:
    """They share the answer."""
    city = HandCity("south")
    city.districts["south"].answers["GetPromise"] = district.GetPromiseResponse(
        promise=promise("one", "claim-1"), vehicle_id="car-1", request_id="r-1"
    )

    found = await asyncio.gather(*(city.trips.find("one") for _ in range(20)))

    assert asked(city) == [1]
    assert all(one is found[0] for one in found)


async def test_calls_beyond_the_limit_of_a_district_are_withheld() -> None:
    """It is told as away, at once and unasked; when a call ends there is room again."""
    link = DistrictLink("south", "127.0.0.1:1", CitySection(calls_at_once=2), lambda: 0.0)
    go, calls = asyncio.Event(), []

    async def slow(request: Any, **options: Any) -> wire.ReleaseResponse:
        calls.append(request)
        await go.wait()
        return wire.ReleaseResponse(released=True)

    link._charging = SimpleNamespace(Release=slow)  # type: ignore[assignment]
    request = wire.ReleaseRequest(recommendation_id="one")
    under_way = [asyncio.create_task(link.pass_on("Release", request)) for _ in range(2)]
    await until("two are under way", lambda: len(calls) == 2)
    with pytest.raises(DistrictAway):
        await link.pass_on("Release", request)
    seen = len(calls), link.withheld
    go.set()
    await asyncio.gather(*under_way)
    answer = await link.pass_on("Release", request)
    await link.close()

    assert seen == (2, 1)
    assert answer.released
