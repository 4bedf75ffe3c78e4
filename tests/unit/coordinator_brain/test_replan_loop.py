"""When the joint plan is made anew: every so often, and early where one car's repair is no help."""

from __future__ import annotations

from hand_brain import HandBrain
from played_loop import PlayedLoop
from served_brain import station

from coordinator.core.areas.assignment import Plan, Problem
from coordinator.core.pile import EvseStatus
from coordinator.usecases.replan import InlineSolver

OUT, FREE, BUSY = EvseStatus.OUTOFORDER, EvseStatus.AVAILABLE, EvseStatus.CHARGING


async def test_rounds_follow_each_other_by_the_period() -> None:
    """With nothing to hurry for, everybody is looked at every thirty seconds."""
    hand = HandBrain([station("A", 1.0), station("B", 4.0)])
    await hand.follow("car-1")
    played = PlayedLoop(hand, 30.0)

    await played.play(95.0)

    assert played.rounds == [30.0, 60.0, 90.0]
    assert played.solver.closed
    assert "replans_early" not in hand.counters.values()


async def test_the_period_is_of_the_time_by_which_cars_drive() -> None:
    """Where a minute passes in six seconds, thirty seconds pass in three."""
    hand = HandBrain([station("A", 1.0), station("B", 4.0)])
    object.__setattr__(hand.clock, "speed", 10.0)
    await hand.follow("car-1")
    played = PlayedLoop(hand, 30.0)

    await played.play(7.0)

    assert played.rounds == [3.0, 6.0]


async def test_a_station_that_costs_two_cars_their_places_starts_a_round() -> None:
    """Each is looked after at once; who goes where is planned again within two seconds."""
    hand = HandBrain([station("A", 1.0, 2), station("B", 4.0, 2)])
    for car in ("car-1", "car-2"):
        await hand.follow(car)
    played = PlayedLoop(hand)

    async def fails() -> None:
        await hand.see("A-1*1", OUT)
        await hand.see("A-2*1", OUT)
        assert {promise.answer.choice.station_id for promise in hand.brain.promises.open()} == {"B"}

    await played.play(10.0, {4.0: fails})

    assert played.rounds == [5.0]
    assert hand.counters.values()["replans_early"] == 1


async def test_one_car_that_loses_its_place_starts_none() -> None:
    """What the repair of one car has put right waits for the next round."""
    hand = HandBrain([station("A", 1.0), station("B", 4.0, 2)])
    await hand.follow("car-1")
    played = PlayedLoop(hand)

    await played.play(10.0, {4.0: lambda: hand.see("A-1*1", OUT)})

    assert played.rounds == []


async def test_a_repaired_pile_is_offered_to_who_gains_by_it_at_once() -> None:
    """The nearer pile works again: the car is asked within two seconds, not half a minute."""
    hand = HandBrain([station("A", 1.0), station("B", 4.0)])
    await hand.see("A-1*1", OUT)
    promise = await hand.follow("car-1")
    assert promise.answer.choice.station_id == "B"
    played = PlayedLoop(hand)

    await played.play(3.0, {1.0: lambda: changes(hand, "A-1*1", FREE)})

    assert promise.proposal is not None
    assert promise.proposal.answer.choice.station_id == "A"


async def test_a_pile_that_a_car_has_left_starts_no_round() -> None:
    """Cars come and go all day; that alone is no reason to hurry."""
    hand = HandBrain([station("A", 1.0), station("B", 4.0)])
    await hand.see("A-1*1", BUSY)
    await hand.follow("car-1")
    played = PlayedLoop(hand)

    await played.play(10.0, {1.0: lambda: changes(hand, "A-1*1", FREE)})

    assert played.rounds == []


async def test_an_urgent_car_that_has_to_wait_starts_a_round() -> None:
    """A car with little charge has a turn only: the others are asked to make room for it."""
    hand = HandBrain([station("A", 1.0)])
    await hand.follow("car-1", soc_pct=60.0)
    played = PlayedLoop(hand)

    async def comes() -> None:
        promise = await hand.follow("urgent", soc_pct=8.0)
        assert promise.answer.choice.figures.wait_s > 300.0

    await played.play(10.0, {4.0: comes})

    assert played.rounds == [5.0]


