"""What of the relay's queue is kept, and what is given up, when its room ends."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge_agent.core.ocpp_relay import Kind, message_key
from edge_agent.errors import QueueFull
from edge_agent.piles.relay_store import Fresh, RelayStore, Waiting

MIB = 2**20


def fresh(kind: Kind, number: int, pile: str = "P1", size: int = 1000) -> Fresh:
    """A message whose payload takes about that many bytes."""
    payload = {"n": number, "fill": "x" * size}
    return Fresh(pile, message_key(kind.name, payload), f"id-{number}", kind.name, payload, kind)


@asynccontextmanager
async def opened(folder: Path, room_bytes: int) -> AsyncIterator[RelayStore]:
    """A store that stamps everything with 7."""
    store = RelayStore(folder, lambda: 7, room_bytes)
    try:
        yield store
    finally:
        await store.close()


async def drained(store: RelayStore, pile: str = "P1") -> list[tuple[str, int]]:
    """Action and number of all that waits, settled one by one."""
    told: list[tuple[str, int]] = []
    while (head := await store.head(pile)) is not None:
        told.append((head.action, head.payload["n"]))
        await store.settle(pile, head)
    return told


@pytest.mark.slow
async def test_samples_are_thinned_and_no_transaction_is_given_up(tmp_path: Path) -> None:
    """Of a long session its begin and end stay, and of its samples some of every hour."""
    async with opened(tmp_path, 64_000) as store:
        await store.put(fresh(Kind.TRANSACTION, 0))
        for number in range(1, 400):
            await store.put(fresh(Kind.SAMPLE, number))
        await store.put(fresh(Kind.TRANSACTION, 400))
        waiting = await store.waiting("P1")
        told = await drained(store)

    numbers = [number for _, number in told]
    assert [told[0], told[-1]] == [("TRANSACTION", 0), ("TRANSACTION", 400)]
    assert numbers == sorted(numbers)
    assert waiting.size_bytes <= 60_000
    assert store.given_up["P1", Kind.SAMPLE] == 401 - len(told)
    gaps = [later - sooner for sooner, later in pairwise(numbers)]
    assert max(gaps) <= 24


async def test_message_that_may_not_be_given_up_is_refused_when_all_is_full(
    tmp_path: Path,
) -> None:
    """Where only begins and ends wait, the pile has to keep the next one; a sample is given up."""
    async with opened(tmp_path, 16_000) as store:
        for number in range(14):
            await store.put(fresh(Kind.TRANSACTION, number))
        with pytest.raises(QueueFull, match="P1"):
            await store.put(fresh(Kind.TRANSACTION, 14))
        sample = await store.put(fresh(Kind.SAMPLE, 15))
        told = await drained(store)
        after = await store.put(fresh(Kind.TRANSACTION, 14))

    assert sample is None
    assert store.given_up == {("P1", Kind.SAMPLE): 1}
    assert [number for _, number in told] == list(range(14))
    assert after is not None


@pytest.mark.slow
async def test_notices_have_a_room_of_their_own(tmp_path: Path) -> None:
    """A flood of security events costs its own oldest ones, and no sample or transaction."""
    async with opened(tmp_path, 160_000) as store:
        await store.put(fresh(Kind.SAMPLE, 0))
        for number in range(1, 31):
            await store.put(fresh(Kind.NOTICE, number))
        told = await drained(store)

    assert told[0] == ("SAMPLE", 0)
    assert [number for _, number in told[1:]] == list(range(31 - len(told) + 1, 31))
    assert store.given_up == {("P1", Kind.NOTICE): 31 - len(told)}


@pytest.mark.slow
async def test_pile_that_floods_is_thinned_before_others(tmp_path: Path) -> None:
    """What is given up is taken from the pile that has most."""
    async with opened(tmp_path, 64_000) as store:
        for number in range(5):
            await store.put(fresh(Kind.SAMPLE, number, "quiet"))
        for number in range(200):
            await store.put(fresh(Kind.SAMPLE, number, "loud"))
        quiet = await store.waiting("quiet")

    assert quiet.messages == 5
    assert {pile for pile, _ in store.given_up} == {"loud"}


async def test_what_waits_is_known_again_after_a_restart(tmp_path: Path) -> None:
    """Depth, size and age are those of the disk."""
    async with opened(tmp_path, MIB) as store:
        for number in range(3):
            await store.put(fresh(Kind.SAMPLE, number))
        before = await store.waiting("P1")
    async with opened(tmp_path, MIB) as store:
        after = await store.waiting("P1")
        head = await store.head("P1")
        assert head is not None
        for _ in range(2):  # settled twice is settled once
            await store.settle("P1", head)
        settled = await store.waiting("P1")
        nobody = await store.waiting("P2")

    assert before == after == Waiting(3, before.size_bytes, 7)
    assert settled.messages == 2
    assert nobody == Waiting(0, 0, 0)


def old_schema(path: Path) -> None:
    """The tables of schema 1 with one message and one boot."""
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript(
            "CREATE TABLE message(seq INTEGER PRIMARY KEY AUTOINCREMENT, identity TEXT NOT NULL,"
            " key TEXT NOT NULL, message_id TEXT NOT NULL, action TEXT NOT NULL, payload TEXT,"
            " local_id INTEGER, UNIQUE(identity, key));"
            "CREATE TABLE boot(identity TEXT PRIMARY KEY, payload TEXT NOT NULL) WITHOUT ROWID;"
            "INSERT INTO message(identity, key, message_id, action, payload)"
            " VALUES ('P1', 'k', 'm', 'StopTransaction', '{\"n\":1}');"
            "INSERT INTO boot VALUES ('P1', '{}');"
        )


def newer_schema(path: Path) -> None:
    """A database that a later agent wrote."""
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("PRAGMA user_version=99")


async def test_S7_queue_of_an_older_agent_goes_on(tmp_path: Path) -> None:
    """Its messages wait as before, and count as transactions, which are never given up."""
    old_schema(tmp_path / "relay.db")

    async with opened(tmp_path, MIB) as store:
        boot = await store.boot("P1")
        head = await store.head("P1")

    assert boot == ({}, True)
    assert head is not None
    assert (head.action, head.kind) == ("StopTransaction", Kind.TRANSACTION)


@pytest.mark.parametrize(
    ("spoil", "error", "aside"),
    [
        (newer_schema, sqlite3.OperationalError, False),
        (lambda path: path.write_bytes(b"no database at all " * 400), None, True),
    ],
    ids=["newer", "damaged"],
)
async def test_S7_newer_queue_is_refused_and_a_damaged_one_is_put_aside(
    tmp_path: Path, spoil: Callable[[Path], Any], error: type[Exception] | None, aside: bool
) -> None:
    """A newer file stays as it is, with what to do; a damaged one makes room for a new one."""
    spoil(tmp_path / "relay.db")

    async with opened(tmp_path, MIB) as store:
        if error is not None:
            with pytest.raises(error, match="install the newer agent"):
                await store.head("P1")
        else:
            assert await store.head("P1") is None

    assert (tmp_path / "relay.db.damaged-1").exists() == aside
