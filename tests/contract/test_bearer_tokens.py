"""Tokens that are not good here are refused, all with the same words."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ed25519
from guarded_district import Guarded, asking, serve_guarded
from identity_provider import AUDIENCE, IdentityProvider

from coordinator.bearers import Bearers
from coordinator.config_identity import IdentitySection
from coordinator.denials import Unauthenticated
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import operator_service_pb2 as op

LIST, RECOMMEND = "pilewise.v1.OperatorService/ListPiles", "pilewise.v1.ChargingService/Recommend"
INDEXES = "pilewise.v1.OperatorService/GetIndexes"
DETECT = "pilewise.v1.ChargingService/DetectIntention"


@pytest_asyncio.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Guarded]:
    """A coordinator with identities."""
    async with serve_guarded(tmp_path, kids=["ed-1", "ec-1"]) as served:
        yield served


def bad_tokens(provider: IdentityProvider) -> dict[str, str]:
    """What somebody might try, by name."""
    now_s = int(time.time())
    token, reader = provider.token, "operator.read"
    head, body, signature = token(reader).split(".")
    other = ed25519.Ed25519PrivateKey.generate()
    provider.keys["ed-9"] = other  # never published
    return {
        "expired": token(reader, iat=now_s - 700, exp=now_s - 31),
        "not yet valid": token(reader, nbf=now_s + 60),
        "made in the future": token(reader, iat=now_s + 60),
        "forged": token(reader, key=other),
        "changed": f"{head}.{body[:-2]}AA.{signature}",
        "without a signature": f"{head}.{body}.",
        "alg none": provider.unsigned(reader),
        "the public key as a secret": provider.by_public_key(reader),
        "another's key under our kid": token(reader, kid="ed-1", key=other),
        "the key of another kid": token(reader, headers={"kid": "ec-1"}),
        "an unknown kid": token(reader, kid="ed-9"),
        "no kid": token(reader, headers={"kid": ""}),
        "a key in its header": token(reader, key=other, headers={"jwk": provider.entry("ed-9")}),
        "for somebody else": token(reader, aud="another"),
        "by somebody else": token(reader, iss="https://evil.example"),
        "crit": token(reader, headers={"crit": ["exp"]}),
        "crit of something unknown": token(reader, headers={"crit": ["x"], "x": 1}),
        "not a JWT": token(reader, headers={"typ": "logout+jwt"}),
        "huge": token(reader, more="x" * 5_000),
        "nested": token(reader, more=json.loads("[" * 500 + "]" * 500)),
        "good for too long": token(reader, exp=now_s + 43_300),
        "a car's for too long": token("car", vid="A-1", exp=now_s + 901),
        "a car without a name": token("car"),
        "a fleet without cars": token("fleet"),
        "no scope": token(""),
        "a scope of others": token("openid agent"),
        "not a time": token(reader, exp=True),
        "words": "let me in",
        "nothing": "...",
        **{f"without {name}": token(reader, without=(name,))
           for name in ("exp", "iat", "aud", "sub", "jti")},
    }  # fmt: skip


@pytest.mark.slow
async def test_V1_bad_tokens_are_refused_alike(guarded: Guarded) -> None:
    """Expired, forged, unsigned, misdirected and malformed tokens all meet the same answer."""
    texts = set()
    for name, token in bad_tokens(guarded.provider).items():
        if name == "nested":
            continue  # signed well: only its claims are strange
        code, error = await guarded.outcome(LIST, op.OperatorServiceListPilesRequest(), token)
        assert code is grpc.StatusCode.UNAUTHENTICATED, name
        texts.add(error.details())

    assert len(texts) == 1
    code, _ = await guarded.outcome(
        LIST, op.OperatorServiceListPilesRequest(), guarded.provider.token("operator.read")
    )
    assert code is grpc.StatusCode.OK


async def test_a_token_by_each_algorithm_is_taken(guarded: Guarded) -> None:
    """EdDSA and ES256, each by its own key."""
    for kid in ("ed-1", "ec-1"):
        token = guarded.provider.token("operator.read", kid=kid)
        code = await guarded.code(LIST, op.OperatorServiceListPilesRequest(), token)
        assert code is grpc.StatusCode.OK


async def test_two_tokens_in_one_call_are_refused(guarded: Guarded) -> None:
    """Which of them counts would be a matter of luck."""
    token = guarded.provider.token("operator.read")
    twice = (("authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}"))
    stub = guarded.channel.unary_unary(f"/{LIST}", lambda m: m.SerializeToString(), None)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub(op.OperatorServiceListPilesRequest(), metadata=twice)

    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_V2_a_car_is_first_by_its_own_token_only(guarded: Guarded) -> None:
    """VIP comes from the signed claim or the operator's record of the authenticated car."""
    provider = guarded.provider
    users = [op.UserRecord(user_id="boss", vip=True, vehicle_ids=["B-1"])]
    put = "pilewise.v1.OperatorService/PutUsers"
    await guarded.outcome(put, op.PutUsersRequest(users=users), provider.token("operator.write"))

    async def level(request: wire.RecommendRequest, **claims: Any) -> tuple[Any, str]:
        token = provider.token("car", vid=request.vehicle_id, **claims)
        code, answer = await guarded.outcome(RECOMMEND, request, token)
        return code, answer.promise.level_reason if code is grpc.StatusCode.OK else answer.details()

    ok, denied = grpc.StatusCode.OK, grpc.StatusCode.PERMISSION_DENIED
    assert (await level(asking("A-1")))[1] != "VIP"
    assert (await level(asking("A-2"), vip=True)) == (ok, "VIP")
    assert (await level(asking("B-1"))) == (ok, "VIP")  # its driver, by the operator's record
    borrowed = await level(asking("A-3", user_id="boss"))
    assert borrowed[0] is denied
    assert "user_id" in borrowed[1]
    assert (await level(asking("A-4", user_id="boss"), uid="boss")) == (ok, "VIP")


