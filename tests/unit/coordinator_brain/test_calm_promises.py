"""Promises of which time has nothing to say are passed over quickly, and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hand_brain import HandBrain
from served_brain import station

from coordinator.core.areas.ledger import ClaimState
from coordinator.usecases.calm import SILENT_CAR_S, calm


async def test_fresh_promise_is_calm() -> None:
    """A car that has just been promised a place, and one that reports, need no look."""
    hand = HandBrain([station("S", 1.0)])
    promise = await hand.follow("car")
    claim, link_s = hand.claims.table.get(promise.claim_id), hand.clock.link_s()

    assert calm(promise, claim, link_s)
    promise.reported_link_s = link_s
    assert calm(promise, claim, link_s + SILENT_CAR_S - 1.0)


@pytest.mark.parametrize(
    "timer", ["retry_link_s", "taken_link_s", "blocked_link_s", "silent_link_s"]
)
async def test_promise_with_a_timer_is_looked_at(timer: str) -> None:
    """Whatever runs against a promise has it looked at."""
    hand = HandBrain([station("S", 1.0)])
    promise = await hand.follow("car")
    claim, link_s = hand.claims.table.get(promise.claim_id), hand.clock.link_s()

    setattr(promise, timer, link_s)

    assert not calm(promise, claim, link_s)


async def test_promise_of_a_lapsed_claim_or_a_silent_car_is_looked_at() -> None:
    """A lease that ended where others needed the place, and a car that fell silent."""
    hand = HandBrain([station("S", 1.0)])
    promise = await hand.follow("car")
    claim, link_s = hand.claims.table.get(promise.claim_id), hand.clock.link_s()
    assert claim is not None

    assert not calm(promise, replace(claim, state=ClaimState.NO_SHOW), link_s)
    promise.reported_link_s = link_s - SILENT_CAR_S
    assert not calm(promise, claim, link_s)
