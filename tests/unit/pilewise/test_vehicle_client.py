"""A car's client over a real server: one request one claim, and guidance that outlives a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from pilewise import VehicleClient
from pilewise.v1 import charging_service_pb2 as pb
from pilewise.v1 import charging_service_pb2_grpc as rpc


class Breaking(rpc.ChargingServiceServicer):
    """Breaks the first call of each kind; remembers what it was told."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.streams: list[list[pb.GuideRequest]] = []

    async def Recommend(
        self, request: pb.RecommendRequest, context: grpc.aio.ServicerContext
    ) -> pb.RecommendResponse:
        self.requests.append(request.request_id)
        if len(self.requests) == 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone for a moment")
        return pb.RecommendResponse(promise=pb.Promise(recommendation_id="r", revision=1))

    async def Guide(
        self, requests: AsyncIterator[pb.GuideRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.GuideResponse]:
        heard: list[pb.GuideRequest] = []
        self.streams.append(heard)
        async for request in requests:
            heard.append(request)
            if request.HasField("open"):
                yield pb.GuideResponse(promise=pb.Promise(recommendation_id="r", revision=2))
            if request.HasField("arrived"):
                if len(self.streams) == 1:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "gone for a moment")
                yield pb.GuideResponse(closed=pb.GuideClosed(code="ARRIVED"))
                return


@pytest.fixture
async def served() -> AsyncIterator[tuple[Breaking, VehicleClient]]:
    """The breaking server and a car that talks to it."""
    server, servicer = grpc.aio.server(), Breaking()
    rpc.add_ChargingServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    profile = pb.VehicleProfile(battery_kwh=60)
    async with VehicleClient(f"127.0.0.1:{port}", "EV-1", profile) as car:
        yield servicer, car
    await server.stop(None)


async def test_a_request_is_sent_again_with_its_own_id(
    served: tuple[Breaking, VehicleClient],
) -> None:
    """A broken link costs a second try of the same request, never a second request."""
    servicer, car = served

    answer = await car.recommend(car.request(22.0, 22.5, 114.0))

    assert answer.promise.recommendation_id == "r"
    assert len(servicer.requests) == 2
    assert len(set(servicer.requests)) == 1


async def test_guidance_goes_on_in_a_new_stream(served: tuple[Breaking, VehicleClient]) -> None:
    """After a break the newest revision is named, and the arrival is said again."""
    servicer, car = served
    guidance = car.guide(pb.Promise(recommendation_id="r", revision=1))
    guidance.arrived("A-01*1")

    async with asyncio.timeout(60):
        events = [event.WhichOneof("message") async for event in guidance]

    assert events[-1] == "closed"
    first, second = servicer.streams
    assert first[0].open.known_revision == 1
    assert second[0].open.known_revision == 2
    assert any(request.arrived.evse_id == "A-01*1" for request in second)


async def test_a_car_asks_once_per_crossing(served: tuple[Breaking, VehicleClient]) -> None:
    """The threshold says yes when the charge falls below it, and again only after it rose."""
    _, car = served

    asked = [car.should_ask(soc) for soc in (25.0, 20.0, 19.9, 15.0, 30.0, 10.0)]

    assert asked == [False, False, True, False, False, True]