async def test_V2_a_fleet_cannot_make_its_cars_first(guarded: Guarded) -> None:
    """The claim is of one car; a fleet's token does not carry it."""
    token = guarded.provider.token("fleet", vids=["A-1"], vip=True)
    code, answer = await guarded.outcome(RECOMMEND, asking("A-1"), token)

    assert code is grpc.StatusCode.OK
    assert answer.promise.level_reason != "VIP"


async def test_V3_a_request_id_of_another_car_gives_no_promise(guarded: Guarded) -> None:
    """The same request again is one claim; from another car it is refused and shows nothing."""
    first, other = guarded.provider.token("car", vid="A-1"), guarded.provider.token("car", vid="B")
    request = asking("A-1", 7)
    _, answer = await guarded.outcome(RECOMMEND, request, first)
    _, again = await guarded.outcome(RECOMMEND, request, first)
    request.vehicle_id = "B"
    code, error = await guarded.outcome(RECOMMEND, request, other)

    assert again.promise.recommendation_id == answer.promise.recommendation_id
    assert len([c for c in guarded.parts.brain.claims.table.live() if c.vehicle_id == "A-1"]) == 1
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert answer.promise.choice.evse.evse_id not in error.details()


async def test_a_harmful_call_is_not_taken_twice_with_one_token(guarded: Guarded) -> None:
    """What was seen on the wire cannot be sent again, once something came of it."""
    from coordinator.rpc.said_once import SaidOnce, imprint

    once = SaidOnce()
    mark = imprint("jti-1", "AdvanceFence", op.AdvanceFenceRequest(by=5))
    assert once.first(mark, until_s=10.0, now_s=0.0)
    assert not once.first(mark, until_s=10.0, now_s=5.0)
    assert once.first(imprint("jti-2", "AdvanceFence", op.AdvanceFenceRequest(by=5)), 10.0, 5.0)
    once.unsaid(mark)
    assert once.first(mark, until_s=10.0, now_s=6.0)


