"""What happens to promises when the system's clock is set, forward or back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from claim_wishes import check_exclusion
from hand_agents import HandAgents
from hand_brain import HandBrain
from served_brain import station

from coordinator.core.areas.ledger import ClaimState
from coordinator.core.pile import EvseStatus
from coordinator.core.vehicle import Fix
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.usecases.fences import Fences

HOUR_S = 3_600.0


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])
async def test_an_hour_costs_nobody_its_place(step_s: float) -> None:
    """Whoever is on the way keeps what is left of its lease, and is told nothing."""
    hand = HandBrain([station("A", 1.0), station("B", 2.0)])
    promise = await hand.follow("car-1")
    claim = hand.claims.table.get(promise.claim_id)
    assert claim is not None
    left_s = claim.lease_until_s - hand.clock.now_s()
    revision = promise.answer.revision

    hand.clock.move(step_s, 0.0)
    await hand.passes(1.0)

    claim = hand.claims.table.get(promise.claim_id)
    assert claim is not None
    assert claim.state is ClaimState.CONFIRMED
    assert claim.lease_until_s - hand.clock.now_s() == pytest.approx(left_s - 1.0)
    assert promise.answer.hold.until_s == claim.lease_until_s
    assert (promise.closed, promise.answer.revision) == ("", revision)


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])
async def test_who_does_not_come_loses_its_place_as_long_after_as_ever(step_s: float) -> None:
    """The lease ends after the time that was left, not at once and not an hour later."""
    hand = HandBrain([station("A", 1.0)])
    promise = await hand.follow("car-1")
    claim = hand.claims.table.get(promise.claim_id)
    assert claim is not None
    left_s = claim.lease_until_s - hand.clock.now_s()
    hand.clock.move(step_s, 0.0)

    await hand.passes(left_s - 20.0)
    assert promise.closed == ""
    await hand.passes(40.0)

    assert promise.closed == "NO_SHOW"


async def test_a_car_that_charges_is_not_thought_to_overstay() -> None:
    """The planned end moves with the clock: nobody behind it is sent away."""
    hand = HandBrain([station("A", 1.0)])
    first = await hand.follow("first")
    await hand.brain.guidance.arrived(first)
    await hand.see("A-1*1", EvseStatus.CHARGING)
    second = await hand.follow("second", 2)
    revision = second.answer.revision

    hand.clock.move(HOUR_S, 0.0)
    await hand.passes(5.0)

    assert second.answer.revision == revision
    assert hand.district.overstay_risk == 0.1


async def test_a_window_in_the_future_is_at_the_hour_that_was_asked_for(tmp_path: Path) -> None:
    """It stays where it is by the clock, and is put off only by whom it would run into."""
    moment = HandBrain([]).moment
    hand = HandBrain([station("A", 1.0)], SqliteClaims(tmp_path / "claims.db", moment))
    from_s = hand.clock.now_s() + 2.0 * HOUR_S
    answer = await hand.ask("later", 2, arrival_window_s=(from_s, from_s + 1_200.0))
    window = await hand.brain.guidance.confirm(answer.recommendation_id)
    await hand.follow("car-1")

    hand.clock.move(HOUR_S / 2.0, 0.0)
    await hand.passes(1.0)
    claim = hand.claims.table.get(window.claim_id)
    assert claim is not None
    assert claim.from_s == from_s
    hand.clock.move(HOUR_S, 0.0)
    await hand.passes(1.0)

    check_exclusion(hand.claims.table)
    live = {(c.claim_id, c.from_s, c.to_s) for c in hand.claims.table.live()}
    await hand.brain.close()
    again = SqliteClaims(tmp_path / "claims.db", hand.moment)
    assert {(c.claim_id, c.from_s, c.to_s) for c in again.table.live()} == live
    await again.close()


async def test_small_corrections_are_left_alone() -> None:
    """Half a minute is less than what leases are made for."""
    hand = HandBrain([station("A", 1.0)])
    promise = await hand.follow("car-1")
    until_s = promise.answer.hold.until_s

    hand.clock.move(25.0, 0.0)
    await hand.passes(1.0)

    assert promise.answer.hold.until_s == until_s


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])
async def test_what_a_pile_keeps_is_prolonged_and_given_back_as_ever(step_s: float) -> None:
    """The agent counts seconds by itself: the coordinator's idea of them moves with the clock."""
    hand = HandBrain([station("A", 1.0)])
    agents = HandAgents(hand.clock)
    hand.brain.hold_at_piles(hand.district, agents, Fences(hand.claims))  # type: ignore[arg-type]
    promise = await hand.follow("car-1", id_token="TAG-1")
    await settled(hand)
    before_s = agents.keeps["A-1*1"][1]

    hand.clock.move(step_s, 0.0)
    await hand.passes(1.0)
    for _ in range(5):
        await hand.passes(61.0)
        fix = Fix(promise.request.latitude_deg, promise.request.longitude_deg, 50.0)
        await hand.brain.guidance.progress(promise, fix)
        await settled(hand)

    assert agents.keeps["A-1*1"][1] > before_s + 120.0
    await hand.brain.guidance.release(promise.recommendation_id)
    await settled(hand)
    assert agents.keeps == {}


async def settled(hand: HandBrain) -> None:
    """Carries to the piles what was promised."""
    holding: Any = hand.brain.holding
    while holding._marked:
        await holding._try(holding._marked.pop())
