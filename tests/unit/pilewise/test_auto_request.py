"""A car that asks by itself: once per crossing of its threshold, safe against a second click."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilewise import VehicleClient
from pilewise.threshold import HYSTERESIS_PCT, Threshold
from pilewise.v1 import charging_service_pb2 as pb
from pilewise.v1 import charging_service_pb2_grpc as rpc

PLACE = (22.54, 114.05)


class Asked(rpc.ChargingServiceServicer):
    """Remembers the requests, answers when allowed, and refuses the first `refusals` of them."""

    def __init__(self) -> None:
        self.requests: list[pb.RecommendRequest] = []
        self.refusals = 0
        self.code = grpc.StatusCode.RESOURCE_EXHAUSTED
        self.came = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def Recommend(
        self, request: pb.RecommendRequest, context: grpc.aio.ServicerContext
    ) -> pb.RecommendResponse:
        self.requests.append(request)
        self.came.set()
        await self.may_answer.wait()
        if len(self.requests) <= self.refusals:
            await context.abort(self.code, "not now")
        return pb.RecommendResponse(promise=pb.Promise(recommendation_id=request.request_id))

    @property
    def ids(self) -> list[str]:
        """Ids of the requests, in order."""
        return [request.request_id for request in self.requests]


@pytest.fixture
async def served() -> AsyncIterator[tuple[Asked, VehicleClient]]:
    """The server and a car whose threshold is 20 %."""
    server, servicer = grpc.aio.server(), Asked()
    rpc.add_ChargingServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    profile = pb.VehicleProfile(battery_kwh=60)
    target = f"127.0.0.1:{port}"
    async with VehicleClient(target, "EV-1", profile, auto_request_below_pct=20.0) as car:
        yield servicer, car
    await server.stop(None)


async def test_car_sends_one_request_for_one_crossing(served: tuple[Asked, VehicleClient]) -> None:
    """A drive from 22 to 15 % that wavers at the threshold asks once, below it."""
    servicer, car = served

    answers = [await car.observe(soc, *PLACE) for soc in (22.0, 20.0, 19.9, 20.4, 19.8, 15.0)]

    assert [answer is not None for answer in answers] == [False, False, True, False, False, False]
    assert [request.soc_pct for request in servicer.requests] == [pytest.approx(19.9)]


async def test_car_asks_again_after_it_was_charged(served: tuple[Asked, VehicleClient]) -> None:
    """Charging resets the threshold; the next fall is a request of its own."""
    servicer, car = served

    for soc_pct in (19.0, 80.0, 19.0):
        await car.observe(soc_pct, *PLACE)

    assert len(set(servicer.ids)) == 2


async def test_second_click_before_the_answer_is_the_same_request(
    served: tuple[Asked, VehicleClient],
) -> None:
    """Two clicks, and the car's own trigger, send one request and get one answer."""
    servicer, car = served
    servicer.may_answer.clear()

    clicks = [asyncio.create_task(car.ask(19.0, *PLACE)) for _ in range(2)]
    clicks.append(asyncio.create_task(car.observe(19.0, *PLACE)))  # type: ignore[arg-type]
    await asyncio.wait_for(servicer.came.wait(), 60)
    servicer.may_answer.set()
    answers = await asyncio.gather(*clicks)

    assert len(servicer.requests) == 1
    assert {answer.promise.recommendation_id for answer in answers} == set(servicer.ids)


async def test_refused_request_is_repeated_with_its_own_id(
    served: tuple[Asked, VehicleClient],
) -> None:
    """A refusal does not use the crossing up, and the repeat makes no second claim."""
    servicer, car = served
    servicer.refusals = 1

    with pytest.raises(grpc.aio.AioRpcError):
        await car.observe(19.0, *PLACE)
    answer = await car.observe(18.9, *PLACE)

    assert answer is not None
    assert len(servicer.ids) == 2
    assert len(set(servicer.ids)) == 1


async def test_invalid_request_is_not_repeated_at_every_reading(
    served: tuple[Asked, VehicleClient],
) -> None:
    """What the server calls wrong stays wrong: the crossing is used up."""
    servicer, car = served
    servicer.refusals, servicer.code = 1, grpc.StatusCode.INVALID_ARGUMENT

    with pytest.raises(grpc.aio.AioRpcError):
        await car.observe(19.0, *PLACE)
    assert await car.observe(18.9, *PLACE) is None
    assert len(servicer.requests) == 1


@given(st.lists(st.floats(0.0, 100.0), max_size=60), st.floats(1.0, 99.0))
def test_threshold_never_says_yes_twice_without_a_charge_between(
    gauge: list[float], below_pct: float
) -> None:
    """Between two crossings the gauge was at the threshold and the hysteresis, or above."""
    threshold = Threshold(below_pct)
    highest = 100.0

    for soc_pct in gauge:
        highest = max(highest, soc_pct)
        if threshold.crossed(soc_pct):
            assert soc_pct < below_pct
            assert highest >= min(below_pct + HYSTERESIS_PCT, 100.0)
            highest = soc_pct
