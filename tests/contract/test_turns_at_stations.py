"""A car that waits at a station is sent to whichever of its plugs is free first, over real grpc."""

from __future__ import annotations

import asyncio

import grpc
from served_brain import ServedBrain, asking, serve_brain, station

from coordinator.core.pile import EvseStatus
from pilewise.v1 import charging_service_pb2 as wire

DEADLINE_S = 60.0


async def test_waiting_car_is_told_when_another_plug_of_its_station_is_free() -> None:
    """Strangers have both plugs; the car waits for one, the other is free, and it is its turn."""
    async with serve_brain([station("A", 2.0, 2)]) as served:
        for evse_id in ("A-1*1", "A-2*1"):
            served.see(evse_id, EvseStatus.CHARGING)
        call = served.client.Guide()
        first = await opened(served, call, "car-1")
        waits_at = first.choice.evse.evse_id
        other = {"A-1*1": "A-2*1", "A-2*1": "A-1*1"}[waits_at]
        await call.write(wire.GuideRequest(arrived=wire.GuideArrived()))
        await known_to_stand(served)

        served.see(other, EvseStatus.AVAILABLE)
        revised = await promise(call)
        while revised.change.code != "YOUR_TURN":
            revised = await promise(call)

        assert revised.choice.evse.evse_id == revised.change.to_evse_id == other
        assert revised.choice.hold.queue_position == 0
        held = {c.evse_id for c in served.brain.claims.table.live() if c.vehicle_id}
        assert held == {other}


async def opened(served: ServedBrain, call: grpc.aio.StreamStreamCall, car: str) -> wire.Promise:
    """Asks and opens the guidance; gives the first promise."""
    asked = (await served.client.Recommend(asking(car))).promise
    opening = wire.GuideOpen(recommendation_id=asked.recommendation_id)
    await call.write(wire.GuideRequest(open=opening))
    return await promise(call)


async def promise(call: grpc.aio.StreamStreamCall) -> wire.Promise:
    """The next promise."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            message = await call.read()
            assert message is not grpc.aio.EOF
            if message.WhichOneof("message") == "promise":
                return message.promise


async def known_to_stand(served: ServedBrain) -> None:
    """Returns once the coordinator knows that the car has arrived."""
    async with asyncio.timeout(DEADLINE_S):
        while all(p.arrived_link_s == float("-inf") for p in served.brain.promises.open()):
            await asyncio.sleep(0.01)


async def test_car_that_stands_in_its_bay_keeps_its_plug() -> None:
    """The sensor sees it before the pile does: it is not sent to the plug of the car behind it."""
    async with serve_brain([station("A", 2.0, 2)]) as served:
        call, coming = served.client.Guide(), served.client.Guide()
        mine = (await opened(served, call, "car-1")).choice.evse.evse_id
        theirs = (await opened(served, coming, "car-2")).choice.evse.evse_id
        assert {mine, theirs} == {"A-1*1", "A-2*1"}
        await call.write(wire.GuideRequest(arrived=wire.GuideArrived()))
        await known_to_stand(served)

        served.see(mine, EvseStatus.BLOCKED)
        await served.brain.watchman.catch_up()

        held = {c.vehicle_id: c.evse_id for c in served.brain.claims.table.live() if c.vehicle_id}
        assert held == {"car-1": mine, "car-2": theirs}
