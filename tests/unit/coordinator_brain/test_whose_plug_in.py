"""Whose plug-in it is without a token: by the car's word and its fixes, and taken back if wrong."""

from __future__ import annotations

from hand_brain import HandBrain
from served_brain import HERE, KM_LAT, station

from coordinator.core.areas.ledger import ClaimState
from coordinator.core.pile import EvseStatus
from coordinator.core.vehicle import Fix
from coordinator.usecases.promises import Promise

BUSY, FREE = EvseStatus.CHARGING, EvseStatus.AVAILABLE
AT_A_KM = 1.0


async def drives(
    hand: HandBrain,
    promise: Promise,
    north_km: float,
    soc_pct: float = 50.0,
    accuracy_m: float | None = 10.0,
    speed_kmh: float | None = None,
) -> None:
    """The car tells where it is."""
    fix = Fix(HERE[0] + north_km * KM_LAT, HERE[1], soc_pct, accuracy_m, speed_kmh)
    await hand.brain.guidance.progress(promise, fix)


async def queued(hand: HandBrain) -> Promise:
    """A car that has arrived at A and waits for the one that charges there; both were sent."""
    first = await hand.follow("first")
    await hand.brain.guidance.arrived(first)
    await hand.see("A-1*1", BUSY)
    second = await hand.follow("second", 2)
    assert second.answer.choice.figures.ahead == 1
    await hand.brain.guidance.arrived(second)
    return second


def walked_in(hand: HandBrain) -> bool:
    """Whether the car at A is nobody's."""
    there = hand.occupant("A-1*1")
    return there is not None and there.vehicle_id == ""


async def test_a_queued_car_that_drove_off_is_not_the_one_that_plugs_in_at_its_turn() -> None:
    """Its last fix is 5 km away: who plugs in within two minutes of its turn has walked in."""
    hand = HandBrain([station("A", AT_A_KM)])
    second = await queued(hand)
    await hand.passes(300.0)
    await drives(hand, second, AT_A_KM + 5.0)

    await hand.see("A-1*1", FREE)
    await hand.passes(10.0)
    await hand.see("A-1*1", BUSY)
    await hand.passes(5.0)

    assert walked_in(hand)
    assert second.closed == ""
    claim = hand.claims.table.get(second.claim_id)
    assert claim is not None
    assert claim.state is ClaimState.CONFIRMED


async def test_a_queued_car_that_waits_there_is_the_one_at_its_turn() -> None:
    """It has arrived and has not been elsewhere since: the plug-in at its turn is its own."""
    hand = HandBrain([station("A", AT_A_KM)])
    second = await queued(hand)
    await drives(hand, second, AT_A_KM)
    await hand.passes(900.0)

    await hand.see("A-1*1", FREE)
    await hand.passes(60.0)
    await hand.see("A-1*1", BUSY)

    assert second.closed == "ARRIVED"
    assert not walked_in(hand)


async def test_a_car_that_stands_at_its_station_needs_no_word() -> None:
    """A fix at the entrance, lately and standing, is as good as its driver's "arrived"."""
    hand = HandBrain([station("A", AT_A_KM)])
    promise = await hand.follow("car-1")
    await drives(hand, promise, AT_A_KM - 0.05, speed_kmh=0.0)
    await hand.passes(100.0)

    await hand.see("A-1*1", BUSY)

    assert promise.closed == "ARRIVED"


async def test_a_fix_that_comes_after_the_plug_in_is_in_time() -> None:
    """The plug-in was seen first; the car says where it is within the seconds of grace."""
    hand = HandBrain([station("A", AT_A_KM)])
    promise = await hand.follow("car-1")
    await hand.see("A-1*1", BUSY)
    assert promise.closed == ""

    await drives(hand, promise, AT_A_KM)

    assert promise.closed == "ARRIVED"


