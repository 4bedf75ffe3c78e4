"""What every engine keeps of windows in the future, walk-ins, overruns and fences."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from claim_engines import DURABLE, ENGINES, Open
from claim_wishes import check_exclusion, wish

from coordinator.core.areas.ledger import (
    AHEAD_S,
    CAR_IS_CHARGING,
    LAPSED,
    NOT_CHARGING,
    OFFER_S,
    OTHER_CLAIM,
    TAKEN,
    TOO_FAR_AHEAD,
    Claim,
    ClaimState,
    Moment,
    Move,
    Refused,
    Step,
)
from coordinator.usecases.fences import Fences
from coordinator.usecases.ledger import ClaimStore

NOW = Moment(1_000_000.0, 500.0)
HOUR_S = 3_600.0


def later(seconds: float) -> Moment:
    return Moment(NOW.now_s + seconds, NOW.link_s + seconds)


@pytest.fixture(params=sorted(ENGINES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ClaimStore]:
    """An empty store of each engine."""
    store = ENGINES[request.param](tmp_path, NOW)
    yield store
    await store.close()


def granted(outcome: Step | Refused) -> Claim:
    assert isinstance(outcome, Step), outcome
    assert outcome.claim is not None
    return outcome.claim


def why(outcome: Step | Refused) -> str:
    assert isinstance(outcome, Refused), outcome
    return outcome.reason


def windows(store: ClaimStore, evse: str = "E1") -> dict[str, tuple[float, float]]:
    """Windows on an EVSE by car, seconds from now."""
    return {
        claim.vehicle_id: (claim.from_s - NOW.now_s, claim.to_s - NOW.now_s)
        for claim in store.table.on_evse(evse)
    }


async def firm(store: ClaimStore, asked: Claim, lease_s: float = 900.0) -> Claim:
    """A confirmed claim."""
    granted(await store.claim(asked, NOW))
    return granted(await store.confirm(asked.claim_id, NOW.now_s + lease_s, NOW))


async def test_a_window_in_the_future_excludes_others_then_and_nobody_before(
    store: ClaimStore,
) -> None:
    """An EVSE kept for noon can be had until noon."""
    granted(await store.claim(wish("w1", "E1", "car-1", NOW, HOUR_S, future=True), NOW))

    granted(await store.claim(wish("c2", "E1", "car-2", NOW, length_s=HOUR_S), NOW))
    assert why(await store.claim(wish("c3", "E1", "car-3", NOW, HOUR_S + 1), NOW)) == TAKEN
    window = wish("w3", "E1", "car-3", NOW, HOUR_S + 1, future=True)
    assert why(await store.claim(window, NOW)) == TAKEN
    check_exclusion(store.table)


async def test_a_car_has_one_window_in_the_future_beside_its_live_claim(store: ClaimStore) -> None:
    """A second window replaces the first; what the car holds now stays."""
    await firm(store, wish("c1", "E1", "car-1", NOW))
    await firm(store, wish("w1", "E2", "car-1", NOW, HOUR_S, future=True), HOUR_S + 1200)
    step = await store.claim(wish("w2", "E3", "car-1", NOW, 2 * HOUR_S, future=True), NOW)

    window = granted(step)
    assert window.state is ClaimState.CONFIRMED  # as firm as the one that it replaces
    assert window.lease_until_s == window.to_s + 600.0  # and as long after its end
    assert [c.claim_id for c in store.table.of_car("car-1")] == ["c1"]
    assert [c.claim_id for c in store.table.windows_of_car("car-1")] == ["w2"]
    check_exclusion(store.table)


async def test_a_window_begins_within_a_day(store: ClaimStore) -> None:
    """The bound holds on both sides."""
    at_bound = wish("w1", "E1", "car-1", NOW, AHEAD_S, future=True)
    beyond = wish("w2", "E2", "car-2", NOW, AHEAD_S + 1.0, future=True)

    granted(await store.claim(at_bound, NOW))
    assert why(await store.claim(beyond, NOW)) == TOO_FAR_AHEAD


async def test_an_own_window_is_in_the_way_of_an_own_claim_on_the_same_evse(
    store: ClaimStore,
) -> None:
    """An instant of an EVSE is promised once, also to the same car."""
    granted(await store.claim(wish("w1", "E1", "car-1", NOW, 300.0, future=True), NOW))

    assert why(await store.claim(wish("c1", "E1", "car-1", NOW), NOW)) == TAKEN


async def test_a_window_becomes_the_live_claim_when_the_car_sets_out(store: ClaimStore) -> None:
    """Not before it was confirmed, and not beside another live claim."""
    window = wish("w1", "E1", "car-1", NOW, HOUR_S, future=True)
    granted(await store.claim(window, NOW))
    assert why(await store.begin("w1", NOW)) == LAPSED
    granted(await store.confirm("w1", NOW.now_s + 2 * HOUR_S, NOW))
    await firm(store, wish("c1", "E2", "car-1", NOW))

    assert why(await store.begin("w1", NOW)) == OTHER_CLAIM
    begun = granted(await store.begin("w1", NOW, instead=True))

    assert not begun.future
    assert [c.claim_id for c in store.table.of_car("car-1")] == ["w1"]
    assert not store.table.windows_of_car("car-1")
    ended = store.table.get("c1")
    assert ended is not None
    assert ended.state is ClaimState.RELEASED


async def test_a_window_waits_until_its_car_has_charged_elsewhere(store: ClaimStore) -> None:
    """A car that is plugged in drives nowhere, whatever it asks."""
    await firm(store, wish("w1", "E1", "car-1", NOW, HOUR_S, future=True), 2 * HOUR_S)
    await firm(store, wish("c1", "E2", "car-1", NOW))
    granted(await store.occupy("c1", NOW.now_s + 900, NOW))

    assert why(await store.begin("w1", NOW, instead=True)) == CAR_IS_CHARGING
    await store.finish("c1", later(900))
    granted(await store.begin("w1", later(900)))


async def test_nobody_came_for_a_window(store: ClaimStore) -> None:
    """Its lease ends as any other: the place is free for the next car."""
    await firm(store, wish("w1", "E1", "car-1", NOW, HOUR_S, future=True), 2 * HOUR_S)

    await store.expire(later(2 * HOUR_S - 1))
    assert [c.claim_id for c in store.table.live()] == ["w1"]
    await store.expire(later(2 * HOUR_S))
    ended = store.table.get("w1")
    assert ended is not None
    assert ended.state is ClaimState.NO_SHOW


async def test_a_car_may_plug_in_before_its_window(store: ClaimStore) -> None:
    """The claim covers it from now on, and whoever was to be there is put off."""
    await firm(store, wish("w1", "E1", "car-1", NOW, 900.0, future=True), HOUR_S)
    await firm(store, wish("c2", "E1", "car-2", NOW, length_s=800.0))

    occupied = granted(await store.occupy("w1", NOW.now_s + 1_200.0, NOW))

    assert (occupied.future, occupied.from_s) == (False, NOW.now_s)
    assert windows(store) == {"car-1": (0.0, 1_200.0), "car-2": (1_200.0, 2_000.0)}
    check_exclusion(store.table)


async def test_a_walk_in_is_a_claim_without_a_car(store: ClaimStore) -> None:
    """It has the EVSE at once; who was promised it is put off in the same step."""
    held = await firm(store, wish("c1", "E1", "car-1", NOW, length_s=900.0))
    granted(await store.claim(wish("c2", "E1", "car-2", NOW, 900.0, 600.0), NOW))

    step = await store.walk_in("x1", "E1", NOW.now_s + 500.0, NOW)

    assert granted(step).state is ClaimState.OCCUPIED
    assert windows(store) == {"": (0.0, 500.0), "car-1": (500.0, 1_400.0), "car-2": (1_400, 2_000)}
    put_off = store.table.get("c1")
    assert put_off is not None
    assert put_off.lease_until_s == held.lease_until_s + 500.0  # who has to wait is not late
    check_exclusion(store.table)
    again = granted(await store.walk_in("x1", "E1", NOW.now_s + 500.0, NOW))
    assert again.claim_id == "x1"
    assert why(await store.walk_in("x2", "E1", NOW.now_s + 500.0, NOW)) == TAKEN


async def test_a_walk_in_takes_no_place_of_the_queue(store: ClaimStore) -> None:
    """Three cars can be promised an EVSE at which somebody charges."""
    granted(await store.walk_in("x1", "E1", NOW.now_s + 600.0, NOW))

    for number in range(1, 4):
        asked = wish(f"c{number}", "E1", f"car-{number}", NOW, number * 600.0)
        granted(await store.claim(asked, NOW))
    check_exclusion(store.table)


async def test_an_overrun_puts_off_whoever_follows_in_the_same_step(store: ClaimStore) -> None:
    """With their leases, and no further than needed; there is never an instant with two."""
    await firm(store, wish("c1", "E1", "car-1", NOW))
    granted(await store.occupy("c1", NOW.now_s + 600.0, NOW))
    await firm(store, wish("c2", "E1", "car-2", NOW, 600.0, 300.0), lease_s=1_000.0)
    await firm(store, wish("w3", "E1", "car-3", NOW, 3_000.0, future=True), HOUR_S)

    step = await store.overrun("c1", NOW.now_s + 900.0, (), {}, later(600))

    assert isinstance(step, Step)
    assert {claim.claim_id for claim in step.after} == {"c1", "c2"}
    assert windows(store) == {"car-1": (0, 900), "car-2": (900, 1_200), "car-3": (3_000, 3_600)}
    waiting = store.table.get("c2")
    assert waiting is not None
    assert waiting.lease_until_s == NOW.now_s + 1_300.0
    check_exclusion(store.table)


async def test_an_overrun_moves_followers_elsewhere_or_changes_nothing(store: ClaimStore) -> None:
    """The follower's move and the longer stay are one step."""
    await firm(store, wish("c1", "E1", "car-1", NOW))
    granted(await store.occupy("c1", NOW.now_s + 600.0, NOW))
    await firm(store, wish("c2", "E1", "car-2", NOW, 600.0))
    await firm(store, wish("c3", "E2", "car-3", NOW))
    taken = replace(wish("c4", "E2", "car-2", NOW), state=ClaimState.CONFIRMED)
    free = replace(wish("c4", "E3", "car-2", NOW), state=ClaimState.CONFIRMED)
    before = set(store.table.live())

    refused = await store.overrun("c1", NOW.now_s + 900.0, [Move("c2", taken)], {}, NOW)
    assert why(refused) == TAKEN
    assert set(store.table.live()) == before
    granted(await store.overrun("c1", NOW.now_s + 900.0, [Move("c2", free)], {}, NOW))

    assert windows(store) == {"car-1": (0, 900)}
    assert [c.evse_id for c in store.table.of_car("car-2")] == ["E3"]
    assert why(await store.overrun("c3", NOW.now_s + 900.0, (), {}, NOW)) == NOT_CHARGING


