"""What every engine of the ledger keeps: offers, leases, moves, answers.

Windows in the future, walk-ins and overruns are in `test_claims_stays.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from claim_engines import ENGINES
from claim_wishes import check_exclusion, wish

from coordinator.core.areas.ledger import (
    CAR_IS_CHARGING,
    EMPTY_WINDOW,
    LAPSED,
    OFFER_S,
    OTHER_CLAIM,
    QUEUE_FULL,
    STALE_REVISION,
    TAKEN,
    UNKNOWN_CLAIM,
    ClaimState,
    Moment,
    Move,
    Refused,
    Step,
)
from coordinator.core.vehicle import WarningLevel
from coordinator.usecases.ledger import ClaimStore, KeptAnswer

NOW = Moment(1_000_000.0, 500.0)


def later(seconds: float) -> Moment:
    return Moment(NOW.now_s + seconds, NOW.link_s + seconds)


@pytest.fixture(params=sorted(ENGINES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ClaimStore]:
    """An empty store of each engine."""
    store = ENGINES[request.param](tmp_path, NOW)
    yield store
    await store.close()


async def granted(outcome: Step | Refused) -> Step:
    assert isinstance(outcome, Step), outcome
    return outcome


def why(outcome: Step | Refused) -> str:
    assert isinstance(outcome, Refused), outcome
    return outcome.reason


async def test_one_evse_is_promised_to_one_car_at_an_instant(store: ClaimStore) -> None:
    """The second car is refused, and told who is in the way."""
    await granted(await store.claim(wish("c1", "E1", "car-1", NOW), NOW))
    refused = await store.claim(wish("c2", "E1", "car-2", NOW, begin_s=300), NOW)

    assert why(refused) == TAKEN
    assert isinstance(refused, Refused)
    assert refused.by is not None
    assert refused.by.vehicle_id == "car-1"


async def test_windows_that_only_touch_do_not_exclude_each_other(store: ClaimStore) -> None:
    """A window ends before the instant at which the next begins."""
    await granted(await store.claim(wish("c1", "E1", "car-1", NOW), NOW))
    await granted(await store.claim(wish("c2", "E1", "car-2", NOW, begin_s=600), NOW))

    check_exclusion(store.table)
    assert [claim.claim_id for claim in store.table.of_evse("E1")] == ["c1", "c2"]


async def test_at_most_three_cars_are_promised_one_evse(store: ClaimStore) -> None:
    """The fourth is refused although its window is free."""
    for number in range(3):
        begin_s = number * 600.0
        claim = wish(f"c{number}", "E1", f"car-{number}", NOW, begin_s)
        await granted(await store.claim(claim, NOW))

    assert why(await store.claim(wish("c4", "E1", "car-4", NOW, 1_800.0), NOW)) == QUEUE_FULL


async def test_the_same_claim_id_gives_the_same_claim(store: ClaimStore) -> None:
    """A retry changes nothing; another car's use of the id is refused."""
    first = await granted(await store.claim(wish("c1", "E1", "car-1", NOW), NOW))
    again = await granted(await store.claim(wish("c1", "E1", "car-1", later(1)), later(1)))

    assert again.claim == first.claim
    assert not again.after
    assert why(await store.claim(wish("c1", "E2", "car-2", NOW), NOW)) == OTHER_CLAIM


async def test_a_new_offer_replaces_the_old_one_in_the_same_step(store: ClaimStore) -> None:
    """The old place is free at once for the next car."""
    await granted(await store.claim(wish("c1", "E1", "car-1", NOW), NOW))
    step = await granted(await store.claim(wish("c2", "E2", "car-1", NOW), NOW))

    states = {claim.claim_id: claim.state for claim in step.after}
    assert states == {"c1": ClaimState.RELEASED, "c2": ClaimState.OFFERED}
    await granted(await store.claim(wish("c3", "E1", "car-2", NOW), NOW))


