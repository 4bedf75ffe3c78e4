"""What cars that wait for the same EVSE are told, through a real grpc server."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from served_brain import ServedBrain, asking, serve_brain, station

from coordinator.core.areas.ledger import ClaimState
from coordinator.core.pile import EvseStatus
from coordinator.usecases import inputs
from coordinator.usecases.composing import answers
from coordinator.usecases.retelling import retell, same
from pilewise.v1 import charging_service_pb2 as wire

DEADLINE_S = 60.0


class Driver:
    """A car that follows its guidance."""

    def __init__(self, served: ServedBrain) -> None:
        self._call = served.client.Guide()
        self._served = served

    async def follow(self, car: str) -> wire.Promise:
        """Asks and opens the guidance; gives the first promise."""
        promise = (await self._served.client.Recommend(asking(car))).promise
        opening = wire.GuideOpen(recommendation_id=promise.recommendation_id)
        await self._call.write(wire.GuideRequest(open=opening))
        return await self.promise()

    async def arrive(self) -> None:
        """Says that it is there, and waits until that is known."""
        known = [p.arrived_link_s for p in self._served.brain.promises.open()]
        await self._call.write(wire.GuideRequest(arrived=wire.GuideArrived()))
        async with asyncio.timeout(DEADLINE_S):
            while known == [p.arrived_link_s for p in self._served.brain.promises.open()]:
                await asyncio.sleep(0.01)

    async def promise(self) -> wire.Promise:
        """The next promise."""
        return (await self._next("promise")).promise

    async def end(self) -> str:
        """The code with which the guidance ends."""
        return (await self._next("closed")).closed.code

    async def _next(self, kind: str) -> wire.GuideResponse:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = await self._call.read()
                assert message is not grpc.aio.EOF
                if message.WhichOneof("message") == kind:
                    return message


@pytest.mark.slow
@pytest.mark.parametrize("stood_first", [False, True], ids=["at-once", "stood-in-the-bay"])
async def test_a_queued_car_that_plugs_in_early_takes_the_place_of_the_one_before_it(
    stood_first: bool,
) -> None:
    """The holder is told that the pile was taken, never that a parked car blocks it."""
    async with serve_brain([station("A", 2.0)]) as served:
        holder, queued = Driver(served), Driver(served)
        await holder.follow("car-1")
        assert (await queued.follow("car-2")).choice.hold.queue_position == 1
        await queued.arrive()
        assert {c.state for c in served.brain.claims.table.live()} == {ClaimState.CONFIRMED}

        if stood_first:
            served.see("A-1*1", EvseStatus.BLOCKED)
        served.see("A-1*1", EvseStatus.CHARGING)
        revised = await holder.promise()
        ended = await queued.end()

        assert revised.change.code == "PILE_TAKEN"
        assert ended == "ARRIVED"
        held = {c.vehicle_id: c.state for c in served.brain.claims.table.live()}
        assert held == {"car-2": ClaimState.OCCUPIED}


async def test_the_holder_that_has_arrived_keeps_its_place_before_one_that_waits() -> None:
    """Where both stand there, the plug-in is the holder's."""
    async with serve_brain([station("A", 2.0)]) as served:
        holder, queued = Driver(served), Driver(served)
        await holder.follow("car-1")
        await queued.follow("car-2")
        await queued.arrive()
        await holder.arrive()

        served.see("A-1*1", EvseStatus.CHARGING)

        assert await holder.end() == "ARRIVED"
        held = {c.vehicle_id: c.state for c in served.brain.claims.table.live()}
        assert held == {"car-1": ClaimState.OCCUPIED, "car-2": ClaimState.CONFIRMED}


async def test_cars_in_a_queue_are_told_when_the_one_before_them_has_left() -> None:
    """The next one hears that it is its turn, the one after it how many are left."""
    async with serve_brain([station("A", 2.0)]) as served:
        first, second, third = Driver(served), Driver(served), Driver(served)
        await first.follow("car-1")
        await second.follow("car-2")
        assert (await third.follow("car-3")).choice.hold.queue_position == 2
        await first.arrive()
        served.see("A-1*1", EvseStatus.CHARGING)
        await first.end()

        served.see("A-1*1", EvseStatus.AVAILABLE)
        turn, moved = await second.promise(), await third.promise()

        assert (turn.change.code, moved.change.code) == ("YOUR_TURN", "QUEUE_MOVED")
        assert (turn.choice.hold.queue_position, moved.choice.hold.queue_position) == (0, 1)
        assert (turn.revision, turn.choice.wait_s.p50) == (2, 0)
        assert turn.change.text == "A-1: it is your turn"
        assert moved.change.text == "A-1: 1 car is still before you"


async def test_a_queue_moves_up_when_the_one_before_gives_its_place_back() -> None:
    """A released place is the next car's, and it is told at once."""
    async with serve_brain([station("A", 2.0)]) as served:
        holder, queued = Driver(served), Driver(served)
        promise = await holder.follow("car-1")
        await queued.follow("car-2")

        await served.client.Release(
            wire.ReleaseRequest(recommendation_id=promise.recommendation_id)
        )

        assert (await queued.promise()).change.code == "YOUR_TURN"


async def test_an_answer_that_moved_up_can_be_told_again_word_for_word() -> None:
    """The news, what is left of the wait, and alternatives compared with the place as it is now."""
    async with serve_brain([station("A", 2.0), station("B", 30.0)]) as served:
        holder, queued = Driver(served), Driver(served)
        promise = await holder.follow("car-1")
        before = await queued.follow("car-2")
        assert before.choice.evse.evse_id == promise.choice.evse.evse_id
        released = wire.ReleaseRequest(recommendation_id=promise.recommendation_id)
        await served.client.Release(released)
        moved = await queued.promise()
        kept = await served.brain.claims.answer(moved.recommendation_id)

    assert kept is not None
    answer, stored = answers.decode(kept.answer), inputs.unpack(kept.inputs)
    assert answer.change is not None
    assert answer.change.code == "YOUR_TURN"
    assert stored is not None
    assert stored.said is not None
    assert same(retell(answer, stored.said), answer)
    differences = [old.alternatives[0].difference.duration_s for old in (before, moved)]
    assert differences[1] > differences[0]
