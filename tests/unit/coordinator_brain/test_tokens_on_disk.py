"""What lies on the disk of drivers' tokens: nothing that can be read, nothing once it is over."""

from __future__ import annotations

import hashlib
import sqlite3
import stat
from pathlib import Path

import msgspec
import pytest
from hand_brain import HandBrain
from served_brain import station

from coordinator.core.areas.ledger import ClaimState
from coordinator.core.pile import EvseStatus
from coordinator.errors import StoreUnavailable
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.store.token_seal import KEY_FILE, TokenSeal
from coordinator.usecases.plugging import hashed

TOKEN = "04A1B2C3D4E5F6-driver"
BUSY, FREE = EvseStatus.CHARGING, EvseStatus.AVAILABLE
encode = msgspec.msgpack.encode


def brain(folder: Path, before: HandBrain | None = None) -> HandBrain:
    """A coordinator over this folder; after a restart with the clock of the one before."""
    hand = HandBrain([station("A", 1.0, 2)])
    clock = hand.clock if before is None else before.clock
    claims = SqliteClaims(folder / "claims.db", hand.moment)
    return HandBrain([station("A", 1.0, 2)], claims, clock)


async def restarted(folder: Path, before: HandBrain) -> HandBrain:
    """The next process, with the promises of the one before."""
    await before.brain.close()
    after = brain(folder, before)
    await after.brain.start()
    return after


def on_disk(folder: Path) -> bytes:
    """Every byte of the database, its log and what else lies there."""
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file())


def rows(folder: Path) -> list[tuple[str, bytes, str]]:
    """What is kept of tokens."""
    with sqlite3.connect(folder / "claims.db") as connection:
        return connection.execute("SELECT recommendation_id, sealed, mark FROM token").fetchall()


async def test_no_token_lies_on_the_disk_in_clear(tmp_path: Path) -> None:
    """Neither while a car is on its way, nor while it charges, nor afterwards; nor its hash."""
    hand = brain(tmp_path)
    promise = await hand.follow("car-1", id_token=TOKEN)
    seen = [on_disk(tmp_path)]
    await hand.brain.guidance.arrived(promise)
    await hand.see("A-1*1", BUSY)
    seen.append(on_disk(tmp_path))
    await hand.see("A-1*1", FREE)
    seen.append(on_disk(tmp_path))
    await hand.brain.close()

    for content in (*seen, on_disk(tmp_path)):
        assert content.count(b"car-1")
        for secret in (TOKEN, hashed(TOKEN)):
            assert secret.encode() not in content


async def test_a_restart_on_the_way_still_knows_the_token(tmp_path: Path) -> None:
    """What is to be sent to the pile is there again, and the token that is shown is matched."""
    hand = brain(tmp_path)
    promise = await hand.follow("car-1", id_token=TOKEN)

    after = await restarted(tmp_path, hand)
    found = after.brain.promises.get(promise.recommendation_id)
    assert found is not None
    assert found.request.id_token == TOKEN
    await after.see("A-1*1", BUSY)
    await after.brain.watchman.shown("A-1*1", hashed(TOKEN))

    assert found.closed == "ARRIVED"
    await after.brain.close()


async def test_a_restart_while_charging_knows_the_token_without_having_it(tmp_path: Path) -> None:
    """The mark matches the driver's own token, and shows that another one is another car's."""
    hand = brain(tmp_path)
    promise = await hand.follow("car-1", id_token=TOKEN)
    await hand.brain.guidance.arrived(promise)
    await hand.see("A-1*1", BUSY)

    after = await restarted(tmp_path, hand)
    ((name, sealed, mark),) = rows(tmp_path)
    assert (name, sealed, len(mark)) == (promise.recommendation_id, b"", 64)
    await after.brain.watchman.shown("A-1*1", hashed(TOKEN))
    mine = after.occupant("A-1*1")
    await after.brain.watchman.shown("A-1*1", hashed("somebody else"))
    other = after.occupant("A-1*1")

    assert mine is not None
    assert mine.vehicle_id == "car-1"
    assert other is not None
    assert other.vehicle_id == ""
    await after.brain.close()


