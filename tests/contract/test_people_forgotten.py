"""A person is exported whole, and erased so that no file holds their names any more."""

from __future__ import annotations

import json
import time
import zlib
from pathlib import Path
from typing import Any

import grpc
import msgspec
from guarded_district import Guarded, asking, serve_guarded

from coordinator.core.sessions import ChargeSession
from coordinator.store.sqlite import SqliteTelemetry
from coordinator.usecases.answer import Answer, Decided
from coordinator.usecases.person import Person
from coordinator.usecases.requests import StoredRequest
from coordinator.usecases.retention import pack_answers
from coordinator.usecases.telemetry import IngestGroup, Spool, StoredBatch
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import operator_service_pb2 as op

OPERATOR, CHARGING = "pilewise.v1.OperatorService/", "pilewise.v1.ChargingService/"
OK = grpc.StatusCode.OK
ANNA, CAR, TOKEN_HASH = "anna.of.acme", "car-of-anna", "ab" * 32
OTHER, OTHER_CAR = "bert.of.acme", "car-of-bert"


async def lived_in(guarded: Guarded) -> None:
    """Anna and Bert have records, sessions, requests, outcomes, and a token shown at a pile."""
    admin = guarded.provider.token("admin")
    users = [
        op.UserRecord(user_id=name, vehicle_ids=[car], habits={"covered": "yes"})
        for name, car in ((ANNA, CAR), (OTHER, OTHER_CAR))
    ]
    await guarded.outcome(OPERATOR + "PutUsers", op.PutUsersRequest(users=users), admin)
    now_s = time.time()
    await guarded.parts.book.put(
        [
            ChargeSession(
                evse_id, now_s - day * 86_400, now_s - day * 86_400 + 1_800, "S", car, name,
                id_token_hash=token,
            )
            for day in (1, 2, 3)
            for evse_id, car, name, token in (
                ("S-8*1", CAR, ANNA, TOKEN_HASH), ("S-9*1", OTHER_CAR, OTHER, ""),
            )
        ]
    )  # fmt: skip
    reading = StoredBatch("spool", 1, 1, int(now_s * 1_000), b"\x0a\x40" + TOKEN_HASH.encode())
    group = IngestGroup(int(now_s * 1_000), [reading], {"spool": Spool("spool", "agent")})
    await guarded.parts.store.commit(group)
    for car, name in ((CAR, ANNA), (OTHER_CAR, OTHER)):
        token = guarded.provider.token("car", vid=car, uid=name)
        for number in ("old", "new"):
            request = asking(car, number, user_id=name, id_token="RFID-1")
            code, answer = await guarded.outcome(CHARGING + "Recommend", request, token)
            assert code is OK, answer
            if number == "new":
                continue  # it is on its way
            outcome = wire.ReportOutcomeRequest(
                recommendation_id=answer.promise.recommendation_id,
                outcome=wire.OUTCOME_KIND_BLOCKED,
                comment=f"words of {name}",
            )
            await guarded.outcome(CHARGING + "ReportOutcome", outcome, token)
            moment = guarded.parts.brain.recommender.moment()
            await guarded.parts.brain.claims.compact(moment, 30 * 86_400)
            await pack_answers(guarded.parts.brain.claims, guarded.parts.store, now_s + 7_200)


def held_in_files(guarded: Guarded, *names: str) -> list[tuple[str, str]]:
    """Which names stand in which file of the data directory, byte for byte."""
    return [
        (file.name, name)
        for file in sorted(guarded.parts.data_dir.rglob("*"))
        if file.is_file()
        for name in names
        if name.encode() in file.read_bytes()
    ]


async def export(guarded: Guarded, user_id: str) -> dict[str, Any]:
    """What is known of a person."""
    request = op.ExportUserRequest(user_id=user_id)
    code, answer = await guarded.outcome(
        OPERATOR + "ExportUser", request, guarded.provider.token("admin")
    )
    assert code is OK, answer
    known: dict[str, Any] = json.loads(answer.json)
    return known


async def erase(guarded: Guarded, user_id: str) -> tuple[grpc.StatusCode, Any]:
    """Erases a person."""
    request = op.OperatorServiceEraseUserRequest(user_id=user_id)
    return await guarded.outcome(OPERATOR + "EraseUser", request, guarded.provider.token("admin"))


async def test_an_export_has_all_that_is_known(tmp_path: Path) -> None:
    """Record, sessions, requests old and new with what was told, outcomes, claims and tokens."""
    async with serve_guarded(tmp_path) as guarded:
        await lived_in(guarded)
        known = await export(guarded, ANNA)

    assert known["vehicle_ids"] == [CAR]
    assert known["record"]["habits"] == {"covered": "yes"}
    assert len(known["sessions"]) == 3
    assert {request["request_id"] for request in known["requests"]} == {
        f"{CAR}-old",
        f"{CAR}-new",
    }
    assert all(request["asked"]["soc_pct"] == 50.0 for request in known["requests"])
    told = [outcome["comment"] for told in known["outcomes"].values() for outcome in told]
    assert told == [f"words of {ANNA}"]
    assert known["token_hashes"] == [TOKEN_HASH]
    assert known["visits"] == {"S": 3}
    assert known["claims"]
    assert OTHER not in json.dumps(known)


