"""Who is plugged in, by the ledger: walk-ins, cars that stay longer, and whose plug-in it is."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from claim_wishes import check_exclusion
from hand_brain import HandBrain
from served_brain import station

from coordinator.core.areas.ledger import ClaimState
from coordinator.core.district import Changes
from coordinator.core.history import Session
from coordinator.core.pile import EvseStatus
from coordinator.usecases import inputs
from coordinator.usecases.composing import answers
from coordinator.usecases.ledger import Outcome
from coordinator.usecases.plugging import TAKEN_GRACE_S
from coordinator.usecases.presence import ARRIVED_S
from coordinator.usecases.promises import Promise
from coordinator.usecases.retelling import retell, same

E = "A-1*1"


def one_pile() -> HandBrain:
    return HandBrain([station("A", 2.0)])


async def charging(hand: HandBrain, car: str) -> Promise:
    """A car that was promised the pile and is plugged in."""
    promise = await hand.follow(car)
    await hand.brain.guidance.arrived(promise)
    await hand.see(E, EvseStatus.CHARGING)
    assert promise.closed == "ARRIVED"
    return promise


async def test_a_walk_in_is_in_the_ledger_while_it_charges() -> None:
    """From plug-in to plug-out, without a car; what is told of the EVSE stays as it was."""
    hand = one_pile()
    await hand.see(E, EvseStatus.CHARGING)
    occupant = hand.occupant(E)
    assert occupant is not None
    assert occupant.vehicle_id == ""
    assert hand.district.claim_count[hand.district.row[E]] == 0  # its status says that it is there

    queued = await hand.follow("car-1")
    assert queued.answer.choice.figures.ahead == 1
    await hand.see(E, EvseStatus.AVAILABLE)

    ended = hand.claims.table.get(occupant.claim_id)
    assert ended is not None
    assert ended.state is ClaimState.DONE
    assert queued.answer.choice.figures.ahead == 0


async def test_walk_ins_of_one_moment_are_stored_together() -> None:
    """Also one that leaves, and the next that comes, before anybody looked."""
    hand = HandBrain([station("A", 2.0, 40)])
    rows = np.arange(40)
    for before, after in (
        (EvseStatus.AVAILABLE, EvseStatus.CHARGING),
        (EvseStatus.CHARGING, EvseStatus.AVAILABLE),
        (EvseStatus.AVAILABLE, EvseStatus.CHARGING),
    ):
        was, now = np.full(40, before, dtype=np.int8), np.full(40, after, dtype=np.int8)
        hand.district.status[:] = now
        hand.brain.watchman.on_changes(Changes(rows, was, now))

    await hand.catch_up()

    assert all(hand.occupant(evse_id) is not None for evse_id in hand.district.evse_ids)


async def test_an_evse_out_of_contact_still_has_its_car() -> None:
    """What is unknown may still charge; what is free does not."""
    hand = one_pile()
    await charging(hand, "car-1")

    await hand.see(E, EvseStatus.UNKNOWN)
    assert hand.occupant(E) is not None
    await hand.see(E, EvseStatus.AVAILABLE)
    assert hand.occupant(E) is None


async def test_a_queued_car_is_no_no_show_while_the_one_before_it_stays() -> None:
    """Half an hour of overrun without a word: its place is put off, told, and kept."""
    hand = one_pile()
    first = await charging(hand, "car-1")
    queued = await hand.follow("car-2")
    told_s = queued.answer.choice.figures.wait_s
    occupant = hand.occupant(E)
    assert occupant is not None
    wait_s = occupant.to_s - hand.clock.now_s()
    assert first.closed

    for _ in range(6):
        await hand.passes(wait_s / 6)
        check_exclusion(hand.claims.table)
    await hand.passes(1_800.0)

    assert not queued.closed
    assert [c.vehicle_id for c in hand.held(E)] == ["car-1", "car-2"]
    check_exclusion(hand.claims.table)
    assert queued.answer.change is not None
    assert queued.answer.change.code == "QUEUE_DELAYED"
    assert queued.answer.choice.figures.wait_s > told_s + 1_200.0
    await hand.see(E, EvseStatus.AVAILABLE)
    assert queued.answer.change.code == "YOUR_TURN"


async def test_a_delay_can_be_told_again_word_for_word() -> None:
    """From the stored numbers alone, as every answer."""
    hand = one_pile()
    await charging(hand, "car-1")
    queued = await hand.follow("car-2")
    await hand.passes(6_000.0)
    kept = await hand.claims.answer(queued.recommendation_id)

    assert kept is not None
    answer, stored = answers.decode(kept.answer), inputs.unpack(kept.inputs)
    assert answer.change is not None
    assert answer.change.code == "QUEUE_DELAYED"
    assert "still there" in answer.choice.summary
    assert stored is not None
    assert stored.said is not None
    assert same(retell(answer, stored.said), answer)


async def test_a_car_that_left_unnoticed_is_not_kept_for_ever() -> None:
    """At the end of its window a free EVSE has no occupant."""
    hand = one_pile()
    await charging(hand, "car-1")
    hand.district.status[hand.district.row[E]] = EvseStatus.AVAILABLE  # nobody was told

    await hand.passes(6_000.0)

    assert hand.occupant(E) is None


@pytest.mark.parametrize(("late_s", "whose"), [(0.0, "car-1"), (1.0, "")])
async def test_an_arrival_is_ours_within_120_s_of_the_cars_word(late_s: float, whose: str) -> None:
    """The bound holds on both sides; later it is a walk-in's."""
    hand = one_pile()
    promise = await hand.follow("car-1")
    await hand.brain.guidance.arrived(promise)
    hand.clock.move(ARRIVED_S + late_s)

    await hand.see(E, EvseStatus.CHARGING)
    await hand.passes(TAKEN_GRACE_S)

    occupant = hand.occupant(E)
    assert occupant is not None
    assert occupant.vehicle_id == whose


