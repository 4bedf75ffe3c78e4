"""Cars whose place is lost and that were told that none is free: who gets the next one."""

from __future__ import annotations

from typing import Any

import pytest
from hand_brain import HandBrain
from served_brain import station

from coordinator.core.areas.assignment import Plan, Problem
from coordinator.core.areas.ledger import ClaimState
from coordinator.core.pile import EvseStatus
from coordinator.core.vehicle import Fix
from coordinator.usecases.answer import HoldKind
from coordinator.usecases.calm import SILENT_CAR_S
from coordinator.usecases.promises import Promise
from coordinator.usecases.replan import InlineSolver
from coordinator.usecases.reroute import CONFIRMED_LEASE_S

FREE, OUT = EvseStatus.AVAILABLE, EvseStatus.OUTOFORDER
FULL = 3  # cars that one EVSE is promised to at most
Found = tuple[HandBrain, list[Promise], list[Promise]]


async def without_place(*socs_pct: float) -> Found:
    """Cars with so much charge, in this order, after their station failed: the queue of the only
    other EVSE, `A-1*1`, is full; those in it, too."""
    hand = HandBrain([station("A", 1.0), station("B", 2.0, len(socs_pct)), station("C", 2.5)])
    for number in range(len(socs_pct)):
        believed(hand, f"B-{number + 1}*1", OUT)
    believed(hand, "C-1*1", OUT)
    full = [await hand.follow(f"first-{number}", soc_pct=60.0) for number in range(FULL)]
    for number in range(len(socs_pct)):
        believed(hand, f"B-{number + 1}*1", FREE)
    cars = [await hand.follow(f"car-{n}", soc_pct=soc_pct) for n, soc_pct in enumerate(socs_pct)]
    for number in range(len(socs_pct)):
        await hand.see(f"B-{number + 1}*1", OUT)
    assert all(car.answer.hold.kind is HoldKind.NONE for car in cars)
    return hand, cars, full


def believed(hand: HandBrain, evse_id: str, status: EvseStatus) -> None:
    """The picture says so, and nobody has been looked after yet."""
    hand.district.status[hand.district.row[evse_id]] = status


def places(hand: HandBrain, cars: list[Promise]) -> list[list[str]]:
    """What each holds."""
    table = hand.claims.table
    return [[c.evse_id for c in table.of_car(car.request.vehicle_id)] for car in cars]


async def replan(hand: HandBrain) -> int:
    return await hand.brain.replanner.once(InlineSolver())


@pytest.mark.parametrize("socs_pct", [(60.0, 10.0), (10.0, 60.0), (30.0, 60.0), (60.0, 30.0)])
async def test_the_plan_gives_a_freed_place_to_the_higher_level(
    socs_pct: tuple[float, float],
) -> None:
    """One turn, two cars that wait for any: whoever lost its place first, need decides."""
    hand, cars, full = await without_place(*socs_pct)
    await hand.brain.guidance.release(full[-1].recommendation_id)

    assert await replan(hand) == 1

    needy = socs_pct.index(min(socs_pct))
    expected: list[list[str]] = [[], []]
    expected[needy] = ["A-1*1"]
    assert places(hand, cars) == expected
    told = cars[needy].answer
    assert told.hold.kind is HoldKind.SOFT
    assert told.hold.confirmed
    assert told.accept_before_s is None
    assert told.change is not None
    assert told.change.code == "PILE_FAILED"
    assert told.change.text
    assert (told.decided[-1].code, told.decided[-1].to_evse_id) == ("PILE_FAILED", "A-1*1")
    assert hand.counters.values()["replan_placed"] == 1
    assert hand.counters.values()["cars_without_place"] == 1


@pytest.mark.parametrize("socs_pct", [(12.0, 8.0), (8.0, 12.0), (90.0, 80.0), (80.0, 90.0)])
async def test_within_a_level_the_emptier_car_is_given_it(socs_pct: tuple[float, float]) -> None:
    """Both are in the same need by their level: less drive left goes first."""
    hand, cars, full = await without_place(*socs_pct)
    assert cars[0].answer.level == cars[1].answer.level
    await hand.brain.guidance.release(full[-1].recommendation_id)

    await replan(hand)

    expected: list[list[str]] = [[], []]
    expected[socs_pct.index(min(socs_pct))] = ["A-1*1"]
    assert places(hand, cars) == expected


async def test_without_a_solver_need_decides_as_well() -> None:
    """Local repair hands out what is left in the same order."""
    hand, cars, full = await without_place(60.0, 12.0, 8.0)
    await hand.brain.guidance.release(full[-1].recommendation_id)

    class Absent:
        async def plan(self, problem: Problem) -> Plan | None:
            return None

        async def close(self) -> None:
            """Nothing runs."""

    assert await hand.brain.replanner.once(Absent()) == 1

    assert places(hand, cars) == [[], [], ["A-1*1"]]


async def test_a_pile_that_works_again_serves_the_neediest_first() -> None:
    """More than one can have a turn: the plan puts the car in need before the others."""
    hand, _cars, _ = await without_place(60.0, 10.0)
    believed(hand, "C-1*1", FREE)

    await replan(hand)
    await replan(hand)

    assert next(claim.vehicle_id for claim in hand.held("C-1*1")) == "car-1"


async def test_a_place_that_another_car_leaves_for_a_better_one_is_passed_on() -> None:
    """A chain: the car without a place gets its turn once the one before it has agreed to go."""
    hand, (car,), full = await without_place(2.0)
    hand.district.put_stations([station("D", 8.0)])
    believed(hand, "D-1*1", FREE)
    hand.district.observed_at_s[:] = hand.clock.now_s()

    assert await replan(hand) == 1

    (asked,) = [promise for promise in full if promise.proposal is not None]
    assert places(hand, [car]) == [[]]
    await hand.brain.guidance.decide(asked, asked.newest.revision, True)
    assert places(hand, [asked, car]) == [["D-1*1"], ["A-1*1"]]