async def test_a_firm_claim_stays_until_the_new_offer_is_confirmed(store: ClaimStore) -> None:
    """Two claims only while moving; confirming the new one ends the old one."""
    await granted(await store.claim(wish("c1", "E1", "car-1", NOW), NOW))
    await granted(await store.confirm("c1", NOW.now_s + 900, NOW))
    step = await granted(await store.claim(wish("c2", "E2", "car-1", NOW), NOW))

    assert step.claim is not None
    assert step.claim.moving
    check_exclusion(store.table)
    await granted(await store.confirm("c2", NOW.now_s + 900, NOW))
    assert [claim.claim_id for claim in store.table.of_car("car-1")] == ["c2"]
    assert not store.table.of_car("car-1")[0].moving


async def test_a_new_offer_on_the_firm_evse_stays_firm(store: ClaimStore) -> None:
    """Asking again must not turn a firm hold into a 30 s offer."""
    await granted(await store.claim(wish("c1", "E1", "car-1", NOW), NOW))
    await granted(await store.confirm("c1", NOW.now_s + 900, NOW))
    step = await granted(await store.claim(wish("c2", "E1", "car-1", NOW), NOW))

    assert step.claim is not None
    assert step.claim.state is ClaimState.CONFIRMED
    assert [claim.claim_id for claim in store.table.live()] == ["c2"]


async def test_an_offer_lapses_by_link_time_and_a_lease_by_domain_time(
    store: ClaimStore,
) -> None:
    """Each ends at its own clock's instant, not before."""
    await granted(await store.claim(wish("c1", "E1", "car-1", NOW), NOW))
    await granted(await store.claim(wish("c2", "E2", "car-2", NOW), NOW))
    await granted(await store.confirm("c2", NOW.now_s + 900, NOW))

    await store.expire(Moment(NOW.now_s + 899, NOW.link_s + OFFER_S - 0.001))
    assert {claim.claim_id for claim in store.table.live()} == {"c1", "c2"}
    await store.expire(Moment(NOW.now_s + 899, NOW.link_s + OFFER_S))
    assert {claim.claim_id for claim in store.table.live()} == {"c2"}
    await store.expire(Moment(NOW.now_s + 900, NOW.link_s + OFFER_S))
    assert not list(store.table.live())
    ended = store.table.get("c1"), store.table.get("c2")
    assert [c.state for c in ended if c] == [ClaimState.EXPIRED, ClaimState.NO_SHOW]


async def test_a_lapsed_claim_makes_way_in_the_step_that_needs_its_place(
    store: ClaimStore,
) -> None:
    """Nobody has to wait for the next sweep."""
    await granted(await store.claim(wish("c1", "E1", "car-1", NOW), NOW))
    after = later(OFFER_S)
    step = await granted(await store.claim(wish("c2", "E1", "car-2", after), after))

    assert {claim.claim_id: claim.state for claim in step.after} == {
        "c1": ClaimState.EXPIRED,
        "c2": ClaimState.OFFERED,
    }


async def test_a_lapsed_offer_cannot_be_confirmed(store: ClaimStore) -> None:
    """Late is late, and an unknown claim is unknown."""
    await granted(await store.claim(wish("c1", "E1", "car-1", NOW), NOW))

    assert why(await store.confirm("c1", NOW.now_s + 900, later(OFFER_S))) == LAPSED
    assert why(await store.confirm("c9", NOW.now_s + 900, NOW)) == UNKNOWN_CLAIM


async def test_a_longer_window_stops_where_the_next_car_begins(store: ClaimStore) -> None:
    """Neither a renewal nor a charge runs into the next promise."""
    await granted(await store.claim(wish("c1", "E1", "car-1", NOW), NOW))
    await granted(await store.confirm("c1", NOW.now_s + 5_000, NOW))
    await granted(await store.claim(wish("c2", "E1", "car-2", NOW, begin_s=700), NOW))

    renewed = await granted(await store.renew("c1", NOW.now_s + 6_000, NOW.now_s + 3_000, NOW))
    occupied = await granted(await store.occupy("c1", NOW.now_s + 3_000, NOW))

    assert renewed.claim is not None
    assert occupied.claim is not None
    assert renewed.claim.to_s == occupied.claim.to_s == NOW.now_s + 700
    check_exclusion(store.table)