async def test_a_claim_that_another_car_used_goes_on_as_a_walk_ins(store: ClaimStore) -> None:
    """The EVSE stays taken, and the car may ask again."""
    await firm(store, wish("c1", "E1", "car-1", NOW))
    assert why(await store.disown("c1", "x1", NOW)) == NOT_CHARGING
    granted(await store.occupy("c1", NOW.now_s + 600.0, NOW))

    granted(await store.disown("c1", "x1", NOW))

    assert windows(store) == {"": (0.0, 600.0)}
    granted(await store.claim(wish("c2", "E2", "car-1", NOW), NOW))
    check_exclusion(store.table)


async def test_an_offer_beside_a_firm_claim_can_be_a_move(store: ClaimStore) -> None:
    """The old place stays until the new one is confirmed, or the offer lapses."""
    await firm(store, wish("c1", "E1", "car-1", NOW))
    beside = replace(wish("c2", "E2", "car-1", NOW), moving=True)

    granted(await store.apply([Move("", beside)], {}, NOW))
    check_exclusion(store.table)
    third = replace(wish("c3", "E3", "car-1", NOW), moving=True)
    assert why(await store.apply([Move("", third)], {}, NOW)) == OTHER_CLAIM
    await store.expire(later(OFFER_S))

    assert [c.claim_id for c in store.table.of_car("car-1")] == ["c1"]
    granted(await store.apply([Move("", third)], {}, NOW))
    granted(await store.confirm("c3", NOW.now_s + 900.0, NOW))
    assert [c.claim_id for c in store.table.of_car("car-1")] == ["c3"]


@pytest.mark.parametrize("opened", DURABLE.values(), ids=DURABLE)
async def test_windows_walk_ins_and_fences_outlive_the_process(
    opened: Open, tmp_path: Path
) -> None:
    """After a restart the same is excluded, and no fence is drawn below one before it."""
    store = opened(tmp_path, NOW)
    await firm(store, wish("c1", "E1", "car-1", NOW))
    granted(await store.claim(replace(wish("c2", "E3", "car-1", NOW), moving=True), NOW))
    await firm(store, wish("w1", "E2", "car-1", NOW, HOUR_S, future=True), 2 * HOUR_S)
    granted(await store.walk_in("x1", "E1", NOW.now_s + 500.0, NOW))
    first = await Fences(store).issue("E1", 5_000.0)
    before = set(store.table.live())
    await store.close()

    again = opened(tmp_path, later(1))
    # An hour back: somebody has set the clock.
    second = await Fences(again).issue("E1", 5_000.0 - HOUR_S)

    def lasting(claim: Claim) -> Claim:
        return replace(claim, lease_until_s=0.0)  # offers get a whole new lease

    assert {lasting(claim) for claim in again.table.live()} == {lasting(c) for c in before}
    assert second > first
    await again.close()
