"""The stream of a guidance: slow readers, resuming, beats, hanging up; and doing without one."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from served_brain import HERE, KM_LAT, ServedBrain, asking, serve_brain, station

from coordinator.core.areas.ledger import Moment
from coordinator.core.pile import EvseStatus
from coordinator.rpc import guide_beat
from pilewise import VehicleClient
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import types_pb2 as nouns

DEADLINE_S = 60.0
# What a phone with little memory takes in ahead of its reader, bytes.
SMALL_WINDOW = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 16_384))
TWO = ("B-1*1", "A-1*1")


async def opened(served: ServedBrain, name: str, known_revision: int = 0) -> object:
    """A guidance of this promise."""
    call = served.client.Guide()
    opening = wire.GuideOpen(recommendation_id=name, known_revision=known_revision)
    await call.write(wire.GuideRequest(open=opening))
    return call


async def next_of(call: object, kind: str) -> wire.GuideResponse:
    """The next message of this kind."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            message = await call.read()  # type: ignore[attr-defined]
            assert message is not grpc.aio.EOF
            if message.WhichOneof("message") == kind:
                return message


async def recommended(served: ServedBrain, car: str = "car-1") -> str:
    return str((await served.client.Recommend(asking(car))).promise.recommendation_id)


@pytest.mark.slow
async def test_a_reader_that_is_slow_gets_the_newest_revision_only() -> None:
    """What lies between is passed over: nothing piles up for a car that does not read."""
    async with (
        serve_brain([station("A", 2.0), station("B", 3.0)]) as served,
        grpc.aio.insecure_channel(served.target, options=SMALL_WINDOW) as channel,
    ):
        name = await recommended(served)
        call = rpc.ChargingServiceStub(channel).Guide()
        opening = wire.GuideOpen(recommendation_id=name)
        await call.write(wire.GuideRequest(open=opening))
        await next_of(call, "promise")

        for turn in range(300):
            await served.client.Confirm(
                wire.ConfirmRequest(recommendation_id=name, evse_id=TWO[turn % 2])
            )
        read = [(await next_of(call, "promise")).promise.revision]
        while read[-1] < 301:
            read.append((await next_of(call, "promise")).promise.revision)

        assert read == sorted(set(read))
        assert len(read) < 200


async def test_a_guidance_is_resumed_by_its_recommendation() -> None:
    """A new stream begins with the promise as it stands, whatever the old one has missed."""
    async with serve_brain([station("A", 2.0), station("B", 3.0)]) as served:
        name = await recommended(served)
        call = await opened(served, name)
        first = (await next_of(call, "promise")).promise
        call.cancel()  # type: ignore[attr-defined]

        served.see("A-1*1", EvseStatus.OUTOFORDER)
        async with asyncio.timeout(DEADLINE_S):
            while served.brain.promises.get(name).answer.revision == first.revision:  # type: ignore[union-attr]
                await asyncio.sleep(0.01)
        again = (await next_of(await opened(served, name, first.revision), "promise")).promise

        assert again.revision == first.revision + 1
        assert (again.change.code, again.choice.evse.evse_id) == ("PILE_FAILED", "B-1*1")


async def test_a_car_that_hangs_up_keeps_its_place_and_leaves_nothing_behind() -> None:
    """The stream's tasks end; the hold goes on until it is released or lapses."""
    async with serve_brain([station("A", 2.0)]) as served:
        name = await recommended(served)
        call = await opened(served, name)
        await next_of(call, "promise")

        call.cancel()  # type: ignore[attr-defined]
        async with asyncio.timeout(DEADLINE_S):
            while any(task.get_name() == "coordinator:guide" for task in asyncio.all_tasks()):
                await asyncio.sleep(0.01)

        assert [c.evse_id for c in served.brain.claims.table.live()] == ["A-1*1"]


async def test_a_quiet_guidance_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """A car that hears nothing else hears that the stream stands, and how often to report."""
    monkeypatch.setattr(guide_beat, "BEAT_S", 0.05)
    async with serve_brain([station("A", 2.0)]) as served:
        call = await opened(served, await recommended(served))
        await next_of(call, "promise")

        beats = [(await next_of(call, "beat")).beat for _ in range(3)]

        assert {(b.report_every_s, b.report_every_m) for b in beats} == {(5.0, 200.0)}


async def test_a_car_without_a_stream_hears_each_revision_once() -> None:
    """UpdateProgress gives the newest revision to whoever does not have it, and the end."""
    profile = wire.VehicleProfile(battery_kwh=60)
    async with (
        serve_brain([station("A", 2.0), station("B", 3.0)]) as served,
        VehicleClient(served.target, "car-1", profile) as car,
    ):
        promise = (await served.client.Recommend(asking("car-1"))).promise
        await car.confirm(promise.recommendation_id)
        place = nouns.Position(latitude_deg=HERE[0] + 0.1 * KM_LAT, longitude_deg=HERE[1])
        here = wire.Progress(position=place, soc_pct=49.0)
        quiet = await car.update(promise, here)
        served.see("A-1*1", EvseStatus.OUTOFORDER)
        async with asyncio.timeout(DEADLINE_S):
            while not (news := await car.update(promise, here)).HasField("promise"):
                await asyncio.sleep(0.05)
        known = await car.update(news.promise, here)
        await car.release(promise.recommendation_id)
        ended = await car.update(news.promise)

        assert not quiet.HasField("promise")
        assert quiet.beat.report_every_s == 5.0
        assert news.promise.change.code == "PILE_FAILED"
        assert not known.HasField("promise")
        assert ended.closed.code == "RELEASED"


async def test_a_car_that_does_not_come_gives_its_turn_to_the_next() -> None:
    """A lease that runs out ends as a no-show, and the queue moves up."""
    async with serve_brain([station("A", 2.0)]) as served:
        late, waiting = await recommended(served, "car-1"), await recommended(served, "car-2")
        first, second = await opened(served, late), await opened(served, waiting)
        await next_of(first, "promise")
        assert (await next_of(second, "promise")).promise.choice.hold.queue_position == 1

        claim, _ = served.brain.claims.table.of_evse("A-1*1")
        lapsed = Moment(claim.lease_until_s + 1.0, served.brain.rerouter.moment().link_s)
        served.brain.promises.close_ended(await served.brain.claims.expire(lapsed))
        ended, turn = await next_of(first, "closed"), await next_of(second, "promise")

        assert ended.closed.code == "NO_SHOW"
        assert turn.promise.change.code == "YOUR_TURN"
        assert turn.promise.choice.hold.queue_position == 0
