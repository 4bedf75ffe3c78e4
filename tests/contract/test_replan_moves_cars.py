"""What the joint re-plan does to cars on their way, through a real grpc server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from served_brain import HERE, KM_LAT, ServedBrain, asking, serve_brain, station

from coordinator.core.areas.assignment import Plan, Problem
from coordinator.core.pile import EvseStatus
from coordinator.usecases.calm import SILENT_CAR_S
from coordinator.usecases.replan import InlineSolver
from pilewise.v1 import charging_service_pb2 as wire

DEADLINE_S = 60.0
SOLVER = InlineSolver()


class Guided:
    """A car that follows its promise on a stream."""

    def __init__(self, served: ServedBrain, recommendation_id: str) -> None:
        self._call = served.client.Guide()
        self.recommendation_id = recommendation_id

    async def open(self) -> wire.Promise:
        opening = wire.GuideOpen(recommendation_id=self.recommendation_id)
        await self._call.write(wire.GuideRequest(open=opening))
        return await self.next()

    async def next(self) -> wire.Promise:
        """The next promise, beats passed over."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = await self._call.read()
                assert message is not grpc.aio.EOF
                if message.WhichOneof("message") == "promise":
                    return message.promise

    async def end(self) -> str:
        """The code with which the guidance ends, promises passed over."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = await self._call.read()
                assert message is not grpc.aio.EOF
                if message.WhichOneof("message") == "closed":
                    return message.closed.code

    async def say(self, revision: int, accepted: bool) -> None:
        decision = wire.GuideDecision(revision=revision, accepted=accepted)
        await self._call.write(wire.GuideRequest(decision=decision))

    def cancel(self) -> None:
        self._call.cancel()


@asynccontextmanager
async def guided(
    served: ServedBrain, car: str, at_km: float = 0.0, **fields: object
) -> AsyncIterator[Guided]:
    """A car, so far north, that has asked and follows its promise."""
    request = asking(car, **fields)
    request.position.latitude_deg = HERE[0] + at_km * KM_LAT
    answer = await served.client.Recommend(request)
    following = Guided(served, answer.promise.recommendation_id)
    await following.open()
    try:
        yield following
    finally:
        following.cancel()


def held(served: ServedBrain, car: str) -> list[str]:
    """The EVSEs that a car holds now."""
    return [claim.evse_id for claim in served.brain.claims.table.of_car(car)]


async def until_held(served: ServedBrain, car: str, evse_ids: list[str]) -> None:
    """Returns when the car holds just these; fails after ten seconds."""
    async with asyncio.timeout(DEADLINE_S):
        while held(served, car) != evse_ids:
            await asyncio.sleep(0.01)


async def test_a_car_is_offered_the_nearer_pile_that_became_free_and_takes_it() -> None:
    """The old place is kept until the car accepts; it is told when the new one is its own."""
    async with serve_brain([station("A", 1.0), station("B", 4.0)]) as served:
        served.see("A-1*1", EvseStatus.CHARGING)
        async with guided(served, "car-1") as car:
            assert held(served, "car-1") == ["B-1*1"]
            served.see("A-1*1", EvseStatus.AVAILABLE)

            asked = await served.brain.replanner.once(SOLVER)
            offer = await car.next()

            assert asked == 1
            assert offer.choice.evse.evse_id == "A-1*1"
            assert offer.change.code == "BETTER"
            assert offer.accept_before.seconds > 0
            assert sorted(held(served, "car-1")) == ["A-1*1", "B-1*1"]
            await car.say(offer.revision, accepted=True)
            stands = await car.next()
            assert held(served, "car-1") == ["A-1*1"]
            assert stands.choice.evse.evse_id == "A-1*1"
            assert stands.revision > offer.revision
            assert not stands.HasField("accept_before")
            assert await served.brain.replanner.once(SOLVER) == 0


async def test_what_a_car_accepts_is_not_taken_back_while_it_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """News in the moment between the car's yes and the disk's does not show the old place again."""
    async with serve_brain([station("A", 1.0), station("B", 4.0)]) as served:
        served.see("A-1*1", EvseStatus.CHARGING)
        async with guided(served, "car-1") as car:
            served.see("A-1*1", EvseStatus.AVAILABLE)
            await served.brain.replanner.once(SOLVER)
            offer = await car.next()
            (promise,) = served.brain.promises.open()
            confirm = served.brain.claims.confirm

            async def with_news(*args: Any) -> Any:
                promise.tell()
                # A round trip, so that the stream has written what it would write.
                await served.client.GetRecommendation(
                    wire.GetRecommendationRequest(recommendation_id=promise.recommendation_id)
                )
                return await confirm(*args)

            monkeypatch.setattr(served.brain.claims, "confirm", with_news)
            await car.say(offer.revision, accepted=True)
            stands = await car.next()
            served.see("A-1*1", EvseStatus.OUTOFORDER)
            after = await car.next()

            assert stands.choice.evse.evse_id == "A-1*1"
            assert after.revision > stands.revision > offer.revision
            assert after.change.from_evse_id == "A-1*1"


async def test_a_car_that_refuses_keeps_its_place_and_is_told_so() -> None:
    """No is no: the offered place is given back, the next revision shows the old one."""
    async with serve_brain([station("A", 1.0), station("B", 4.0)]) as served:
        served.see("A-1*1", EvseStatus.CHARGING)
        async with guided(served, "car-1") as car:
            served.see("A-1*1", EvseStatus.AVAILABLE)
            await served.brain.replanner.once(SOLVER)
            offer = await car.next()

            await car.say(offer.revision, accepted=False)
            kept = await car.next()

            assert kept.choice.evse.evse_id == "B-1*1"
            assert kept.change.code == "KEPT"
            assert kept.revision > offer.revision
            assert not kept.HasField("accept_before")
            await until_held(served, "car-1", ["B-1*1"])


async def test_an_offer_without_a_word_lapses_and_the_old_place_stands() -> None:
    """Fifteen seconds without an answer: the offered place is free for others again."""
    async with serve_brain([station("A", 1.0), station("B", 4.0)]) as served:
        served.see("A-1*1", EvseStatus.CHARGING)
        async with guided(served, "car-1") as car:
            served.see("A-1*1", EvseStatus.AVAILABLE)
            await served.brain.replanner.once(SOLVER)
            offer = await car.next()
            (promise,) = served.brain.promises.open()
            proposals = served.brain.replanner.proposals
            await proposals.expire()
            assert promise.proposal is not None

            promise.proposal.until_link_s = 0.0  # type: ignore[attr-defined]
            await proposals.expire()

            assert (await car.next()).choice.evse.evse_id == "B-1*1"
            assert held(served, "car-1") == ["B-1*1"]
            await car.say(offer.revision, accepted=True)  # too late
            await car.say(offer.revision, accepted=True)
            assert held(served, "car-1") == ["B-1*1"]


async def test_a_fault_ends_an_offer_and_the_car_gets_a_third_place() -> None:
    """What the car holds fails while it was offered something else: one new place, no leftovers."""
    stations = [station("A", 1.0), station("B", 4.0), station("C", 4.5)]
    async with serve_brain(stations) as served:
        served.see("A-1*1", EvseStatus.CHARGING)
        async with guided(served, "car-1") as car:
            served.see("A-1*1", EvseStatus.AVAILABLE)
            await served.brain.replanner.once(SOLVER)
            offer = await car.next()
            served.see("B-1*1", EvseStatus.OUTOFORDER)

            moved = await car.next()

            assert moved.change.code == "PILE_FAILED"
            assert moved.revision > offer.revision
            assert held(served, "car-1") == [moved.choice.evse.evse_id]


async def test_a_free_evse_of_the_same_station_is_given_without_asking() -> None:
    """Inside its station, before the pile was told, a car is moved at once."""
    async with serve_brain([station("A", 2.0, 2), station("B", 40.0)]) as served:
        for evse_id in ("A-1*1", "A-2*1"):
            served.see(evse_id, EvseStatus.CHARGING)
        async with guided(served, "car-1") as car:
            (before,) = held(served, "car-1")
            other = "A-2*1" if before == "A-1*1" else "A-1*1"
            served.see(other, EvseStatus.AVAILABLE)

            assert await served.brain.replanner.once(SOLVER) == 1

            moved = await car.next()
            assert moved.choice.evse.evse_id == other
            assert not moved.HasField("accept_before")
            assert held(served, "car-1") == [other]


async def test_a_chain_is_asked_from_its_free_end() -> None:
    """An urgent car is offered the near pile of another once that one has agreed to go on."""
    stations = [station("A", 2.0), station("C", 2.6), station("D", -4.5)]
    async with serve_brain(stations) as served:
        served.see("C-1*1", EvseStatus.OUTOFORDER)
        async with (
            guided(served, "low", at_km=1.0, soc_pct=41.0) as low,
            guided(served, "urgent", soc_pct=12.0) as urgent,
        ):
            assert held(served, "low") == ["A-1*1"]
            assert held(served, "urgent") == ["D-1*1"]
            served.see("C-1*1", EvseStatus.AVAILABLE)

            assert await served.brain.replanner.once(SOLVER) == 1

            asked = await low.next()
            assert (asked.choice.evse.evse_id, asked.change.code) == ("C-1*1", "MADE_ROOM")
            assert held(served, "urgent") == ["D-1*1"]
            await low.say(asked.revision, accepted=True)
            offer = await urgent.next()
            assert (offer.choice.evse.evse_id, offer.change.code) == ("A-1*1", "BETTER")
            await urgent.say(offer.revision, accepted=True)
            await until_held(served, "urgent", ["A-1*1"])
            assert held(served, "low") == ["C-1*1"]


async def test_a_chain_ends_where_its_first_car_refuses() -> None:
    """No acceptance, no bump: who was asked stays, and nobody else is asked."""
    stations = [station("A", 2.0), station("C", 2.6), station("D", -4.5)]
    async with serve_brain(stations) as served:
        served.see("C-1*1", EvseStatus.OUTOFORDER)
        async with (
            guided(served, "low", at_km=1.0, soc_pct=41.0) as low,
            guided(served, "urgent", soc_pct=12.0),
        ):
            served.see("C-1*1", EvseStatus.AVAILABLE)
            await served.brain.replanner.once(SOLVER)
            asked = await low.next()

            await low.say(asked.revision, accepted=False)

            assert (await low.next()).change.code == "KEPT"
            assert held(served, "low") == ["A-1*1"]
            assert held(served, "urgent") == ["D-1*1"]


@asynccontextmanager
async def two_without_place(
    served: ServedBrain, first_pct: float, second_pct: float
) -> AsyncIterator[tuple[Guided, Guided, str]]:
    """Two cars whose pile failed while the only other EVSE is promised to three, and the
    recommendation of the last of those."""
    for evse_id in ("B-1*1", "B-2*1"):
        served.see(evse_id, EvseStatus.OUTOFORDER)
    full = [(await served.client.Recommend(asking(f"full-{n}"))).promise for n in range(3)]
    for promise in full:
        name = promise.recommendation_id
        await served.client.Confirm(wire.ConfirmRequest(recommendation_id=name))
    for evse_id in ("B-1*1", "B-2*1"):
        served.see(evse_id, EvseStatus.AVAILABLE)
    async with (
        guided(served, "first", soc_pct=first_pct) as first,
        guided(served, "second", soc_pct=second_pct) as second,
    ):
        for evse_id in ("B-1*1", "B-2*1"):
            served.see(evse_id, EvseStatus.OUTOFORDER)
        for car in (first, second):
            assert (await car.next()).choice.hold.reason_code == "NOTHING_FREE"
        yield first, second, full[-1].recommendation_id


@pytest.mark.parametrize(
    ("first_pct", "second_pct"),
    [(60.0, 10.0), (10.0, 60.0), (12.0, 8.0)],
    ids=["higher level last", "higher level first", "needier of a level"],
)
async def test_of_two_cars_without_a_place_the_needier_is_given_the_freed_one(
    first_pct: float, second_pct: float
) -> None:
    """By level, then by the drive left; it is told on its stream, with the reason."""
    async with (
        serve_brain([station("A", 1.0), station("B", 2.0, 2)]) as served,
        two_without_place(served, first_pct, second_pct) as (first, second, leaves),
    ):
        needier, other = ("second", "first") if first_pct > second_pct else ("first", "second")
        await served.client.Release(wire.ReleaseRequest(recommendation_id=leaves))

        await served.brain.replanner.once(SOLVER)

        given = await {"first": first, "second": second}[needier].next()
        assert given.choice.evse.evse_id == "A-1*1"
        assert given.choice.hold.kind == wire.HOLD_KIND_SOFT
        assert given.change.code == "PILE_FAILED"
        assert given.change.text
        assert not given.HasField("accept_before")
        assert held(served, needier) == ["A-1*1"]
        assert held(served, other) == []


async def test_a_car_without_a_place_that_gives_up_is_given_none() -> None:
    """The freed place goes to the other one, whatever its need."""
    async with (
        serve_brain([station("A", 1.0), station("B", 2.0, 2)]) as served,
        two_without_place(served, 60.0, 10.0) as (first, second, leaves),
    ):
        name = second.recommendation_id
        await served.client.Release(wire.ReleaseRequest(recommendation_id=name))
        await served.client.Release(wire.ReleaseRequest(recommendation_id=leaves))

        await served.brain.replanner.once(SOLVER)

        assert (await first.next()).choice.evse.evse_id == "A-1*1"
        assert held(served, "second") == []


async def test_a_car_without_a_place_that_fell_silent_is_given_none_and_is_told_the_end() -> None:
    """It reported, and then did not for two minutes: the other one has the place."""
    async with (
        serve_brain([station("A", 1.0), station("B", 2.0, 2)]) as served,
        two_without_place(served, 60.0, 10.0) as (first, second, leaves),
    ):
        promise = served.brain.promises.get(second.recommendation_id)
        assert promise is not None
        promise.reported_link_s = served.brain.rerouter.moment().link_s - SILENT_CAR_S
        await served.client.Release(wire.ReleaseRequest(recommendation_id=leaves))

        await served.brain.replanner.once(SOLVER)

        assert (await first.next()).choice.evse.evse_id == "A-1*1"
        assert held(served, "second") == []
        assert await second.end() == "NO_SHOW"


class Absent:
    """A solver that never answers in time."""

    async def plan(self, problem: Problem) -> Plan | None:
        return None

    async def close(self) -> None:
        """Nothing runs."""


async def test_without_a_solver_nobody_is_moved_and_it_is_counted() -> None:
    """No plan in time: cars keep what they have, answers come as always, operators see it."""
    async with serve_brain([station("A", 1.0), station("B", 4.0)]) as served:
        served.see("A-1*1", EvseStatus.CHARGING)
        async with guided(served, "car-1"):
            served.see("A-1*1", EvseStatus.AVAILABLE)

            assert await served.brain.replanner.once(Absent()) == 0

            assert held(served, "car-1") == ["B-1*1"]
            assert served.counters.values()["replan_degraded"] == 1.0
            answer = await served.client.Recommend(asking("car-2"))
            assert answer.promise.choice.evse.evse_id == "A-1*1"


async def test_a_car_that_chose_by_price_is_left_alone() -> None:
    """Who asked for another order than the one cost is not moved by the one cost."""
    async with serve_brain([station("A", 1.0), station("B", 4.0)]) as served:
        served.see("A-1*1", EvseStatus.CHARGING)
        async with guided(served, "car-1", select_by=wire.SELECT_BY_TIME):
            served.see("A-1*1", EvseStatus.AVAILABLE)

            assert await served.brain.replanner.once(SOLVER) == 0


async def test_who_asked_alone_is_not_moved() -> None:
    """With one car, the answer and the plan choose the same EVSE."""
    stations = [station(name, km, 2) for name, km in (("A", 1.0), ("B", 1.1), ("C", 3.0))]
    async with serve_brain(stations) as served, guided(served, "car-1"):
        assert await served.brain.replanner.once(SOLVER) == 0