async def test_an_erased_person_is_in_no_file(tmp_path: Path) -> None:
    """Nothing of theirs is found in any byte of the data directory; others keep what is theirs."""
    async with serve_guarded(tmp_path) as guarded:
        await lived_in(guarded)
        names = ANNA, CAR, TOKEN_HASH
        assert {name for _, name in held_in_files(guarded, *names)} == set(names)
        before = await export(guarded, OTHER)
        code, answer = await erase(guarded, ANNA)

        assert code is OK, answer
        assert answer.erased_count >= 3 + 2 + 1 + 2
        assert held_in_files(guarded, *names) == []
        gone = await export(guarded, ANNA)
        assert not gone["sessions"]
        assert not gone["requests"]
        assert gone["record"] is None
        assert not [c for c in guarded.parts.brain.claims.table.live() if c.vehicle_id == CAR]
        assert await export(guarded, OTHER) == before
        assert len(await guarded.parts.store.list_sessions(0.0)) == 6  # readings of the pile stay

    # A start reads the files as they are now.
    again = SqliteTelemetry(tmp_path / "data")
    assert [user.user_id for user in again.load().users] == [OTHER]
    await again.close()


async def test_who_is_charging_is_not_erased_yet(tmp_path: Path) -> None:
    """A pile must know whose car stands there; the call says so and changes nothing."""
    async with serve_guarded(tmp_path) as guarded:
        await lived_in(guarded)
        claims = guarded.parts.brain.claims
        claim = claims.table.of_car(CAR)[0]
        moment = guarded.parts.brain.recommender.moment()
        await claims.confirm(claim.claim_id, moment.now_s + 900, moment)
        await claims.occupy(claim.claim_id, moment.now_s + 3_600, moment)
        code, _ = await erase(guarded, ANNA)

        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert len((await export(guarded, ANNA))["sessions"]) == 3


async def test_a_car_without_a_known_driver_is_erased_by_its_own_name(tmp_path: Path) -> None:
    """Cars that never named a driver have only their own name."""
    async with serve_guarded(tmp_path) as guarded:
        token = guarded.provider.token("car", vid="lonely-car")
        await guarded.outcome(CHARGING + "Recommend", asking("lonely-car"), token)
        assert held_in_files(guarded, "lonely-car")
        code, answer = await erase(guarded, "lonely-car")

        assert code is OK, answer
        assert held_in_files(guarded, "lonely-car") == []


async def test_old_sessions_are_nobodys(tmp_path: Path) -> None:
    """After the configured days a session is only a reading of the pile."""
    store = SqliteTelemetry(tmp_path)
    await store.put_sessions(
        [
            ChargeSession("E*1", at_s, at_s + 60, "S", "car", "anna", id_token_hash="x")
            for at_s in (1_000.0, 5_000.0)
        ]
    )
    assert await store.forget_whose(2_000.0) == 1
    old, new = await store.list_sessions(0.0)
    assert (old.user_id, old.vehicle_id, old.id_token_hash) == ("", "", "")
    assert (new.user_id, new.vehicle_id) == ("anna", "car")
    assert await store.forget_whose(2_000.0) == 0
    await store.close()


async def test_a_name_goes_out_of_the_accounts_of_others(tmp_path: Path) -> None:
    """Who lost a place to an erased car keeps the account, without that car's name."""
    told = Decided(2, 0.0, 1, "VIP", "DISPLACED", "E*1", "E*2", 2, other_vehicle_id=CAR)
    answer = Answer("rec", "req", OTHER_CAR, 0.0, 1, "VIP", "en", decided=(told,))
    packed_answer = msgspec.msgpack.encode(answer)
    body = zlib.compress(msgspec.msgpack.encode((packed_answer, b"", b"\xc1 no message")))
    store = SqliteTelemetry(tmp_path)
    await store.put_requests([StoredRequest("req", 0.0, OTHER_CAR, OTHER, body=body)])

    assert await store.erase(Person(ANNA, frozenset({CAR}))) == 1
    [row] = await store.list_requests(0.0)
    parts = msgspec.msgpack.decode(zlib.decompress(row.body))
    kept = msgspec.msgpack.decode(parts[0], type=Answer)
    assert kept == msgspec.structs.replace(
        answer, decided=(msgspec.structs.replace(told, other_vehicle_id=""),)
    )
    assert parts[1:] == [b"", b"\xc1 no message"]
    await store.close()


async def test_copies_from_before_changes_keep_nobody(tmp_path: Path) -> None:
    """Old files beside the databases are never cleaned: they go when a person is erased."""
    async with serve_guarded(tmp_path) as guarded:
        await lived_in(guarded)
        folder = guarded.parts.data_dir
        old = [folder / "claims.db.before-0013_owner", folder / "telemetry.db.damaged-1"]
        for file in old:
            file.write_bytes(
                (folder / file.name.partition(".db")[0]).with_suffix(".db").read_bytes()
            )
        other = folder / "notes.db.before-0001"
        other.write_bytes(b"of somebody else")
        code, _ = await erase(guarded, ANNA)

        assert code is OK
        assert not any(file.exists() for file in old)
        assert other.exists()
        assert held_in_files(guarded, ANNA, CAR) == []
