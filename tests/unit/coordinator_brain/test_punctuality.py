"""How often guided cars stay longer than they said, and what those behind are told of it."""

from __future__ import annotations

import pytest
from hand_brain import HandBrain
from served_brain import station

from coordinator.core.areas.ledger import ClaimState
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.waiting import KNOWN_OCCUPANT_RISK
from coordinator.usecases.punctuality import LATE_S, PRIOR_STAYS, Punctuality

BUSY, FREE = EvseStatus.CHARGING, EvseStatus.AVAILABLE


async def stay(hand: HandBrain, number: int, longer_s: float) -> None:
    """A car comes, stays so much longer than it said, and goes."""
    promise = await hand.follow(f"car-{number}", number)
    await hand.brain.guidance.arrived(promise)
    await hand.see("A-1*1", BUSY)
    claim = hand.occupant("A-1*1")
    assert claim is not None
    assert claim.vehicle_id
    await hand.passes(claim.to_s - hand.clock.now_s() + longer_s)
    await hand.see("A-1*1", FREE)
    assert hand.occupant("A-1*1") is None


async def test_one_of_ten_is_thought_to_stay_longer_before_any_has() -> None:
    """Without experience the usual share counts."""
    hand = HandBrain([station("A", 1.0)])

    assert hand.district.overstay_risk == KNOWN_OCCUPANT_RISK


async def test_every_stay_counts_beside_ten_usual_ones() -> None:
    """Two that end as planned lower the share, one that is late raises it again."""
    hand = HandBrain([station("A", 1.0)])
    prior = PRIOR_STAYS * KNOWN_OCCUPANT_RISK

    for number in (1, 2):
        await stay(hand, number, -60.0)
    assert hand.district.overstay_risk == pytest.approx(prior / (PRIOR_STAYS + 2))
    await stay(hand, 3, LATE_S + 60.0)

    assert hand.district.overstay_risk == pytest.approx((prior + 1) / (PRIOR_STAYS + 3))


async def test_a_few_minutes_more_are_as_planned() -> None:
    """Who goes within five minutes of its plan is no car that stays longer."""
    hand = HandBrain([station("A", 1.0)])

    await stay(hand, 1, LATE_S - 60.0)

    expected = PRIOR_STAYS * KNOWN_OCCUPANT_RISK / (PRIOR_STAYS + 1)
    assert hand.district.overstay_risk == pytest.approx(expected)


async def test_walk_ins_say_nothing_of_guided_cars() -> None:
    """Nobody told how long a walk-in would stay."""
    hand = HandBrain([station("A", 1.0)])
    await hand.see("A-1*1", BUSY)
    await hand.passes(7_200.0)

    await hand.see("A-1*1", FREE)

    assert hand.district.overstay_risk == KNOWN_OCCUPANT_RISK


async def test_two_stays_at_one_pile_are_two() -> None:
    """The claim of the next car ends the stay of the one before, whatever was missed between."""
    hand = HandBrain([station("A", 1.0)])
    kept = Punctuality(hand.district, hand.claims.table, hand.clock)
    hand.claims.watchers.append(kept.on_claims)

    for number in (1, 2):
        await stay(hand, number, -60.0)
        kept.on_claims(["A-1*1", "A-1*1"])

    assert (kept.ended, kept.late) == (2, 0)


async def test_a_pile_whose_cars_stay_longer_makes_the_wait_behind_them_longer() -> None:
    """Who asks for a turn is told a longer wait where cars have not kept their word."""
    told = []
    for longer_s in (-60.0, LATE_S + 60.0):
        hand = HandBrain([station("A", 1.0)])
        for number in range(12):
            await stay(hand, number, longer_s)
        promise = await hand.follow("first", 50)
        await hand.brain.guidance.arrived(promise)
        await hand.see("A-1*1", BUSY)
        claim = hand.occupant("A-1*1")
        assert claim is not None
        assert claim.state is ClaimState.OCCUPIED
        await hand.passes(claim.to_s - hand.clock.now_s() - 10.0)
        figures = (await hand.ask("second", 51)).choice.figures
        assert figures.wait_s == 0.0  # by plan
        told.append((figures.p_free, figures.expected_wait_s))

    assert told[1][0] < told[0][0]
    assert told[1][1] > told[0][1]
