"""The agent's local central system against the client side of the `ocpp` package."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dialled_gateway import EVSE, Gateway, available, build, dial, until
from ocpp.v16 import call
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from edge_agent.core.directive import Cancel, Outcome, Reserve, SetAvailability
from edge_agent.core.reading import EvseStatus


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    built = await build(tmp_path)
    yield built
    await built.server.close()
    await built.spool.close()


def _status(gateway: Gateway) -> EvseStatus | None:
    fused = gateway.watch.fused(EVSE)
    return fused.status if fused else None


@pytest.mark.parametrize(
    ("frame", "unique_id"),
    [
        (b"not json", "-1"),
        (b'{"a": 1}', "-1"),
        (b'[2,"a1","Heartbeat"]', "a1"),
        (b'[2,"a2","Heartbeat",[]]', "a2"),
        (b'[9,"a3","Heartbeat",{}]', "a3"),
        (b"[" * 3000, "-1"),
        (b'[2,"\xff\xfe","Heartbeat",{}]', "-1"),
        (b'[2,"a4","BootNotification",{"surplus":1}]', "a4"),
    ],
)
async def test_E9_broken_frame_gets_callerror_and_the_connection_lives(
    gateway: Gateway, frame: bytes, unique_id: str
) -> None:
    """A frame that cannot be understood is answered with FormationViolation, and talk goes on."""
    async with connect(gateway.url, subprotocols=[Subprotocol("ocpp1.6")]) as socket:
        await socket.send(frame, text=True)
        answer = json.loads(await asyncio.wait_for(socket.recv(), 60))
        await socket.send('[2,"ok","Heartbeat",{}]')
        alive = json.loads(await asyncio.wait_for(socket.recv(), 60))

    assert answer[:2] == [4, unique_id]
    assert answer[2] in ("FormationViolation", "ProtocolError")
    assert alive[:2] == [3, "ok"]


async def test_unknown_action_is_answered_not_implemented(gateway: Gateway) -> None:
    """An action that OCPP does not know, and one that is not served, both get NotImplemented."""
    async with connect(gateway.url, subprotocols=[Subprotocol("ocpp1.6")]) as socket:
        answers = []
        for action in ("Frobnicate", "GetCompositeSchedule"):
            await socket.send(json.dumps([2, "u", action, {}]))
            answers.append(json.loads(await asyncio.wait_for(socket.recv(), 60)))

    assert [answer[2] for answer in answers] == ["NotImplemented"] * 2


async def test_oversized_frame_closes_with_1009(gateway: Gateway) -> None:
    """A frame of more than a megabyte ends the connection with 1009, and nothing else."""
    async with connect(gateway.url, subprotocols=[Subprotocol("ocpp1.6")]) as socket:
        await socket.send("x" * 1_000_001)
        await asyncio.wait_for(socket.wait_closed(), 60)

        assert socket.close_code == 1009


@pytest.mark.parametrize(
    ("path", "subprotocols", "status"),
    [("P%2F1", ["ocpp2.0.1"], 400), ("P%2F1", None, 400), ("P%2F9", ["ocpp1.6"], 404)],
)
async def test_refused_handshake_says_why(
    gateway: Gateway,
    path: str,
    subprotocols: list[Subprotocol] | None,
    status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A wrong identity or sub-protocol is refused, and the log names the URL that would work."""
    with pytest.raises(InvalidStatus) as refusal:
        await connect(gateway.server.url + path, subprotocols=subprotocols)

    assert refusal.value.response.status_code == status
    assert gateway.server.refused == 1
    assert gateway.server.url + "P/1" in capsys.readouterr().out


async def test_missing_subprotocol_is_accepted_by_opt_in(tmp_path: Path) -> None:
    """With the lenient setting a station without the header is served."""
    built = await build(tmp_path, lenient=True)

    async with connect(built.url) as socket:
        await socket.send('[2,"ok","Heartbeat",{}]')
        answer = json.loads(await asyncio.wait_for(socket.recv(), 60))

    assert answer[0] == 3
    await built.server.close()
    await built.spool.close()


async def test_password_is_asked_for_and_tied_to_the_identity(tmp_path: Path) -> None:
    """With Basic auth only the station's own identity and password are let in."""
    built = await build(tmp_path, password="a-secret-of-20-bytes")
    good = {"Authorization": "Basic " + b64encode(b"P/1:a-secret-of-20-bytes").decode()}
    foreign = {"Authorization": "Basic " + b64encode(b"P/2:a-secret-of-20-bytes").decode()}

    for headers in ({}, foreign):
        with pytest.raises(InvalidStatus) as refusal:
            await dial(built, additional_headers=headers)
        assert refusal.value.response.status_code == 401
    dialled = await dial(built, additional_headers=good)
    answer = await dialled.point.call(call.Heartbeat())

    assert answer.current_time.endswith("Z")
    await dialled.hang_up()
    await built.server.close()
    await built.spool.close()


