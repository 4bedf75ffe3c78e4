"""Windows in the future: kept, told, begun, used or not; ranked by what will be free then."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from claim_wishes import check_exclusion
from hand_brain import NOON_S, HandBrain
from served_brain import station

from coordinator.core.areas.ledger import ClaimState
from coordinator.core.pile import EvseStatus, PlannedOutage
from coordinator.core.recommend import later
from coordinator.errors import FieldInvalid
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.usecases import inputs
from coordinator.usecases.composing import answers
from coordinator.usecases.retelling import retell, same

E, F = "A-1*1", "B-1*1"
HOUR_S = 3_600.0
WINDOW = (NOON_S + 3 * HOUR_S, NOON_S + 3.5 * HOUR_S)


def two_piles() -> HandBrain:
    return HandBrain([station("A", 2.0), station("B", 4.0)])


async def test_a_window_is_kept_and_told_as_such() -> None:
    """From its begin until a car that comes last would be charged; local time in words."""
    hand = two_piles()
    answer = await hand.ask("car-1", arrival_window_s=WINDOW)

    assert answer.window == WINDOW
    assert answer.choice.summary == "A-1 is kept for you from 15:00 to 15:30"
    assert answer.choice.reasons[0].code == "KEPT_WINDOW"
    assert "FREE_NOW" not in {reason.code for reason in answer.choice.reasons}
    figures = answer.choice.figures
    done_at_s = WINDOW[0] + figures.expected_wait_s + 120.0 + figures.charge_s
    assert answer.choice.done_at_s == pytest.approx(done_at_s, abs=10.0)
    (claim,) = hand.held(E)
    assert claim.future
    assert (claim.from_s, claim.state) == (WINDOW[0], ClaimState.OFFERED)
    assert claim.to_s == pytest.approx(WINDOW[1] + 120.0 + answer.choice.figures.charge_s)
    assert answer.made_at_s == NOON_S


async def test_an_evse_kept_for_later_is_free_until_then() -> None:
    """Who is charged before the window begins may have it; who would not be, goes elsewhere."""
    hand = two_piles()
    await hand.follow("car-1", arrival_window_s=(NOON_S + 2_000.0, NOON_S + 4_000.0))

    soon = await hand.ask("car-2")
    assert soon.choice.evse_id == E
    assert soon.choice.figures.ahead == 0
    await hand.brain.guidance.release(soon.recommendation_id)
    long = await hand.ask("car-3", soc_pct=15.0, target_soc_pct=100.0)
    assert long.choice.evse_id == F
    check_exclusion(hand.claims.table)


async def test_a_second_window_of_that_time_is_elsewhere() -> None:
    """And where none is left, the answer says so."""
    hand = two_piles()
    assert (await hand.ask("car-1", arrival_window_s=WINDOW)).choice.evse_id == E
    assert (await hand.ask("car-2", arrival_window_s=WINDOW)).choice.evse_id == F

    third = await hand.ask("car-3", arrival_window_s=WINDOW)

    assert third.empty_reason == "NOTHING_THEN"
    assert third.empty_text == "No suitable pile can be kept for you from 15:00 to 15:30."
    assert not third.hold.claim_id


async def test_who_charges_now_is_not_in_the_way_of_later() -> None:
    """Occupancy is that of the window: a car that should have left by then does not count."""
    hand = two_piles()
    await hand.see(E, EvseStatus.CHARGING)

    assert (await hand.ask("car-1")).choice.evse_id == F
    answer = await hand.ask("car-2", arrival_window_s=WINDOW)

    assert answer.choice.evse_id == E
    assert answer.choice.figures.wait_s == 0.0


async def test_an_outage_of_that_time_counts_and_one_of_now_does_not() -> None:
    """A planned outage during the window rules its EVSE out."""
    hand = two_piles()
    hand.district.put_outages([PlannedOutage(WINDOW[0] + 60.0, WINDOW[1], evse_id=E)])
    assert (await hand.ask("car-1", arrival_window_s=WINDOW)).choice.evse_id == F
    hand.district.put_outages([PlannedOutage(NOON_S - 60.0, NOON_S + HOUR_S, evse_id=E)])
    assert (await hand.ask("car-2", arrival_window_s=WINDOW)).choice.evse_id == E
    # What was looked up for later must not be taken for what is now.
    assert (await hand.ask("car-3")).choice.evse_id == F


async def test_a_new_outage_moves_a_window_elsewhere() -> None:
    """The car is told another EVSE for the same time."""
    hand = two_piles()
    promise = await hand.follow("car-1", arrival_window_s=WINDOW)
    hand.district.put_outages([PlannedOutage(WINDOW[0] + 60.0, WINDOW[1], evse_id=E)])

    await hand.passes(5.0)

    assert promise.answer.choice.evse_id == F
    assert promise.answer.window == WINDOW
    assert promise.answer.change is not None
    assert promise.answer.change.code == "PILE_OUT_OF_USE"
    assert not hand.held(E)
    (claim,) = hand.held(F)
    assert (claim.state, claim.future) == (ClaimState.CONFIRMED, True)


async def test_a_window_begins_when_it_is_time_to_set_out() -> None:
    """The drive and five minutes before; from then on it is the car's live claim."""
    hand = two_piles()
    promise = await hand.follow("car-1", arrival_window_s=WINDOW)
    drive_s = promise.answer.choice.figures.eta_s
    hand.clock.move(3 * HOUR_S - drive_s - 300.0 - 10.0)
    await hand.passes(5.0)
    assert promise.ahead

    await hand.passes(5.0)

    assert not promise.ahead
    assert promise.answer.change is not None
    assert promise.answer.change.code == "WINDOW_BEGINS"
    assert promise.answer.change.text.startswith("A-1 is kept for you from 15:00")
    assert [claim.future for claim in hand.held(E)] == [False]
    await hand.passes(drive_s)
    await hand.brain.guidance.arrived(promise)
    await hand.see(E, EvseStatus.CHARGING)
    occupant = hand.occupant(E)
    assert occupant is not None
    assert occupant.vehicle_id == "car-1"


