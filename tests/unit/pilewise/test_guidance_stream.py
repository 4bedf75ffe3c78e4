"""A drive outlives its stream: silence, breaks and slow links, over a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from pilewise import VehicleClient
from pilewise.guidance import Guidance
from pilewise.v1 import charging_service_pb2 as pb
from pilewise.v1 import charging_service_pb2_grpc as rpc

DEADLINE_S = 60.0
PROMISE = pb.Promise(recommendation_id="r", revision=1)


class Scripted(rpc.ChargingServiceServicer):
    """Each stream does what the next entry of the script says."""

    def __init__(self, *script: str) -> None:
        self.script = list(script)
        self.streams: list[list[pb.GuideRequest]] = []
        self.heard = asyncio.Event()

    async def Guide(
        self, requests: AsyncIterator[pb.GuideRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.GuideResponse]:
        heard: list[pb.GuideRequest] = []
        self.streams.append(heard)
        doing = self.script.pop(0)
        yield pb.GuideResponse(beat=pb.GuideBeat(report_every_s=7.0))
        async for request in requests:
            heard.append(request)
            self.heard.set()
            if doing == "break" and len(heard) > 1:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "gone for a moment")
            if doing == "refuse":
                await context.abort(grpc.StatusCode.NOT_FOUND, "no such recommendation")
            if doing == "close" or (doing == "close second" and len(heard) > 1):
                yield pb.GuideResponse(promise=pb.Promise(recommendation_id="r", revision=4))
                yield pb.GuideResponse(closed=pb.GuideClosed(code="ARRIVED"))
                return


@pytest.fixture
async def server() -> AsyncIterator[grpc.aio.Server]:
    made = grpc.aio.server()
    yield made
    await made.stop(None)


async def following(
    server: grpc.aio.Server, servicer: rpc.ChargingServiceServicer
) -> tuple[VehicleClient, Guidance]:
    """A car that follows a promise of this server."""
    rpc.add_ChargingServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    car = VehicleClient(f"127.0.0.1:{port}", "EV-1", pb.VehicleProfile(battery_kwh=60))
    return car, car.guide(PROMISE)


async def followed(guidance: Guidance) -> list[str]:
    """The kinds of its events, to the end."""
    async with asyncio.timeout(DEADLINE_S):
        return [str(event.WhichOneof("message")) async for event in guidance]


async def test_a_silent_link_is_given_up_and_opened_anew(server: grpc.aio.Server) -> None:
    """Where nothing at all came for so long the link is broken, whatever TCP thinks of it."""
    servicer = Scripted("silent", "close")
    car, _ = await following(server, servicer)
    guidance = Guidance(car._stub, PROMISE, silence_s=0.2)
    guidance.progress(22.5, 114.0, 40.0)

    async with car:
        events = await followed(guidance)

    assert events == ["promise", "closed"]
    assert len(servicer.streams) == 2
    assert servicer.streams[1][0].open.progress.soc_pct == 40.0
    assert guidance.promise.revision == 4
    assert guidance.report_every_s == 7.0


async def test_a_decision_that_may_be_lost_is_said_again(server: grpc.aio.Server) -> None:
    """Until a newer revision comes, a new stream begins with what the driver decided."""
    servicer = Scripted("break", "close second")
    car, guidance = await following(server, servicer)
    guidance.decide(1, False)

    async with car:
        await followed(guidance)

    decisions = [
        request.decision for request in servicer.streams[1][:2] if request.HasField("decision")
    ]
    assert [(d.revision, d.accepted) for d in decisions] == [(1, False)]


async def test_what_no_new_stream_can_mend_is_raised(server: grpc.aio.Server) -> None:
    """An unknown recommendation is not asked for again and again."""
    servicer = Scripted("refuse")
    car, guidance = await following(server, servicer)

    async with car:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await followed(guidance)

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert len(servicer.streams) == 1


async def test_positions_that_could_not_be_sent_give_way_to_the_newest(
    server: grpc.aio.Server,
) -> None:
    """A thousand positions while there is no stream become one."""
    servicer = Scripted("close")
    car, guidance = await following(server, servicer)
    for soc_pct in range(1000, 0, -1):
        guidance.progress(22.5, 114.0, soc_pct / 10)

    async with car:
        await followed(guidance)

    (heard,) = servicer.streams
    assert heard[0].open.progress.soc_pct == pytest.approx(0.1)


async def test_a_stopped_drive_ends_its_stream(server: grpc.aio.Server) -> None:
    """The iteration ends at once, and no further stream is opened."""
    servicer = Scripted("silent")
    car, guidance = await following(server, servicer)

    async with car:
        following_it = asyncio.create_task(followed(guidance))
        await asyncio.wait_for(servicer.heard.wait(), DEADLINE_S)
        guidance.stop()
        events = await following_it

    assert events == []
    assert len(servicer.streams) == 1


class Offering(rpc.ChargingServiceServicer):
    """Offers a place, and makes it the promise once it was accepted."""

    async def Guide(
        self, requests: AsyncIterator[pb.GuideRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.GuideResponse]:
        offer = pb.Promise(recommendation_id="r", revision=2)
        offer.accept_before.GetCurrentTime()
        async for request in requests:
            if request.HasField("open"):
                yield pb.GuideResponse(promise=offer)
            if request.decision.accepted:
                yield pb.GuideResponse(promise=pb.Promise(recommendation_id="r", revision=3))
                yield pb.GuideResponse(closed=pb.GuideClosed(code="ARRIVED"))
                return


async def test_an_offer_is_no_promise_before_it_comes_back(server: grpc.aio.Server) -> None:
    """While the driver thinks the car goes on as before; what was accepted then stands."""
    car, guidance = await following(server, Offering())
    seen = []

    async with car, asyncio.timeout(DEADLINE_S):
        async for event in guidance:
            offer = guidance.offer
            seen.append((guidance.promise.revision, offer and offer.revision))
            if event.promise.HasField("accept_before"):
                guidance.decide(event.promise.revision, True)

    assert seen == [(1, 2), (3, None), (3, None)]
