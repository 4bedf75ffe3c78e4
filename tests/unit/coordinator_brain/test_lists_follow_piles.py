"""The lists of cars on their way follow the piles: one that is lost, and one that is there anew."""

from __future__ import annotations

from dataclasses import replace

from hand_brain import HandBrain
from served_brain import station

from coordinator.core.pile import EvseStatus
from coordinator.usecases.promises import Promise
from coordinator.usecases.refreshing import EACH_TICK

OUT, FREE = EvseStatus.OUTOFORDER, EvseStatus.AVAILABLE


def listed(promise: Promise) -> list[str]:
    """The EVSEs that a car was told of, the promised one first."""
    return [judged.evse_id for judged in promise.answer.judged]


async def test_a_new_pile_is_in_the_list_within_a_second() -> None:
    """A pile is put up beside the way and reports that it is free: nobody waits for its list."""
    hand = HandBrain([station("A", 1.0), station("B", 5.0), station("C", 6.0)])
    promise = await hand.follow("car-1", alternative_count=2)
    assert listed(promise) == ["A-1*1", "B-1*1", "C-1*1"]
    await hand.passes(1.0)
    hand.district.put_stations([station("N", 2.0)])
    await hand.passes(1.0)
    assert "N-1*1" not in listed(promise)

    hand.believe("N-1*1", FREE)
    await hand.passes(1.0)

    assert listed(promise)[:2] == ["A-1*1", "N-1*1"]
    assert promise.answer.change is not None
    assert promise.answer.change.code == "LIST_UPDATED"


async def test_a_repaired_pile_is_in_the_list_within_a_second() -> None:
    """What was out of order when the car asked is listed once it works again."""
    hand = HandBrain([station("A", 1.0), station("B", 2.0), station("C", 6.0)])
    await hand.see("B-1*1", OUT)
    promise = await hand.follow("car-1", alternative_count=1)
    assert listed(promise) == ["A-1*1", "C-1*1"]

    hand.believe("B-1*1", FREE)
    await hand.passes(1.0)

    assert listed(promise) == ["A-1*1", "B-1*1"]


async def test_a_new_pile_far_from_the_car_is_no_reason_to_look() -> None:
    """What is further away than everything listed changes no list."""
    hand = HandBrain([station("A", 1.0), station("B", 2.0), station("Z", 30.0)])
    await hand.see("Z-1*1", OUT)
    promise = await hand.follow("car-1", alternative_count=1)
    revision = promise.answer.revision

    hand.believe("Z-1*1", FREE)
    await hand.passes(1.0)

    assert promise.course.strayed == ""
    assert promise.answer.revision == revision


async def test_no_list_is_passed_over_for_ever() -> None:
    """More cars move than lists are made in a second: those that wait longest come first."""
    count = EACH_TICK + 8
    hand = HandBrain([station("A", 1.0, count), station("B", 2.0, 4)])
    promises = [await hand.follow(f"car-{number}") for number in range(count)]
    await hand.passes(1.0)
    for _ in range(3):
        hand.clock.move(60.0)
        hand.district.heard_at_s[:] = hand.clock.link_s()
        for promise in promises:
            here_deg = promise.request.latitude_deg - 0.006
            promise.request = replace(promise.request, latitude_deg=here_deg)
        await hand.brain.watchman.tick()

    made = sorted(hand.clock.link_s() - promise.course.made_link_s for promise in promises)

    assert made[-1] <= 60.0
