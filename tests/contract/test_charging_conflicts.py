"""What may happen to a promise on the way, and the smallest thing that is done about it."""

from __future__ import annotations

import asyncio

import grpc
import msgspec
import pytest
from served_brain import HERE, KM_LAT, ServedBrain, asking, serve_brain, station

from coordinator.core.areas.ledger import ClaimState, Moment
from coordinator.core.pile import EvseStatus
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns

DEADLINE_S = 60.0


class Driver:
    """A car that follows its guidance."""

    def __init__(self, served: ServedBrain, car: str) -> None:
        self._served = served
        self._car = car
        self._call = served.client.Guide()

    async def follow(self, **wishes: object) -> wire.Promise:
        """Asks and opens the guidance; gives the first promise."""
        promise = (await self._served.client.Recommend(asking(self._car, **wishes))).promise
        opening = wire.GuideOpen(recommendation_id=promise.recommendation_id)
        await self._call.write(wire.GuideRequest(open=opening))
        return await self.promise()

    async def drive(self, north_km: float, soc_pct: float = 49.0) -> None:
        """Says where it is now, in km north of where it asked."""
        place = nouns.Position(latitude_deg=HERE[0] + north_km * KM_LAT, longitude_deg=HERE[1])
        progress = wire.Progress(position=place, soc_pct=soc_pct)
        await self._call.write(wire.GuideRequest(progress=progress))

    async def arrive(self) -> None:
        """Says that it is there."""
        await self._call.write(wire.GuideRequest(arrived=wire.GuideArrived()))

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


def listed(promise: wire.Promise) -> list[str]:
    return [other.evse.evse_id for other in promise.alternatives]


async def test_a_lost_alternative_is_told_without_a_change_of_the_promise() -> None:
    """The list is made anew, the place stays, and the change says that only the list has."""
    stations = [station("A", 2.0), station("B", 3.0), station("C", 4.0)]
    async with serve_brain(stations) as served:
        car = Driver(served, "car-1")
        before = await car.follow()

        served.see("B-1*1", EvseStatus.OUTOFORDER)
        after = await car.promise()

        assert listed(before) == ["B-1*1", "C-1*1"]
        assert listed(after) == ["C-1*1"]
        assert after.change.code == "LIST_UPDATED"
        assert after.choice.evse.evse_id == before.choice.evse.evse_id == "A-1*1"
        assert after.choice.hold.claim_id == before.choice.hold.claim_id
        assert after.revision == before.revision + 1


async def test_a_car_that_drives_past_is_given_a_place_on_its_way() -> None:
    """Further and further from its station, it is sent where it goes, with the reason."""
    async with serve_brain([station("A", 3.0), station("B", -4.0)]) as served:
        car = Driver(served, "car-1")
        first = await car.follow()
        await car.drive(-0.1)
        await car.drive(-2.5)

        moved = await car.promise()

        assert first.choice.evse.evse_id == "A-1*1"
        assert moved.change.code == "OFF_ROUTE"
        assert moved.choice.evse.evse_id == "B-1*1"


async def test_a_small_detour_changes_nothing() -> None:
    """Less than a kilometre the other way is no reason."""
    async with serve_brain([station("A", 3.0), station("B", -3.5)]) as served:
        car = Driver(served, "car-1")
        await car.follow()
        await car.drive(-0.1)
        await car.drive(-0.8)
        await served.brain.watchman.tick()

        (claim,) = served.brain.claims.table.live()
        assert claim.evse_id == "A-1*1"


async def test_a_car_that_will_be_late_is_told_its_new_arrival() -> None:
    """Where no place is better the promise stays, and its figures are those of now."""
    async with serve_brain([station("A", 8.0)]) as served:
        car = Driver(served, "car-1")
        first = await car.follow()
        (promise,) = served.brain.promises.open()
        long_ago_s = promise.answer.made_at_s - 1200.0
        promise.answer = msgspec.structs.replace(promise.answer, made_at_s=long_ago_s)

        await car.drive(0.1)
        late = await car.promise()

        assert late.change.code == "LATE"
        assert late.choice.evse.evse_id == "A-1*1"
        assert late.made_at.seconds >= first.made_at.seconds
        assert late.choice.eta_s.p50 == pytest.approx(first.choice.eta_s.p50, rel=0.05)


async def test_a_charge_that_does_not_reach_the_place_any_more_changes_it() -> None:
    """A car that used more than planned is sent to a place that it can reach."""
    async with serve_brain([station("A", 2.0), station("B", 20.0)]) as served:
        other = Driver(served, "car-0")
        await other.follow()
        car = Driver(served, "car-1")
        promise = (await served.client.Recommend(asking("car-1"))).promise
        name = promise.recommendation_id
        await served.client.Confirm(wire.ConfirmRequest(recommendation_id=name, evse_id="B-1*1"))
        await car._call.write(wire.GuideRequest(open=wire.GuideOpen(recommendation_id=name)))
        assert (await car.promise()).choice.evse.evse_id == "B-1*1"
        await served.brain.watchman.tick()

        await car.drive(0.3, soc_pct=2.5)
        for _ in range(3):
            (mine,) = [p for p in served.brain.promises.open() if p.recommendation_id == name]
            mine.course.made_link_s -= 60.0
        moved = await car.promise()

        assert moved.change.code == "SOC_LOW"
        assert moved.choice.evse.evse_id == "A-1*1"


