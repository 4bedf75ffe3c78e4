"""Several coordinators on one PostgreSQL: its constraints decide, and its clock ends leases."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from claim_wishes import check_exclusion, wish
from private_postgres import cluster, fresh_schema, patient

from coordinator.core.areas.ledger import (
    OFFER_S,
    TAKEN,
    Claim,
    ClaimState,
    Moment,
    Move,
    Refused,
    Step,
)
from coordinator.core.vehicle import ChargingRequest, Vehicle
from coordinator.errors import StoreUnavailable
from coordinator.store import postgres_link, postgres_people
from coordinator.store.postgres import PostgresClaims
from coordinator.usecases.fences import Fences
from coordinator.usecases.ledger import KeptAnswer
from coordinator.usecases.person import Person

Another = Callable[[], PostgresClaims]
DAY_S = 86_400.0
END_S = 90.0  # far more than anything here takes


def now(ahead_s: float = 0.0) -> Moment:
    """The moment of a coordinator whose clock goes so far ahead."""
    return Moment(time.time() + ahead_s, time.monotonic() + ahead_s)


@pytest.fixture
async def another(tmp_path: Path) -> AsyncIterator[Another]:
    """Opens one more coordinator's ledger on the same database."""
    schema, opened = fresh_schema(), []

    def one() -> PostgresClaims:
        store = PostgresClaims(
            patient(cluster().dsn()), "north", tmp_path, now(), schema=schema, patience_s=END_S
        )
        opened.append(store)
        return store

    yield one
    for store in opened:
        await store.close()


def granted(outcome: Step | Refused) -> Claim:
    assert isinstance(outcome, Step), outcome
    assert outcome.claim is not None
    return outcome.claim


async def rows(store: PostgresClaims, query: str) -> list[Any]:
    return await store._link.ask(query)


async def live_rows(store: PostgresClaims) -> list[tuple[str, str]]:
    return await rows(store, "SELECT claim_id, evse_id FROM claim WHERE state <= 3 ORDER BY 1")


async def test_two_coordinators_never_give_one_place_twice(another: Another) -> None:
    """Of two hundred wishes for ten EVSEs through two of them, ten are granted."""
    stores = another(), another()

    outcomes = await asyncio.gather(
        *(
            stores[n % 2].claim(wish(f"c{n}", f"E{n // 2 % 10}", f"car-{n}", now()), now())
            for n in range(200)
        )
    )

    assert sum(isinstance(outcome, Step) for outcome in outcomes) == 10
    assert len(await live_rows(stores[0])) == 10
    for store in stores:
        await store.catch_up(now())
        check_exclusion(store.table)
        assert len(list(store.table.live())) == 10


async def test_a_car_that_asks_two_coordinators_holds_one_place(another: Another) -> None:
    """The later offer replaces the earlier one, also where the first is not known."""
    one, other = another(), another()
    granted(await one.claim(wish("c1", "E1", "car-1", now()), now()))

    granted(await other.claim(wish("c2", "E2", "car-1", now()), now()))

    assert await live_rows(one) == [("c2", "E2")]


async def test_at_most_three_cars_queue_whoever_promised(another: Another) -> None:
    """The fourth is refused by a coordinator that knows of none of them."""
    one, other = another(), another()
    for n in range(3):
        granted(await one.claim(wish(f"c{n}", "E1", f"car-{n}", now(), n * 700.0), now()))

    refused = await other.claim(wish("c3", "E1", "car-3", now(), 3 * 700.0), now())

    assert isinstance(refused, Refused)


async def test_an_offer_of_one_coordinator_is_confirmed_by_another(another: Another) -> None:
    """Cars need not come back to who answered them."""
    one, other = another(), another()
    granted(await one.claim(wish("c1", "E1", "car-1", now()), now()))

    firm = granted(await other.confirm("c1", now().now_s + 900.0, now()))

    assert firm.state is ClaimState.CONFIRMED
    assert await rows(one, "SELECT state FROM claim") == [(2,)]


async def test_moves_on_stale_knowledge_change_nothing(another: Another) -> None:
    """One of two moves goes where another coordinator has sent a car: neither is made."""
    one, other = another(), another()
    for n in (1, 2):
        granted(await one.claim(wish(f"c{n}", f"E{n}", f"car-{n}", now()), now()))
    granted(await other.claim(wish("c9", "E4", "car-9", now()), now()))
    moves = [
        Move("c1", wish("c3", "E3", "car-1", now())),
        Move("c2", wish("c4", "E4", "car-2", now())),
    ]

    refused = await one.apply(moves, {"c1": 1, "c2": 1}, now())

    assert isinstance(refused, Refused)
    assert refused.reason == TAKEN
    assert await live_rows(one) == [("c1", "E1"), ("c2", "E2"), ("c9", "E4")]
    assert {claim.claim_id for claim in one.table.live()} == {"c1", "c2", "c9"}


