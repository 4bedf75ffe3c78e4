"""A window in the future stays one, whatever changes until then and whenever its car comes."""

from __future__ import annotations

from hand_brain import NOON_S, HandBrain
from served_brain import station

from coordinator.core.pile import EvseStatus

HOUR_S = 3_600.0
WINDOW = (NOON_S + 3 * HOUR_S, NOON_S + 3.5 * HOUR_S)


async def test_a_window_stands_when_an_alternative_breaks() -> None:
    """What its car could have now is not what it was told of: nothing is told, nothing is lost."""
    hand = HandBrain([station("A", 2.0), station("B", 4.0), station("C", 5.0)])
    promise = await hand.follow("car-1", arrival_window_s=WINDOW)
    told = promise.answer
    assert {judged.evse_id for judged in told.judged[1:]} == {"B-1*1", "C-1*1"}

    hand.believe("B-1*1", EvseStatus.OUTOFORDER)
    await hand.passes(30.0)

    assert promise.ahead
    assert promise.answer.window == WINDOW
    assert promise.answer == told


async def test_a_driver_who_wants_another_window_place_gets_one() -> None:
    """After an alternative broke the window can still be kept elsewhere, for the same time."""
    hand = HandBrain([station("A", 2.0), station("B", 4.0), station("C", 5.0)])
    promise = await hand.follow("car-1", arrival_window_s=WINDOW)
    hand.believe("B-1*1", EvseStatus.OUTOFORDER)
    await hand.passes(30.0)

    await hand.brain.guidance.decide(promise, promise.answer.revision, False)

    assert promise.answer.choice.evse_id == "C-1*1"
    assert promise.answer.window == WINDOW
    assert [claim.evse_id for claim in hand.claims.table.windows()] == ["C-1*1"]


async def test_a_car_early_at_another_plug_keeps_its_window_there() -> None:
    """It stands hours before its time at a plug beside the promised one: the window follows it."""
    hand = HandBrain([station("A", 2.0, 2)])
    promise = await hand.follow("car-1", arrival_window_s=WINDOW)
    (other,) = {"A-1*1", "A-2*1"} - {promise.answer.choice.evse_id}

    await hand.brain.guidance.arrived(promise, other)

    assert promise.answer.choice.evse_id == other
    assert promise.answer.window == WINDOW
    assert [claim.evse_id for claim in hand.claims.table.windows()] == [other]