async def test_a_car_that_passes_by_has_not_arrived() -> None:
    """At 40 km/h nobody plugs in: the walk-in is one, and the car is sent elsewhere."""
    hand = HandBrain([station("A", AT_A_KM), station("B", 3.0)])
    promise = await hand.follow("car-1")
    await drives(hand, promise, AT_A_KM, speed_kmh=40.0)

    await hand.see("A-1*1", BUSY)
    await hand.passes(5.0)

    assert walked_in(hand)
    assert promise.answer.choice.station_id == "B"


async def test_a_fix_of_long_ago_says_nothing() -> None:
    """It was here ten minutes ago and is silent: its claim waits for its word, then moves on."""
    hand = HandBrain([station("A", AT_A_KM), station("B", 3.0)])
    promise = await hand.follow("car-1")
    await drives(hand, promise, AT_A_KM)
    hand.clock.move(121.0)
    promise.reported_link_s = hand.clock.link_s()

    await hand.see("A-1*1", BUSY)

    assert promise.closed == ""
    await hand.passes(5.0)
    assert walked_in(hand)


async def test_the_word_of_a_car_that_is_far_away_is_not_believed() -> None:
    """It says "arrived" and is 5 km off by a fix of this moment: another car is plugged in."""
    hand = HandBrain([station("A", AT_A_KM), station("B", 3.0)])
    promise = await hand.follow("car-1")
    await drives(hand, promise, AT_A_KM + 5.0)
    await hand.brain.guidance.arrived(promise)

    await hand.see("A-1*1", BUSY)
    await hand.brain.guidance.arrived(promise)
    await hand.passes(1.0)

    assert walked_in(hand)
    assert promise.closed == ""


async def test_a_far_fix_grows_old_as_far_as_a_car_can_drive() -> None:
    """Five kilometres are three minutes: then the word counts again."""
    hand = HandBrain([station("A", AT_A_KM)])
    promise = await hand.follow("car-1")
    await drives(hand, promise, AT_A_KM + 5.0)
    hand.clock.move(160.0)
    await hand.brain.guidance.arrived(promise)

    await hand.see("A-1*1", BUSY)

    assert promise.closed == "ARRIVED"


async def test_a_plug_in_is_taken_back_from_a_car_that_turns_out_to_be_elsewhere() -> None:
    """It waited without a fix, so the plug-in was thought its own; then it drives, uncharged."""
    hand = HandBrain([station("A", AT_A_KM), station("B", 3.0)])
    hand.district.status[hand.district.row["B-1*1"]] = EvseStatus.OUTOFORDER
    second = await queued(hand)
    await hand.see("A-1*1", FREE)
    await hand.passes(30.0)
    await hand.see("A-1*1", BUSY)
    assert second.closed == "ARRIVED"
    await hand.see("B-1*1", FREE)

    await drives(hand, second, AT_A_KM + 4.0)

    assert walked_in(hand)
    assert second.closed == ""
    assert second in list(hand.brain.promises.open())
    assert second.answer.choice.station_id == "B"
    assert second.answer.change is not None
    assert second.answer.change.code == "PILE_TAKEN"
    (claim,) = hand.claims.table.of_car("second")
    assert (claim.evse_id, claim.state) == ("B-1*1", ClaimState.CONFIRMED)


async def test_a_car_that_was_charged_and_drives_on_is_done() -> None:
    """More charge than when it plugged in: its stay was its own, and no other place is given."""
    hand = HandBrain([station("A", AT_A_KM), station("B", 3.0)])
    promise = await hand.follow("car-1")
    await hand.brain.guidance.arrived(promise)
    await hand.see("A-1*1", BUSY)
    await hand.passes(600.0)

    await drives(hand, promise, AT_A_KM + 4.0, soc_pct=62.0)

    assert promise.closed == "ARRIVED"
    assert not walked_in(hand)


async def test_a_coarse_fix_takes_nothing_back() -> None:
    """A fix that may be kilometres wrong contradicts nobody."""
    hand = HandBrain([station("A", AT_A_KM)])
    promise = await hand.follow("car-1")
    await hand.brain.guidance.arrived(promise)
    await hand.see("A-1*1", BUSY)

    await drives(hand, promise, AT_A_KM + 4.0, accuracy_m=3_000.0)

    assert promise.closed == "ARRIVED"