@pytest.mark.parametrize("ahead_s", [DAY_S, -DAY_S])
async def test_T3_wrong_clock_here_ends_no_lease_there(another: Another, ahead_s: float) -> None:
    """A coordinator whose clock is a day off takes no place whose lease runs."""
    one, other = another(), another()
    granted(await one.claim(wish("c1", "E1", "car-1", now(), length_s=3 * DAY_S), now()))
    granted(await one.confirm("c1", now().now_s + 900.0, now()))
    await other.catch_up(now())
    off = now(ahead_s)

    asked = wish("c2", "E1", "car-2", Moment(now().now_s, off.link_s), length_s=3 * DAY_S)
    refused = await other.claim(asked, off)
    await other.expire(off)

    assert isinstance(refused, Refused)
    assert await live_rows(one) == [("c1", "E1")]


async def test_a_lapsed_lease_makes_way_by_the_clock_of_the_database(another: Another) -> None:
    """Its end and the next grant are one transaction, in whatever coordinator asks."""
    one, other = another(), another()
    at = now()
    brief = replace(wish("c1", "E1", "car-1", at), lease_until_s=at.link_s + 1.0)
    granted(await one.claim(brief, at))

    end_s, outcome = time.monotonic() + END_S, await _asked(other)
    while isinstance(outcome, Refused) and time.monotonic() < end_s:
        await asyncio.sleep(0.05)
        outcome = await _asked(other)

    states = {claim.claim_id: claim.state for claim in _step(outcome).after}
    assert states == {"c1": ClaimState.EXPIRED, "c2": ClaimState.OFFERED}
    assert await live_rows(one) == [("c2", "E1")]


async def _asked(store: PostgresClaims) -> Step | Refused:
    return await store.claim(wish("c2", "E1", "car-2", now()), now())


def _step(outcome: Step | Refused) -> Step:
    assert isinstance(outcome, Step), outcome
    return outcome