async def test_a_car_in_no_need_that_has_to_wait_starts_none() -> None:
    """Where piles are many a car with much charge waits for its turn, and for the next round."""
    hand = HandBrain([station("A", 1.0, 16)])
    for number in range(16):
        await hand.follow(f"car-{number}", soc_pct=60.0)
    played = PlayedLoop(hand)

    async def comes() -> None:
        promise = await hand.follow("calm", soc_pct=90.0)
        assert promise.answer.choice.figures.wait_s > 300.0

    await played.play(10.0, {4.0: comes})

    assert played.rounds == []


class Slow:
    """A solver whose plans take twenty seconds; more happens while it thinks."""

    def __init__(self, hand: HandBrain) -> None:
        self._hand, self.at_once = hand, 0

    async def plan(self, problem: Problem) -> Plan | None:
        self.at_once += 1
        assert self.at_once == 1
        self._hand.clock.move(20.0)
        await changes(self._hand, "A-1*1", OUT)
        await changes(self._hand, "A-1*1", FREE)
        self.at_once -= 1
        return await InlineSolver().plan(problem)

    async def close(self) -> None:
        """Nothing runs."""


async def test_rounds_that_take_long_are_not_run_one_after_the_other() -> None:
    """Something calls for a round all the time: the loop rests four times as long as it works."""
    hand = HandBrain([station("A", 1.0), station("B", 4.0)])
    await hand.follow("car-1", soc_pct=60.0)
    played = PlayedLoop(hand, solver=Slow(hand))

    await played.play(230.0, {1.0: lambda: changes(hand, "B-1*1", OUT),
                              2.0: lambda: changes(hand, "B-1*1", FREE)})  # fmt: skip

    first, second, third = played.rounds
    assert (second - first, third - second) == (100.0, 100.0)


async def test_a_round_that_fails_does_not_end_those_to_come() -> None:
    """The solver breaks once; the next round is made as always, and offers lapse meanwhile."""
    hand = HandBrain([station("A", 1.0), station("B", 4.0)])
    await hand.follow("car-1")

    class Broken(InlineSolver):
        """Breaks the first time."""

        times = 0

        async def plan(self, problem: Problem) -> Plan | None:
            self.times += 1
            if self.times == 1:
                raise RuntimeError("no memory")
            return await super().plan(problem)

    played = PlayedLoop(hand, 30.0, Broken())

    await played.play(61.0)

    assert played.rounds == [30.0, 60.0]


async def test_the_loop_withdraws_what_nobody_accepts() -> None:
    """An offer stands for fifteen seconds; then its place is free again and the car is told."""
    hand = HandBrain([station("A", 1.0), station("B", 4.0)])
    await hand.see("A-1*1", BUSY)
    promise = await hand.follow("car-1")
    await hand.see("A-1*1", FREE)
    played = PlayedLoop(hand, 5.0)

    await played.play(6.0)
    assert promise.proposal is not None
    await PlayedLoop(hand).play(16.0)

    assert promise.proposal is None
    assert promise.answer.change is not None
    assert promise.answer.change.code == "KEPT"
    assert not hand.held("A-1*1")


async def changes(hand: HandBrain, evse_id: str, status: EvseStatus) -> None:
    """Lets the coordinator believe a new status as ingest does, and look after it."""
    hand.believe(evse_id, status)
    await hand.catch_up()


async def test_a_driver_who_looks_at_an_offer_is_asked_nothing_else() -> None:
    """The car holds a place and its driver has asked again: that offer is not taken from it."""
    hand = HandBrain([station("A", 1.0), station("B", 4.0), station("C", 0.8)])
    for evse_id in ("A-1*1", "C-1*1"):
        await hand.see(evse_id, BUSY)
    promise = await hand.follow("car-1")
    await hand.see("A-1*1", FREE)
    offer = await hand.ask("car-1", 2)
    await hand.see("C-1*1", FREE)
    assert [claim.evse_id for claim in hand.claims.table.of_car("car-1")] == ["B-1*1", "A-1*1"]

    assert await hand.brain.replanner.once(InlineSolver()) == 0

    assert promise.proposal is None
    claim = hand.claims.table.get(offer.hold.claim_id)
    assert claim is not None
    assert claim.live
