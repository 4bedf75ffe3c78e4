"""A city answers cars from several districts; who does not answer is named, and left out."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from served_brain import station
from small_city import SmallCity, open_city
from small_town import CALL_S

from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import district_service_pb2 as district
from pilewise.v1 import district_service_pb2_grpc as district_rpc

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SOUTH = [station("A", 1.0), station("C", 2.0)]
NORTH = [station("B", 6.0, evse_count=2)]


@pytest.fixture
async def city(tmp_path: Path) -> AsyncIterator[SmallCity]:
    """Two districts, south and north of each other; generous with time."""
    async with open_city(
        tmp_path, {"south": SOUTH, "north": NORTH}, find_s=20.0, call_s=20.0
    ) as opened:
        yield opened


async def test_one_answer_out_of_two_districts(city: SmallCity) -> None:
    """The nearest place is held by its own district; the other's are alternatives with a price
    in time; the same request again is the same promise."""
    first = await city.ask("car-1")
    again = await city.ask("car-1")

    promise = first.promise
    assert promise.choice.evse.evse_id == "A-1*1"
    assert promise.district_id == "south"
    assert not first.unanswered_district_ids
    assert {"B-1*1", "C-1*1"} <= {one.evse.evse_id for one in promise.alternatives}
    far = next(one for one in promise.alternatives if one.evse.station_id == "B")
    assert far.difference.duration_s > 0.0
    assert far.difference.text
    assert [one.rank for one in promise.alternatives] == list(
        range(2, len(promise.alternatives) + 2)
    )
    assert again.promise == promise
    assert await city.held() == {"south": ["A-1*1"], "north": []}


async def test_a_full_district_leaves_the_car_to_the_next(city: SmallCity) -> None:
    """Cars fill the south one by one; then the north takes them, each to a place of its own."""
    answers = [await city.ask(f"car-{number}") for number in range(4)]
    for answer in answers:
        request = wire.ConfirmRequest(recommendation_id=answer.promise.recommendation_id)
        await city.cars.Confirm(request, timeout=CALL_S)

    evses = [answer.promise.choice.evse.evse_id for answer in answers]
    owners = {answer.promise.choice.evse.evse_id: answer.promise.district_id for answer in answers}
    assert len(set(evses)) == 4
    assert owners == {"A-1*1": "south", "C-1*1": "south", "B-1*1": "north", "B-2*1": "north"}


async def test_an_alternative_of_another_district_is_confirmed_there(city: SmallCity) -> None:
    """New first, then old: the place in the north is held, then the one in the south is free."""
    promise = (await city.ask("car-1")).promise
    request = wire.ConfirmRequest(recommendation_id=promise.recommendation_id, evse_id="B-1*1")

    told = (await city.cars.Confirm(request, timeout=CALL_S)).promise

    assert told.recommendation_id == promise.recommendation_id
    assert told.revision > promise.revision
    assert told.district_id == "north"
    assert told.change.code == "DRIVER_CHOICE"
    await city.settled(north=["B-1*1"], south=[])


async def test_a_new_request_ends_what_was_held_elsewhere(city: SmallCity) -> None:
    """An offer in the south ends when the car, now in the north, is offered a place there; a firm
    promise ends once the new one is firm."""
    await city.ask("car-1")
    second = await city.ask("car-1", 2, north_km=5.0)
    await city.settled(south=[], north=[second.promise.choice.evse.evse_id])
    await city.cars.Confirm(
        wire.ConfirmRequest(recommendation_id=second.promise.recommendation_id), timeout=CALL_S
    )
    third = await city.ask("car-1", 3)
    held = await city.held()
    await city.cars.Confirm(
        wire.ConfirmRequest(recommendation_id=third.promise.recommendation_id), timeout=CALL_S
    )

    assert held["north"] == [second.promise.choice.evse.evse_id]
    assert held["south"] == ["A-1*1"]
    await city.settled(south=["A-1*1"], north=[])


async def test_following_a_promise_that_has_lapsed_frees_nothing(city: SmallCity) -> None:
    """The car hears that it has ended; the firm place that it has in the other district stands."""
    firm = (await city.ask("car-1")).promise
    await city.cars.Confirm(
        wire.ConfirmRequest(recommendation_id=firm.recommendation_id), timeout=CALL_S
    )
    second = (await city.ask("car-1", 2, north_km=5.0)).promise
    async with grpc.aio.insecure_channel(city.towns["north"].process.address) as channel:
        await district_rpc.DistrictServiceStub(channel).Release(
            district.DistrictServiceReleaseRequest(claim_id=second.choice.hold.claim_id),
            timeout=CALL_S,
        )

    opening = wire.GuideOpen(recommendation_id=second.recommendation_id)
    guided = city.cars.Guide(timeout=CALL_S)
    await guided.write(wire.GuideRequest(open=opening))
    codes = [one.closed.code async for one in guided if one.HasField("closed")]
    async with asyncio.timeout(CALL_S):
        while any(one.unsettled_count for one in (await city.districts()).values()):
            await asyncio.sleep(0.05)

    assert second.district_id == "north"
    assert codes == ["RELEASED"]
    assert await city.held() == {"south": ["A-1*1"], "north": []}


async def test_a_city_that_has_forgotten_asks_its_districts(city: SmallCity) -> None:
    """After a kill the same request gets the same promise, and its name still leads to it."""
    before = (await city.ask("car-1")).promise
    await city.cars.Confirm(
        wire.ConfirmRequest(recommendation_id=before.recommendation_id), timeout=CALL_S
    )

    await city.restart()
    await city.see(south=True, north=True)
    named = await city.cars.GetRecommendation(
        wire.GetRecommendationRequest(recommendation_id=before.recommendation_id), timeout=CALL_S
    )
    await city.restart()
    await city.see(south=True, north=True)
    again = (await city.ask("car-1")).promise
    released = await city.cars.Release(
        wire.ReleaseRequest(recommendation_id=before.recommendation_id), timeout=CALL_S
    )

    assert named.promise.choice.hold.claim_id == before.choice.hold.claim_id
    assert again.recommendation_id == before.recommendation_id
    assert again.district_id == "south"
    assert released.released
    assert await city.held() == {"south": [], "north": []}


async def test_an_unknown_promise_is_not_found(city: SmallCity) -> None:
    """Once every district has said so."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await city.cars.Confirm(
            wire.ConfirmRequest(recommendation_id="never-given"), timeout=CALL_S
        )

    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_stations_of_all_districts_come_in_pages(city: SmallCity) -> None:
    """Each page is one district's; the last token is empty."""
    box = wire.BoundingBox(south_deg=22.0, west_deg=113.0, north_deg=23.0, east_deg=115.0)
    seen, token = [], ""
    for _ in range(6):
        request = wire.ListStationsRequest(box=box)
        request.page.page_size, request.page.page_token = 1, token
        page = await city.cars.ListStations(request, timeout=CALL_S)
        seen += [one.station.station_id for one in page.stations]
        token = page.next_page_token
        if not token:
            break

    assert sorted(seen) == ["A", "B", "C"]
    assert token == ""