@pytest.mark.parametrize("end", ["release", "expire", "done"])
async def test_nothing_is_kept_of_a_promise_that_is_over(tmp_path: Path, end: str) -> None:
    """Given back, lapsed or charged: sealed token and mark are gone, and after a cut their row."""
    hand = brain(tmp_path)
    promise = await hand.follow("car-1", id_token=TOKEN)
    ((_, sealed, mark),) = rows(tmp_path)
    assert sealed
    assert mark
    if end == "release":
        await hand.brain.guidance.release(promise.recommendation_id)
    elif end == "expire":
        await hand.passes(3_600.0)
    else:
        await hand.brain.guidance.arrived(promise)
        await hand.see("A-1*1", BUSY)
        await hand.see("A-1*1", FREE)

    assert not any(claim.vehicle_id for claim in hand.claims.table.live())
    assert rows(tmp_path) == [(promise.recommendation_id, b"", "")]
    await hand.claims.compact(hand.moment, 3_600.0)
    assert rows(tmp_path) == []
    await hand.brain.close()


async def test_a_car_that_moves_keeps_its_token(tmp_path: Path) -> None:
    """The old claim ends and the new one lives: the promise, and what it needs, go on."""
    hand = brain(tmp_path)
    promise = await hand.follow("car-1", id_token=TOKEN)
    await hand.see("A-1*1", EvseStatus.OUTOFORDER)
    assert promise.answer.choice.evse_id == "A-2*1"

    after = await restarted(tmp_path, hand)

    found = after.brain.promises.get(promise.recommendation_id)
    assert found is not None
    assert found.request.id_token == TOKEN
    await after.brain.close()


async def test_a_key_that_was_lost_costs_the_token_and_nothing_else(tmp_path: Path) -> None:
    """With another key nothing is opened: the car keeps its place, softly."""
    hand = brain(tmp_path)
    promise = await hand.follow("car-1", id_token=TOKEN)
    await hand.brain.close()
    (tmp_path / KEY_FILE).unlink()

    after = brain(tmp_path, hand)
    await after.brain.start()

    found = after.brain.promises.get(promise.recommendation_id)
    assert found is not None
    assert found.request.id_token == ""
    (claim,) = after.claims.table.of_car("car-1")
    assert claim.state is ClaimState.CONFIRMED
    await after.brain.close()


async def test_tokens_of_an_older_file_are_taken_out_of_it(tmp_path: Path) -> None:
    """Requests that had the token in clear lose it; a promise that stands has it sealed."""
    hand = brain(tmp_path)
    stands = await hand.follow("car-1", id_token=TOKEN)
    over = await hand.follow("car-2", id_token="gone")
    await hand.brain.guidance.release(over.recommendation_id)
    await hand.brain.close()
    with sqlite3.connect(tmp_path / "claims.db") as connection:
        connection.execute("DROP TABLE token")
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = '0009_tokens'")
        for promise in (stands, over):
            connection.execute(
                "UPDATE step SET request = ? WHERE recommendation_id = ?",
                (encode(promise.request), promise.recommendation_id),
            )
    assert TOKEN.encode() in on_disk(tmp_path)

    after = brain(tmp_path, hand)
    await after.brain.start()
    content = on_disk(tmp_path)

    assert TOKEN.encode() not in content
    assert [name for name, _, _ in rows(tmp_path)] == [stands.recommendation_id]
    found = after.brain.promises.get(stands.recommendation_id)
    assert found is not None
    assert found.request.id_token == TOKEN
    await after.brain.close()


def test_only_the_owner_reads_the_key(tmp_path: Path) -> None:
    """Thirty-two bytes, mode 0600, the same at the next start."""
    seal = TokenSeal(tmp_path)
    mode = stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode)
    told = hashlib.sha256(b"x").hexdigest()

    assert mode == 0o600
    assert len((tmp_path / KEY_FILE).read_bytes()) == 32
    assert TokenSeal(tmp_path).mark(told) == seal.mark(told) != told


@pytest.mark.parametrize("token", ["1", "0123456789" * 10, "ключ-钥匙"])
def test_what_is_sealed_is_opened_under_its_own_name_only(tmp_path: Path, token: str) -> None:
    """Any length and any script; one name says nothing of what another has."""
    seal = TokenSeal(tmp_path)
    sealed, other = seal.seal("a", token), seal.seal("b", token)

    assert seal.open("a", sealed) == token
    assert seal.open("b", sealed) == ""
    assert seal.open("a", b"") == ""
    assert sealed != other
    assert token.encode() not in sealed


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    """A file cut short is named, with what to do."""
    (tmp_path / KEY_FILE).write_bytes(b"short")

    with pytest.raises(StoreUnavailable, match=r"token\.key.*no key of 32 bytes"):
        TokenSeal(tmp_path)