@pytest.mark.slow
async def test_V6_a_storm_of_one_client_leaves_others_alone(tmp_path: Path) -> None:
    """Who asks too often is told when to come back; others are answered meanwhile."""
    async with serve_guarded(tmp_path) as guarded:
        storm, calm = (guarded.provider.token("car", vid=car) for car in ("A-1", "B-1"))
        request = wire.DetectIntentionRequest(vehicle_id="A-1")
        codes = [await guarded.outcome(DETECT, request, storm) for _ in range(60)]
        refused = [error for code, error in codes if code is grpc.StatusCode.RESOURCE_EXHAUSTED]
        quiet = [await guarded.code(RECOMMEND, asking("B-1", n), calm) for n in range(5)]

    assert 20 <= sum(code is grpc.StatusCode.OK for code, _ in codes) < 50
    assert refused
    assert any(key == "grpc-status-details-bin" for key, _ in refused[0].trailing_metadata())
    assert set(quiet) == {grpc.StatusCode.OK}


async def test_a_withdrawn_key_opens_nothing_any_more(tmp_path: Path) -> None:
    """The file is read again within a second of its change, remembered tokens included."""
    now = [time.time(), 100.0]
    provider = IdentityProvider(tmp_path)
    section = IdentitySection(jwks_file=str(provider.jwks), audience=AUDIENCE)
    bearers = Bearers(section, lambda: now[0], lambda: now[1])
    old = provider.token("operator.read", kid="ed-1")
    new = provider.token("operator.read", kid="ec-1")
    assert bearers.caller_of(old).name == "test operator.read"

    provider.publish("ec-1")
    now[1] += 1.1
    with pytest.raises(Unauthenticated):
        bearers.caller_of(old)
    assert bearers.caller_of(new)

    provider.jwks.write_text("{broken")
    now[1] += 1.1
    assert bearers.caller_of(new)  # a broken file withdraws nothing


async def test_a_remembered_token_ends_in_time(tmp_path: Path) -> None:
    """What was found good is looked at again when it has ended, leeway included."""
    now = [time.time(), 100.0]
    provider = IdentityProvider(tmp_path)
    section = IdentitySection(jwks_file=str(provider.jwks), audience=AUDIENCE)
    bearers = Bearers(section, lambda: now[0], lambda: now[1])
    token = provider.token("car", vid="A-1")
    bearers.caller_of(token)

    now[0] += 600 + 29
    assert bearers.caller_of(token).vehicle_id == "A-1"
    now[0] += 2
    with pytest.raises(Unauthenticated) as refused:
        bearers.caller_of(token)
    assert refused.value.why == "expired"


async def test_operators_without_a_provider_have_a_file(tmp_path: Path) -> None:
    """A line of the token file gives its scopes; the key file is not needed."""
    tokens = tmp_path / "tokens"
    tokens.write_text("anna 0123456789abcdef operator.read\nbert fedcba9876543210\n")
    tokens.chmod(0o600)
    async with serve_guarded(tmp_path, token_file=str(tokens)) as guarded:
        request = op.OperatorServiceListPilesRequest()
        retire = "pilewise.v1.OperatorService/RetirePile"
        gone = op.RetirePileRequest(pile_id="nowhere")
        assert await guarded.code(LIST, request, "0123456789abcdef") is grpc.StatusCode.OK
        assert (
            await guarded.code(retire, gone, "0123456789abcdef")
            is grpc.StatusCode.PERMISSION_DENIED
        )
        assert await guarded.code(retire, gone, "fedcba9876543210") is grpc.StatusCode.NOT_FOUND


async def test_this_machine_may_go_without_a_token_where_it_is_said(tmp_path: Path) -> None:
    """Callers on loopback have the configured scopes, and no others."""
    async with serve_guarded(tmp_path, anonymous=["operator.read", "car"]) as guarded:
        request = op.OperatorServiceListPilesRequest()
        retire = "pilewise.v1.OperatorService/RetirePile"
        assert await guarded.code(LIST, request) is grpc.StatusCode.OK
        assert await guarded.code(RECOMMEND, asking("A-1")) is grpc.StatusCode.OK
        code = await guarded.code(retire, op.RetirePileRequest(pile_id="nowhere"))
        assert code is grpc.StatusCode.PERMISSION_DENIED
        # A token that is shown counts, however little it allows.
        assert (
            await guarded.code(INDEXES, op.GetIndexesRequest(), "let me in")
            is grpc.StatusCode.UNAUTHENTICATED
        )
