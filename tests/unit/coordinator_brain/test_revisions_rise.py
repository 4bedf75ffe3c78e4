"""The numbers of revisions rise, whatever a car was offered, and whoever answers it."""

from __future__ import annotations

from pathlib import Path

from hand_brain import HandBrain
from served_brain import station

from coordinator.core.pile import EvseStatus
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.usecases.composing import answers
from coordinator.usecases.promises import Promise
from coordinator.usecases.replan import InlineSolver

BUSY, FREE = EvseStatus.CHARGING, EvseStatus.AVAILABLE
STATIONS = [station("A", 1.0), station("B", 4.0), station("C", 6.0)]


def brain(folder: Path, before: HandBrain | None = None) -> HandBrain:
    """A coordinator over this folder; after a restart with the clock of the one before."""
    hand = HandBrain(STATIONS)
    clock = hand.clock if before is None else before.clock
    return HandBrain(STATIONS, SqliteClaims(folder / "claims.db", hand.moment), clock)


async def offered(hand: HandBrain) -> Promise:
    """A car that was offered a better place."""
    await hand.see("A-1*1", BUSY)
    promise = await hand.follow("car-1")
    await hand.see("A-1*1", FREE)
    assert await hand.brain.replanner.once(InlineSolver()) == 1
    return promise


async def test_what_is_told_after_an_offer_is_stored_with_its_number(tmp_path: Path) -> None:
    """The offer had a number of its own; that the old place stands has the next, on disk too."""
    hand = brain(tmp_path)
    promise = await offered(hand)
    offer = promise.newest.revision
    await hand.brain.guidance.decide(promise, offer, False)

    kept = await hand.claims.answer(promise.recommendation_id)

    assert kept is not None
    assert promise.answer.revision == offer + 1
    assert answers.decode(kept.answer).revision == offer + 1
    await hand.brain.close()


async def test_after_a_restart_no_number_is_given_twice(tmp_path: Path) -> None:
    """What the last process offered was not stored: the next change is above it all the same."""
    hand = brain(tmp_path)
    promise = await offered(hand)
    offer, held = promise.newest.revision, promise.answer.choice.evse_id
    await hand.brain.close()
    after = brain(tmp_path, hand)
    await after.brain.start()
    found = after.brain.promises.get(promise.recommendation_id)
    assert found is not None
    assert found.answer.choice.evse_id == held

    await after.see(held, EvseStatus.OUTOFORDER)

    assert found.answer.choice.evse_id != held
    assert found.answer.revision > offer
    await after.brain.close()