async def test_a_walk_in_where_nothing_else_is_free_makes_a_queue_and_says_so() -> None:
    """The car keeps its turn, behind one, with the window in which it comes."""
    async with serve_brain([station("A", 2.0)]) as served:
        car = Driver(served, "car-1")
        before = await car.follow()

        served.see("A-1*1", EvseStatus.CHARGING)
        after = await car.promise()

        assert before.choice.hold.queue_position == 0
        assert after.change.code == "QUEUE_DELAYED"
        assert after.choice.hold.kind == wire.HOLD_KIND_SOFT
        assert after.choice.hold.queue_position == 1
        assert after.choice.wait_s.p90 > after.choice.wait_s.p50 > 600
        assert {reason.code for reason in after.choice.reasons}.isdisjoint({"FREE_NOW", "NO_WAIT"})


async def test_a_walk_in_that_leaves_gives_the_turn_back() -> None:
    """The car that waited behind it is told that it is its turn."""
    async with serve_brain([station("A", 2.0)]) as served:
        car = Driver(served, "car-1")
        await car.follow()
        served.see("A-1*1", EvseStatus.CHARGING)
        await car.promise()

        served.see("A-1*1", EvseStatus.AVAILABLE)
        turn = await car.promise()

        assert turn.change.code == "YOUR_TURN"
        assert turn.choice.hold.queue_position == 0
        assert turn.choice.wait_s.p50 == 0


async def occupied(served: ServedBrain, car: str) -> None:
    """A car that charges at its place."""
    driver = Driver(served, car)
    await driver.follow()
    await driver.arrive()
    async with asyncio.timeout(DEADLINE_S):
        while all(p.arrived_link_s < 0 for p in served.brain.promises.open()):
            await asyncio.sleep(0.01)
    served.see("A-1*1", EvseStatus.CHARGING)
    assert await driver.end() == "ARRIVED"


async def overstay(served: ServedBrain) -> None:
    """The car that charges should be gone by now, and is not."""
    (claim,) = [c for c in served.brain.claims.table.live() if c.state is ClaimState.OCCUPIED]
    link_s = served.brain.rerouter.moment().link_s
    await served.brain.watchman._stays.look(Moment(claim.to_s + 1.0, link_s))


async def test_an_overstay_puts_those_behind_off_and_tells_them_how_long() -> None:
    """The wait grows by what the other stays, with p90 beyond p50; nobody is moved in vain."""
    async with serve_brain([station("A", 2.0)]) as served:
        await occupied(served, "car-1")
        waiting = Driver(served, "car-2")
        before = await waiting.follow()

        await overstay(served)
        after = await waiting.promise()

        assert after.change.code == "QUEUE_DELAYED"
        assert after.choice.hold.queue_position == before.choice.hold.queue_position == 1
        assert after.choice.wait_s.p50 > 0
        assert after.choice.wait_s.p90 > after.choice.wait_s.p50
        claims = served.brain.claims.table.of_evse("A-1*1")
        assert claims[0].to_s <= claims[1].from_s


async def test_an_overstay_moves_who_is_behind_where_it_is_clearly_better() -> None:
    """Where another place is free by now, the car goes there instead of waiting longer."""
    async with serve_brain([station("A", 2.0), station("B", 2.5)]) as served:
        await occupied(served, "car-1")
        served.see("B-1*1", EvseStatus.OUTOFORDER)
        waiting = Driver(served, "car-2")
        assert (await waiting.follow()).choice.evse.evse_id == "A-1*1"
        served.see("B-1*1", EvseStatus.AVAILABLE)
        await waiting.drive(1.8)
        assert (await waiting.promise()).stage == wire.STAGE_PILE

        await overstay(served)
        moved = await waiting.promise()

        assert moved.change.code == "OVERSTAY"
        assert moved.choice.evse.evse_id == "B-1*1"
        assert moved.choice.hold.queue_position == 0


async def test_a_repaired_pile_is_given_at_once_to_a_car_without_a_place() -> None:
    """Nobody waits for the next look when something has become free."""
    async with serve_brain([station("A", 2.0)]) as served:
        car = Driver(served, "car-1")
        await car.follow()
        served.see("A-1*1", EvseStatus.OUTOFORDER)
        assert (await car.promise()).choice.hold.reason_code == "NOTHING_FREE"

        async with asyncio.timeout(60):
            served.see("A-1*1", EvseStatus.AVAILABLE)
            again = await car.promise()

        assert again.choice.hold.kind == wire.HOLD_KIND_SOFT
        assert again.choice.evse.evse_id == "A-1*1"