async def test_a_window_whose_pile_is_broken_then_gets_another_place() -> None:
    """At once when the car must set out, with the reason."""
    hand = two_piles()
    promise = await hand.follow("car-1", arrival_window_s=WINDOW)
    await hand.see(E, EvseStatus.OUTOFORDER)
    assert promise.answer.choice.evse_id == E  # it may be in order by then

    hand.clock.move(3 * HOUR_S - 300.0)
    await hand.passes(5.0)

    assert promise.answer.choice.evse_id == F
    assert promise.answer.change is not None
    assert promise.answer.change.code == "PILE_FAILED"


async def test_nobody_who_comes_for_a_window_is_a_no_show() -> None:
    """Ten minutes after its end, not before; the place is free again."""
    hand = two_piles()
    promise = await hand.follow("car-1", arrival_window_s=WINDOW)
    hand.clock.move(3.5 * HOUR_S + 590.0)
    await hand.passes(5.0)
    assert not promise.closed

    await hand.passes(10.0)

    assert promise.closed == "NO_SHOW"
    assert not hand.held(E)


async def test_a_window_waits_while_its_car_has_another_claim() -> None:
    """One live claim a car: the window begins once the other one is over."""
    hand = two_piles()
    later_one = await hand.follow("car-1", arrival_window_s=WINDOW)
    now = await hand.follow("car-1", 2)
    check_exclusion(hand.claims.table)
    hand.clock.move(0.0)
    assert not later_one.closed
    assert await hand.brain.guidance.release(now.recommendation_id)
    hand.clock.move(3 * HOUR_S - 400.0)
    busy = await hand.follow("car-1", 3)

    await hand.passes(200.0)
    assert later_one.ahead
    await hand.brain.guidance.release(busy.recommendation_id)
    await hand.passes(5.0)

    assert not later_one.ahead


async def test_a_listed_alternative_can_be_kept_instead() -> None:
    """The window moves to the EVSE that the driver chose."""
    hand = two_piles()
    answer = await hand.ask("car-1", arrival_window_s=WINDOW)
    promise = await hand.brain.guidance.confirm(answer.recommendation_id, F)

    assert promise.answer.choice.evse_id == F
    assert [claim.evse_id for claim in hand.claims.table.windows()] == [F]
    assert hand.held(F)[0].lease_until_s == WINDOW[1] + 600.0