async def test_E10_second_connection_without_a_key_is_refused(gateway: Gateway) -> None:
    """An identity that is already connected and alive cannot be taken over without a password."""
    first = await dial(gateway)
    await first.point.call(call.Heartbeat())

    with pytest.raises(InvalidStatus) as refusal:
        await dial(gateway)
    still = await first.point.call(call.Heartbeat())

    assert refusal.value.response.status_code == 409
    assert still is not None
    await first.hang_up()


async def test_E10_second_connection_with_the_key_displaces_the_first(tmp_path: Path) -> None:
    """Whoever proves the same key takes over, and the old connection is closed with a reason."""
    built = await build(tmp_path, password="a-secret-of-20-bytes")
    headers = {"Authorization": "Basic " + b64encode(b"P/1:a-secret-of-20-bytes").decode()}
    first = await dial(built, additional_headers=headers)

    second = await dial(built, additional_headers=headers)
    answer = await second.point.call(call.Heartbeat())
    await asyncio.wait_for(first.socket.wait_closed(), 60)

    assert answer is not None
    assert first.socket.close_code == 1008
    for dialled in (first, second):
        await dialled.hang_up()
    await built.server.close()
    await built.spool.close()


async def test_offline_is_unknown_and_comes_back_only_by_word(gateway: Gateway) -> None:
    """A lost station becomes UNKNOWN (OFFLINE) and is free again only after it said so."""
    dialled = await dial(gateway)
    await dialled.point.call(available())
    await dialled.hang_up()
    await until(lambda: _status(gateway) is EvseStatus.UNKNOWN)
    reason = gateway.watch.fused(EVSE)
    back = await dial(gateway)

    await back.point.call(call.Heartbeat())
    silent = _status(gateway)
    await back.point.call(available())
    await asyncio.sleep(0.06)
    await back.point.call(available())

    assert reason is not None
    assert reason.reason == "OFFLINE"
    assert silent is EvseStatus.UNKNOWN
    assert _status(gateway) is EvseStatus.AVAILABLE
    await back.hang_up()


@pytest.mark.slow
async def test_fresh_connection_is_asked_for_its_state(gateway: Gateway) -> None:
    """After connecting, a station is asked to tell its status and to beat at our interval."""
    dialled = await dial(gateway)

    await until(lambda: len(dialled.point.asked) >= 2)

    assert dialled.point.asked[0] == (
        "TriggerMessage",
        {"requested_message": "StatusNotification"},
    )
    assert dialled.point.asked[1] == (
        "ChangeConfiguration",
        {"key": "HeartbeatInterval", "value": "20"},
    )
    await dialled.hang_up()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("Accepted", Outcome.DONE),
        ("Occupied", Outcome.REFUSED),
        ("Rejected", Outcome.UNSUPPORTED),
    ],
)
async def test_reserve_now_is_asked_of_the_pile(
    gateway: Gateway, status: str, outcome: Outcome
) -> None:
    """ReserveNow carries token, expiry and a number that the cancel names again."""
    dialled = await dial(gateway)
    dialled.point.reserve_status = status

    answer = await gateway.pile.perform("P/1*2", Reserve("claim-1", 600.0, "TAG"))
    await gateway.pile.perform("P/1*2", Cancel("claim-1"))

    wishes = dict(dialled.point.asked)
    assert answer.outcome is outcome
    assert wishes["ReserveNow"]["connector_id"] == 2
    assert wishes["ReserveNow"]["id_tag"] == "TAG"
    assert (
        wishes["ReserveNow"]["reservation_id"] == wishes["CancelReservation"]["reservation_id"] > 0
    )
    await dialled.hang_up()


async def test_availability_is_set_at_the_pile(gateway: Gateway) -> None:
    """Taking an EVSE out of service is a ChangeAvailability of its connector."""
    dialled = await dial(gateway)

    answer = await gateway.pile.perform(EVSE, SetAvailability(False))

    assert answer.outcome is Outcome.DONE
    assert ("ChangeAvailability", {"connector_id": 1, "type": "Inoperative"}) in dialled.point.asked
    await dialled.hang_up()


async def test_action_on_a_pile_that_is_away_times_out(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be asked of a station that is not connected."""
    monkeypatch.setattr("edge_agent.piles.ocpp_pile.RETURN_S", 0.1)

    answer = await gateway.pile.perform(EVSE, SetAvailability(True))

    assert answer.outcome is Outcome.TIMED_OUT


async def test_a_station_that_is_just_coming_is_waited_for(gateway: Gateway) -> None:
    """After a start of the agent its stations need a moment to dial in again."""
    asking = asyncio.create_task(gateway.pile.perform(EVSE, SetAvailability(False)))
    await asyncio.sleep(0)
    dialled = await dial(gateway)

    assert (await asking).outcome is Outcome.DONE
    await dialled.hang_up()