async def test_a_step_whose_outcome_was_lost_is_made_once(
    another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks after the commit: the retry finds the step, and stores no answer."""
    store = another()
    await store.claim(wish("c0", "E0", "car-0", now()), now())
    connection, lost = store._link._writing, []
    execute = connection.execute

    async def losing(*words: Any) -> Any:
        await execute(*words)
        lost.append(words)
        raise _driver().OperationalError("the connection was lost")

    monkeypatch.setattr(connection, "execute", losing)
    answer = KeptAnswer("rec-c1", "request-1", "car-1", b"one", b"asked", b"")
    granted(await store.claim(wish("c1", "E1", "car-1", now()), now(), lambda step: (answer,)))

    assert len(lost) == 1
    assert await live_rows(store) == [("c0", "E0"), ("c1", "E1")]
    assert await rows(store, "SELECT recommendation_id FROM answer") == [("rec-c1",)]


async def test_a_step_that_was_given_up_leaves_no_place_taken(another: Another) -> None:
    """Who was told no is not held for when the database comes round at last."""
    store = another()
    granted(await store.claim(wish("c0", "E0", "car-0", now()), now()))
    store._link.patience_s = 0.3
    # An offer that would end by itself only after the test has.
    lasting = replace(wish("c1", "E1", "car-1", now()), lease_until_s=now().link_s + 3 * END_S)
    blocker = await _driver().AsyncConnection.connect(cluster().dsn(), autocommit=True)
    async with blocker:
        await blocker.execute("SELECT pg_advisory_lock(hashtextextended('E1', 0))")
        with pytest.raises(StoreUnavailable):
            await store.claim(lasting, now())
        assert store.table.get("c1") is None
        await blocker.execute("SELECT pg_advisory_unlock_all()")
    store._link.patience_s = END_S

    async with asyncio.timeout(END_S):
        outcome: Step | Refused | None = None
        while not isinstance(outcome, Step):
            await asyncio.sleep(0.02)
            with contextlib.suppress(StoreUnavailable):
                outcome = await store.claim(wish("c2", "E1", "car-2", now()), now())

    assert await live_rows(store) == [("c0", "E0"), ("c2", "E1")]


async def test_a_move_that_comes_late_leaves_the_car_its_place(another: Another) -> None:
    """Its old place has ended with it, so the new one is not given back; whoever keeps the promise
    is told of it, and an answer is found by its request."""
    store = another()
    first = granted(await store.claim(wish("c1", "E1", "car-1", now()), now()))
    store._link.patience_s = 0.3
    there = replace(
        wish("c2", "E2", "car-1", now()),
        recommendation_id=first.recommendation_id,
        lease_until_s=now().link_s + 3 * END_S,
    )
    answer = KeptAnswer(first.recommendation_id, "request-1", "car-1", b"moved", b"asked")
    heard: list[tuple[Step, list[KeptAnswer]]] = []

    async def late(step: Step, answers: Any) -> None:
        heard.append((step, list(answers)))

    store.late.append(late)
    blocker = await _driver().AsyncConnection.connect(cluster().dsn(), autocommit=True)
    async with blocker:
        await blocker.execute("SELECT pg_advisory_lock(hashtextextended('E2', 0))")
        with pytest.raises(StoreUnavailable):
            await store.apply([Move("c1", there)], {}, now(), lambda step: (answer,))
        told = store.table.get("c1"), store.table.get("c2")
        await blocker.execute("SELECT pg_advisory_unlock_all()")
    store._link.patience_s = END_S
    async with asyncio.timeout(END_S):
        while not heard:
            await asyncio.sleep(0.02)

    assert told[0] is not None
    assert told[0].live
    assert told[1] is None
    assert await live_rows(store) == [("c2", "E2")]
    assert [claim.claim_id for claim in store.table.live()] == ["c2"]
    ((step, answers),) = heard
    assert {claim.claim_id for claim in step.after} == {"c1", "c2"}
    assert answers == [answer]
    assert await store.answer_to("request-1") == answer


async def test_the_constraint_stands_without_the_program(another: Another) -> None:
    """Whoever writes into the table by hand is refused a second car for an instant."""
    store = another()
    granted(await store.claim(wish("c1", "E1", "car-1", now()), now()))
    double = (
        "INSERT INTO claim (claim_id, vehicle_id, from_s, district, evse_id, to_s, level, state,"
        " lease_until, revision, recommendation_id, moving, future, step_id)"
        " SELECT 'x', 'car-9', from_s + 1, district, evse_id, to_s, level, state,"
        " lease_until, revision, recommendation_id, moving, future, step_id FROM claim"
    )

    with pytest.raises(StoreUnavailable, match="one_car_per_slot"):
        await rows(store, double)


async def test_a_coordinator_follows_what_another_does(another: Another) -> None:
    """Its picture has the claim, and then its end, without being asked for anything."""
    one, other = another(), another()
    heard: set[str] = set()
    other.watchers.append(heard.update)
    following = asyncio.create_task(other.follow(now))
    try:
        granted(await one.claim(wish("c1", "E1", "car-1", now()), now()))
        async with asyncio.timeout(END_S):
            while not other.table.of_evse("E1"):
                await asyncio.sleep(0.02)
        assert heard == {"E1"}

        await one.release("c1", now())
        async with asyncio.timeout(END_S):
            while other.table.of_evse("E1"):
                await asyncio.sleep(0.02)
    finally:
        following.cancel()
    ended = other.table.get("c1")
    assert ended is not None
    assert ended.state is ClaimState.RELEASED


async def test_fences_of_two_coordinators_rise_and_never_meet(another: Another) -> None:
    """Both draw at once by one clock: no fence comes twice, each is above the one before."""
    keepers = [Fences(another()), Fences(another())]

    drawn = [await keepers[n % 2].issue("E1", 5_000.0) for n in range(20)]
    at_once = await asyncio.gather(*(keepers[n % 2].issue("E1", 5_000.0) for n in range(20)))

    assert drawn == sorted(set(drawn))
    assert len(set(at_once)) == 20
    assert min(at_once) > max(drawn)


async def test_an_answer_of_one_coordinator_is_given_by_another(another: Another) -> None:
    """A repeated request finds its answer wherever it goes."""
    one, other = another(), another()
    answer = KeptAnswer("rec-c1", "request-1", "car-1", b"one", b"asked", b"row")
    await one.claim(wish("c1", "E1", "car-1", now()), now(), lambda step: (answer,))

    assert await other.answer_to("request-1") == answer
    assert await other.answer_to("request-2") is None


async def test_what_is_over_is_cleared_and_what_lives_stays(another: Another) -> None:
    """Old answers go; a live claim and what was ended lately stay for who asks again."""
    store = another()
    answer = KeptAnswer("rec-c1", "request-1", "car-1", b"one", b"asked")
    old = Moment(now().now_s - 10 * DAY_S, now().link_s)
    await store.keep_answer(answer, old)
    granted(await store.claim(wish("c1", "E1", "car-1", now()), now()))
    granted(await store.claim(wish("c2", "E2", "car-2", now()), now()))
    await store.release("c2", now())

    assert await store.compact(now(), DAY_S) == 1
    assert await rows(store, "SELECT count(*) FROM answer") == [(0,)]
    assert await rows(store, "SELECT count(*) FROM claim") == [(2,)]


async def test_a_lock_that_is_held_after_a_lost_answer_is_no_sure_no(
    another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step was stored before its connection broke: it is asked for again until that is known,
    however often a lock is in the way."""
    store = another()
    await store.claim(wish("c0", "E0", "car-0", now()), now())
    connection, held = store._link._writing, []
    execute, connected = connection.execute, store._link._connected

    async def losing(*words: Any) -> Any:
        await execute(*words)
        raise _driver().OperationalError("the connection was lost")

    async def waiting() -> Any:
        again = await connected()
        plain = again.execute

        async def locked(*words: Any) -> Any:
            if len(held) < 2 * postgres_link.TRIES:
                held.append(words)
                raise _driver().errors.LockNotAvailable("canceling statement due to lock timeout")
            return await plain(*words)

        monkeypatch.setattr(again, "execute", locked)
        return again

    monkeypatch.setattr(connection, "execute", losing)
    monkeypatch.setattr(postgres_link.Link, "_connected", lambda link: waiting())
    granted(await store.claim(wish("c1", "E1", "car-1", now()), now()))

    assert len(held) == 2 * postgres_link.TRIES
    assert [claim.claim_id for claim in store.table.live()] == ["c0", "c1"]
    assert await live_rows(store) == [("c0", "E0"), ("c1", "E1")]


async def test_what_is_not_of_a_person_stays_in_the_database(
    another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only their own answers, and those of others that name them, are read, stretch by stretch."""
    monkeypatch.setattr(postgres_people, "STRETCH", 50)
    store, pack = another(), msgspec.msgpack.encode
    asked = pack(ChargingRequest("r", "car", Vehicle(60.0), 50.0, 22.5, 114.0, "anna"))
    for number in range(200):
        mine, names_me = number in (20, 120), number in (70, 180)
        answer = KeptAnswer(
            f"rec-{number}", f"request-{number}", "car-1" if mine else f"car-{number}x",
            pack(["car-1" if names_me else "nobody"]), asked if number == 150 else b"asked",
        )  # fmt: skip
        store._link.post(store._aside(now()), [_body(answer)], ())
    await store.keep_answer(KeptAnswer("rec-last", "request-last", "car-z", b"", b""), now())
    person, read, ask = Person("anna", frozenset({"car-1"})), [], store._link.ask

    async def counting(query: str, *given: Any) -> list[Any]:
        rows = await ask(query, *given)
        read.append(len(rows))
        return rows

    monkeypatch.setattr(postgres_link.Link, "ask", lambda link, *given: counting(*given))
    told = [one.recommendation_id for one in await store.told(person)]
    of_told, read = read, []
    erased = await store.erase(person, [], now())
    monkeypatch.undo()

    left = await rows(store, "SELECT recommendation_id, answer FROM answer ORDER BY seq")
    assert told == ["rec-20", "rec-120", "rec-150"]
    assert of_told == [1, 1, 0, 1, 1, 0]  # the ends, then five stretches
    assert erased == 5
    assert len(left) == 198
    assert not {"rec-20", "rec-120", "rec-150"} & {name for name, _ in left}
    assert {bytes(answer) for _, answer in left} == {pack(["nobody"]), pack([""]), b""}
    assert max(read) <= 3
    assert await store.told(person) == []


def _body(answer: KeptAnswer) -> tuple[Any, ...]:
    return (
        answer.recommendation_id, answer.request_id, answer.vehicle_id, answer.answer,
        answer.request, answer.inputs,
    )  # fmt: skip


async def test_S10_deadlock_is_tried_again(
    another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that met in PostgreSQL cost a retry, no promise."""
    store = another()
    granted(await store.claim(wish("c0", "E0", "car-0", now()), now()))
    connection, failed = store._link._writing, []
    execute = connection.execute

    async def failing(*words: Any) -> Any:
        if len(failed) < postgres_link.TRIES - 1:
            failed.append(words)
            raise _driver().errors.DeadlockDetected("two in a ring")
        return await execute(*words)

    monkeypatch.setattr(connection, "execute", failing)
    granted(await store.claim(wish("c1", "E1", "car-1", now()), now()))

    assert len(failed) == postgres_link.TRIES - 1
    assert await live_rows(store) == [("c0", "E0"), ("c1", "E1")]


def _driver() -> Any:
    from coordinator.store.postgres_door import driver

    return driver()


assert OFFER_S > 1.0  # a brief lease above is briefer than an offer's