async def test_a_district_that_is_gone_is_named_and_left_out(city: SmallCity) -> None:
    """The others answer, and the car is told which district's piles are not among these."""
    await city.towns["south"].process.kill()
    await city.see(south=False)

    answer = await city.ask("car-1")

    assert answer.promise.district_id == "north"
    assert list(answer.unanswered_district_ids) == ["south"]
    assert "DISTRICT_UNANSWERED" in answer.promise.degraded_reasons
    state = (await city.districts())["south"]
    assert state.why
    assert state.failed_count + state.withheld_count >= 1


async def test_no_district_left_says_so_and_when_to_come_back(city: SmallCity) -> None:
    """UNAVAILABLE, never an answer without a place to go to."""
    for name in ("south", "north"):
        await city.towns[name].process.kill()
    await city.see(south=False, north=False)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await city.ask("car-1")

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "CITY-001" in str(refused.value.trailing_metadata())


async def test_a_slow_district_does_not_hold_the_answer(tmp_path: Path) -> None:
    """A district that is stopped has its time, and no more; then it is left out by the breaker."""
    async with open_city(tmp_path, {"south": SOUTH, "north": NORTH}, find_s=4.0) as city:
        await city.ask("car-0", north_km=5.0)
        south = city.towns["south"].process
        south.signal(signal.SIGSTOP)
        try:
            first = await city.ask("car-1")
            async with asyncio.timeout(300):
                number = 2
                while not (await city.districts())["south"].withheld_count:
                    answer = await city.ask(f"car-{number % 2}", number)
                    assert list(answer.unanswered_district_ids) == ["south"]
                    number += 1
        finally:
            south.signal(signal.SIGCONT)
        await city.see(south=True)
        async with asyncio.timeout(300):
            number = 1_000
            while (await city.ask("car-9", number)).unanswered_district_ids:
                number += 1

        assert first.promise.district_id == "north"
        assert list(first.unanswered_district_ids) == ["south"]