async def test_a_walk_in_is_not_taken_for_a_car_that_has_waited_long() -> None:
    """Who stands far back in a queue said so long ago; only its turn makes that word new."""
    hand = one_pile()
    first = await charging(hand, "car-1")
    second, third = await hand.follow("car-2"), await hand.follow("car-3")
    await hand.brain.guidance.arrived(third)
    await hand.passes(ARRIVED_S + 5.0)
    await hand.see(E, EvseStatus.AVAILABLE)
    assert first.closed
    assert third.answer.choice.figures.ahead == 1

    await hand.see(E, EvseStatus.CHARGING)
    await hand.passes(10.0)

    occupant = hand.occupant(E)
    assert occupant is not None
    assert occupant.vehicle_id == ""
    assert not third.closed
    assert second.answer.choice.figures.ahead == 1
    assert second.answer.change is not None
    assert second.answer.change.code == "QUEUE_DELAYED"


async def test_a_queued_car_whose_turn_it_is_needs_no_second_word() -> None:
    """It said that it is there, and has waited: the next plug-in within 120 s is its own."""
    hand = one_pile()
    await charging(hand, "car-1")
    queued = await hand.follow("car-2")
    await hand.brain.guidance.arrived(queued)
    await hand.passes(600.0)

    await hand.see(E, EvseStatus.AVAILABLE)
    hand.clock.move(ARRIVED_S)
    await hand.see(E, EvseStatus.CHARGING)

    assert queued.closed == "ARRIVED"


def shows(hand: HandBrain, token: str) -> None:
    """A session with this token is under way."""
    hand.brain.book.see(Session(E, hand.clock.now_s(), float("nan"), float("nan")))
    hand.brain.book.presented(E, hashlib.sha256(token.encode()).hexdigest())


async def test_anothers_token_makes_a_walk_in_of_a_matched_arrival() -> None:
    """The car had said that it is there; the token says that somebody else charges."""
    hand = one_pile()
    promise = await hand.follow("car-1", id_token="mine")
    await hand.brain.guidance.arrived(promise)
    await hand.see(E, EvseStatus.CHARGING)
    assert hand.occupant(E) is not None

    shows(hand, "another")
    await hand.catch_up()

    occupant = hand.occupant(E)
    assert occupant is not None
    assert occupant.vehicle_id == ""
    again = await hand.ask("car-1", 2)
    assert again.hold.claim_id  # it may ask again, and queues


async def test_the_own_token_confirms_an_arrival() -> None:
    """Nothing changes where word and token agree, and a token alone is enough."""
    hand = one_pile()
    promise = await hand.follow("car-1", id_token="mine")
    await hand.see(E, EvseStatus.CHARGING)

    shows(hand, "mine")
    await hand.catch_up()
    shows(hand, "mine")
    await hand.catch_up()

    assert promise.closed == "ARRIVED"
    occupant = hand.occupant(E)
    assert occupant is not None
    assert occupant.vehicle_id == "car-1"


async def test_a_driver_can_say_that_another_car_charges_there() -> None:
    """Its claim goes on as a walk-in's, and it may ask for another place."""
    hand = HandBrain([station("A", 2.0), station("B", 4.0)])
    promise = await hand.follow("car-1")
    await hand.brain.guidance.arrived(promise)
    await hand.see(E, EvseStatus.CHARGING)

    await hand.brain.guidance.outcome(promise.recommendation_id, False, Outcome(3, E))

    occupant = hand.occupant(E)
    assert occupant is not None
    assert occupant.vehicle_id == ""
    assert (await hand.ask("car-1", 2)).choice.evse_id == "B-1*1"


async def test_a_car_may_plug_in_at_another_evse_of_its_station() -> None:
    """The claim follows; the EVSE that it was promised is free for others."""
    hand = HandBrain([station("A", 2.0, 2)])
    promise = await hand.follow("car-1")
    promised = promise.answer.choice.evse_id
    other = ({"A-1*1", "A-2*1"} - {promised}).pop()
    await hand.brain.guidance.arrived(promise)

    await hand.see(other, EvseStatus.CHARGING)

    assert promise.closed == "ARRIVED"
    assert promise.answer.choice.evse_id == other
    occupant = hand.occupant(other)
    assert occupant is not None
    assert occupant.vehicle_id == "car-1"
    assert not hand.held(promised)
    check_exclusion(hand.claims.table)