async def test_a_car_that_gave_up_gets_nothing() -> None:
    """Released: the next one has the place, although it is in less need."""
    hand, cars, full = await without_place(60.0, 10.0)
    await hand.brain.guidance.release(cars[1].recommendation_id)
    await hand.brain.guidance.release(full[-1].recommendation_id)

    assert await replan(hand) == 1

    assert places(hand, cars) == [["A-1*1"], []]
    assert cars[1].closed == "RELEASED"


async def test_a_car_that_gives_up_while_its_place_is_stored_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The place is granted, the car is gone: it is given back at once."""
    hand, (car,), full = await without_place(10.0)
    await hand.brain.guidance.release(full[-1].recommendation_id)
    apply = hand.claims.apply

    async def while_stored(*args: Any) -> Any:
        step = await apply(*args)
        await hand.brain.guidance.release(car.recommendation_id)
        return step

    monkeypatch.setattr(hand.claims, "apply", while_stored)

    assert await replan(hand) == 0

    assert places(hand, [car]) == [[]]
    assert len([c for c in hand.held("A-1*1") if c.state is ClaimState.CONFIRMED]) == FULL - 1


async def test_a_car_that_fell_silent_gets_nothing_and_its_wait_ends() -> None:
    """It reported and then did not for two minutes: nobody would use the place."""
    hand, cars, full = await without_place(60.0, 10.0)
    for car in cars:
        await hand.brain.guidance.progress(car, fix_of(car))
    hand.clock.move(SILENT_CAR_S)
    await hand.brain.guidance.progress(cars[0], fix_of(cars[0]))
    await hand.brain.guidance.release(full[-1].recommendation_id)

    assert await replan(hand) == 1

    assert places(hand, cars) == [["A-1*1"], []]
    await hand.passes(1.0)
    assert (cars[0].closed, cars[1].closed) == ("", "NO_SHOW")


async def test_a_car_that_never_reported_waits_as_long_as_its_lease_was() -> None:
    """Then it is overdue: a place is not given to it any more."""
    hand, (car,), full = await without_place(10.0)
    await hand.see("A-1*1", OUT)
    for other in full:
        await hand.brain.guidance.release(other.recommendation_id)
    figures = car.answer.choice.figures
    left_s = figures.eta_s + figures.wait_s + CONFIRMED_LEASE_S
    hand.clock.move(left_s - 1.0)
    await hand.brain.watchman.tick()
    assert car.closed == ""

    hand.clock.move(1.0)
    believed(hand, "C-1*1", FREE)
    assert await replan(hand) == 0
    await hand.brain.watchman.tick()

    assert car.closed == "NO_SHOW"
    assert places(hand, [car]) == [[]]


async def test_a_car_that_has_asked_again_is_given_nothing_beside_that() -> None:
    """It holds an offer by a newer request; once that is confirmed the old one is over."""
    hand, (car,), full = await without_place(10.0)
    believed(hand, "C-1*1", FREE)
    answer = await hand.ask("car-0", 2, soc_pct=10.0)
    assert answer.hold.claim_id
    await hand.brain.guidance.release(full[-1].recommendation_id)

    assert await replan(hand) == 0

    assert places(hand, [car]) == [["C-1*1"]]
    await hand.brain.guidance.confirm(answer.recommendation_id)
    await hand.brain.watchman.tick()
    assert car.closed == "REPLACED"


async def test_cars_that_try_again_by_themselves_do_so_in_the_order_of_need() -> None:
    """No plan runs: the one that lost its place first does not come before the neediest."""
    hand, cars, full = await without_place(60.0, 30.0, 10.0)
    await hand.brain.guidance.release(full[-1].recommendation_id)

    await hand.passes(15.0)

    assert places(hand, cars) == [[], [], ["A-1*1"]]


async def test_what_is_free_again_is_given_at_once_in_the_order_of_need() -> None:
    """With the report itself, not with the next look; also to who was refused there before."""
    hand, cars, _ = await without_place(60.0, 10.0)

    hand.believe("B-2*1", FREE)
    await hand.catch_up()

    assert places(hand, cars)[1] == ["B-2*1"]
    assert next(claim.vehicle_id for claim in hand.held("B-2*1")) == "car-1"


async def test_a_car_in_need_without_a_place_calls_for_a_plan() -> None:
    """Its own repair found nothing; what others could give up is found by the joint plan."""
    hand, _, _ = await without_place(10.0)

    assert hand.brain.rerouter.early.reason == "HIGHER_LEVEL"


async def test_a_plan_that_comes_while_a_car_helps_itself_grants_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Repair and plan meet: one place, one revision that stands, and nothing taken back."""
    hand, (car,), full = await without_place(10.0)
    await hand.brain.guidance.release(full[-1].recommendation_id)
    before, apply = car.answer.revision, hand.claims.apply
    monkeypatch.setattr(hand.claims, "apply", apply)

    async def first_the_plan(*args: Any) -> Any:
        monkeypatch.setattr(hand.claims, "apply", apply)
        assert await replan(hand) == 1
        return await apply(*args)

    monkeypatch.setattr(hand.claims, "apply", first_the_plan)

    assert await hand.brain.rerouter.reroute(car, car.lost_code)

    assert places(hand, [car]) == [["A-1*1"]]
    assert car.answer.hold.kind is HoldKind.SOFT
    assert car.answer.revision == before + 1
    assert car.retry_link_s == float("inf")


def fix_of(car: Promise) -> Fix:
    """Where a car says that it is."""
    request = car.request
    return Fix(request.latitude_deg, request.longitude_deg, request.soc_pct)