@pytest.mark.parametrize(
    ("window", "field"),
    [
        ((NOON_S - 60.0, NOON_S), "arrival_window.to_at"),
        ((NOON_S + 24 * HOUR_S - 60.0, NOON_S + 24 * HOUR_S + 1.0), "arrival_window.to_at"),
    ],
)
async def test_a_window_out_of_reach_is_refused_by_name(
    window: tuple[float, float], field: str
) -> None:
    """Over, or ending more than a day ahead; nothing is kept."""
    hand = two_piles()
    with pytest.raises(FieldInvalid) as caught:
        await hand.ask("car-1", arrival_window_s=window)

    assert [fault.field for fault in caught.value.faults] == [field]
    assert not list(hand.claims.table.live())
    at_bound = NOON_S + 24 * HOUR_S - 60.0, NOON_S + 24 * HOUR_S
    assert (await hand.ask("car-2", arrival_window_s=at_bound)).hold.claim_id


async def test_a_window_outlives_the_process(tmp_path: Path) -> None:
    """Kept, told again under the same request, and begun by the next process."""
    stations = [station("A", 2.0), station("B", 4.0)]
    hand = HandBrain(stations)
    path = tmp_path / "claims.db"
    first = HandBrain(stations, SqliteClaims(path, hand.moment))
    told = (await first.follow("car-1", arrival_window_s=WINDOW)).answer
    await first.brain.close()

    again = HandBrain(stations, SqliteClaims(path, hand.moment))
    await again.brain.start()
    assert (await again.ask("car-1", arrival_window_s=WINDOW)).window == told.window
    promise = again.brain.promises.get(told.recommendation_id)
    assert promise is not None
    assert promise.ahead
    again.clock.move(3 * HOUR_S)
    await again.passes(5.0)

    assert not promise.ahead
    await again.brain.close()


async def test_an_answer_for_a_window_can_be_told_again_word_for_word() -> None:
    """From the stored numbers alone, and in the other language."""
    hand = two_piles()
    answer = await hand.ask("car-1", arrival_window_s=WINDOW)
    kept = await hand.claims.answer(answer.recommendation_id)

    assert kept is not None
    stored = inputs.unpack(kept.inputs)
    assert stored is not None
    assert stored.said is not None
    assert same(retell(answers.decode(kept.answer), stored.said), answer)
    told = retell(answer, stored.said, "zh")
    assert told.choice.summary == "15:00–15:30 为您保留 A-1"


def test_district_as_of_later_leaves_that_of_now_alone() -> None:
    """Cars have left, blocked bays are free, what is broken stays; nothing of now has changed."""
    hand = HandBrain([station("A", 2.0, 4)])
    now = hand.district
    now.status[:] = [
        EvseStatus.CHARGING,
        EvseStatus.BLOCKED,
        EvseStatus.OUTOFORDER,
        EvseStatus.AVAILABLE,
    ]
    now.changed_at_s[:] = NOON_S
    before = now.status.copy()

    soon, late = (later.as_of(now, NOON_S + ahead_s, NOON_S) for ahead_s in (60.0, 2 * HOUR_S))

    assert soon.status.tolist() == before.tolist()
    free = EvseStatus.AVAILABLE
    assert late.status.tolist() == [free, free, EvseStatus.OUTOFORDER, free]
    assert np.array_equal(now.status, before)


async def test_a_window_that_somebody_stays_into_stays_a_window() -> None:
    """The car before it does not go: the window is kept elsewhere, as a window, and told so."""
    hand = HandBrain([station("A", 1.0), station("B", 2.0)])
    first = await hand.follow("first")
    await hand.brain.guidance.arrived(first)
    await hand.see("A-1*1", EvseStatus.CHARGING)
    there = hand.occupant("A-1*1")
    assert there is not None
    from_s = there.to_s + 30.0
    answer = await hand.ask("later", 2, arrival_window_s=(from_s, from_s + 1_200.0))
    promise = hand.brain.promises.get(answer.recommendation_id)
    assert promise is not None
    if promise.answer.choice.evse_id != "A-1*1":
        await hand.brain.guidance.confirm(answer.recommendation_id, "A-1*1")

    hand.brain.watchman.lapses.follows_steps = False  # time passes, and the offer does not lapse
    hand.clock.move(there.to_s - hand.clock.now_s() + 30.0, 0.0)
    await hand.passes(1.0)

    claim = hand.claims.table.get(promise.claim_id)
    assert claim is not None
    assert claim.future == promise.ahead
    assert claim.evse_id == promise.answer.choice.evse_id == "B-1*1"
    assert promise.answer.change is not None
    assert promise.answer.change.code == "OVERSTAY"