async def test_a_new_level_changes_nothing_else(store: ClaimStore) -> None:
    """A car that became more urgent holds what it held; a lapsed claim takes no level."""
    before = (await granted(await store.claim(wish("c1", "E1", "car-1", NOW), NOW))).claim
    assert before is not None

    after = (await granted(await store.relevel("c1", WarningLevel.HIGH, NOW))).claim

    assert after == replace(before, level=WarningLevel.HIGH)
    assert why(await store.relevel("c1", WarningLevel.LOW, later(OFFER_S))) == LAPSED


async def test_a_charging_car_gets_no_second_place(store: ClaimStore) -> None:
    """It is served; its place is free again once it has gone."""
    await granted(await store.claim(wish("c1", "E1", "car-1", NOW), NOW))
    await granted(await store.occupy("c1", NOW.now_s + 900, NOW))

    assert why(await store.claim(wish("c2", "E2", "car-1", NOW), NOW)) == CAR_IS_CHARGING
    await store.finish("c1", later(900))
    await granted(await store.claim(wish("c3", "E1", "car-2", later(900)), later(900)))


async def test_moves_are_made_together_or_not_at_all(store: ClaimStore) -> None:
    """Two cars change places in one step; one that cannot leaves all as they were."""
    for name, evse, car in (("c1", "E1", "car-1"), ("c2", "E2", "car-2"), ("c3", "E3", "car-3")):
        await granted(await store.claim(wish(name, evse, car, NOW), NOW))
    before = set(store.table.live())
    swap = [
        Move("c1", wish("c4", "E2", "car-1", NOW)),
        Move("c2", wish("c5", "E1", "car-2", NOW)),
    ]
    blocked = [swap[0], Move("c2", wish("c6", "E3", "car-2", NOW))]

    assert why(await store.apply(blocked, {}, NOW)) == TAKEN
    assert set(store.table.live()) == before
    assert why(await store.apply(swap, {"c1": 2}, NOW)) == STALE_REVISION
    assert set(store.table.live()) == before
    await granted(await store.apply(swap, {"c1": 1, "c2": 1}, NOW))
    assert {c.vehicle_id: c.evse_id for c in store.table.live()} == {
        "car-1": "E2",
        "car-2": "E1",
        "car-3": "E3",
    }
    check_exclusion(store.table)


async def test_a_window_must_have_a_length(store: ClaimStore) -> None:
    """Nothing, less than nothing and for ever are no windows."""
    for length_s in (0.0, -1.0, float("inf"), float("nan")):
        claim = wish("c1", "E1", "car-1", NOW, length_s=length_s)
        assert why(await store.claim(claim, NOW)) == EMPTY_WINDOW


async def test_an_answer_is_found_by_its_names(store: ClaimStore) -> None:
    """By recommendation and by request, in its newest form."""
    answer = KeptAnswer("rec-c1", "request-1", "car-1", b"one", b"asked", b"")
    await store.claim(wish("c1", "E1", "car-1", NOW), NOW, lambda step: (answer,))
    await store.keep_answer(replace(answer, answer=b"two"), NOW)

    by_name = await store.answer("rec-c1")
    by_request = await store.answer_to("request-1")

    assert by_name is not None
    assert by_name.answer == b"two"
    assert by_request == by_name
    assert await store.answer("rec-c9") is None
    assert await store.answer_to("request-9") is None


async def test_watchers_hear_which_evses_changed(store: ClaimStore) -> None:
    """The picture follows the ledger without asking."""
    heard: list[set[str]] = []
    store.watchers.append(lambda evse_ids: heard.append(set(evse_ids)))
    await store.claim(wish("c1", "E1", "car-1", NOW), NOW)
    await store.claim(wish("c2", "E2", "car-1", NOW), NOW)

    assert heard == [{"E1"}, {"E1", "E2"}]


async def test_many_cars_at_once_get_one_place_each(store: ClaimStore) -> None:
    """Of a hundred simultaneous wishes for ten EVSEs, ten are granted."""
    outcomes = await asyncio.gather(
        *(
            store.claim(wish(f"c{number}", f"E{number % 10}", f"car-{number}", NOW), NOW)
            for number in range(100)
        )
    )

    assert sum(isinstance(outcome, Step) for outcome in outcomes) == 10
    check_exclusion(store.table)
