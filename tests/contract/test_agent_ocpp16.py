"""The agent's local central system against the client side of the `ocpp` package."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from edge_agent.core.directive import Cancel, Outcome, Reserve, SetAvailability
from edge_agent.core.facts import ConnectorFacts, PileFacts
from edge_agent.core.occupancy import FusionRules
from edge_agent.core.ocpp_admission import Door, key_forms
from edge_agent.core.picture import LivePicture
from edge_agent.core.reading import EvseStatus, OcppStatus, Record, RecordKind
from edge_agent.host_clock import HostClock
from edge_agent.parts import new_id
from edge_agent.piles.ocpp16 import Ocpp16Pile, OcppSettings, token_hash
from edge_agent.piles.ocpp_server import OcppServer, Ports
from edge_agent.uplink.spool import Spool
from edge_agent.uplink.transactions import TransactionBook
from edge_agent.watch import Watch

NOW = "2026-11-22T10:00:00Z"
EVSE = "P/1*1"


@dataclass
class Gateway:
    """The OCPP half of an agent, with its real spool."""

    spool: Spool
    pile: Ocpp16Pile
    server: OcppServer
    watch: Watch
    closed: list[Any] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.url + "P%2F1"

    async def records(self) -> list[Record]:
        run = await self.spool.call(lambda file: file.read_run(0, 1 << 62, 500, 1 << 20))
        return list(run.records) if run else []


class Pile16(ChargePoint):  # type: ignore[misc]
    """A charge point made of the library; remembers what it was asked."""

    asked: list[tuple[str, dict[str, Any]]]
    reserve_status = "Accepted"

    @on("TriggerMessage")
    async def trigger(self, **wish: Any) -> Any:
        self.asked.append(("TriggerMessage", wish))
        return call_result.TriggerMessage(status="Rejected")

    @on("ChangeConfiguration")
    async def configure(self, **wish: Any) -> Any:
        self.asked.append(("ChangeConfiguration", wish))
        return call_result.ChangeConfiguration(status="Accepted")

    @on("ReserveNow")
    async def reserve(self, **wish: Any) -> Any:
        self.asked.append(("ReserveNow", wish))
        return call_result.ReserveNow(status=self.reserve_status)

    @on("CancelReservation")
    async def cancel(self, **wish: Any) -> Any:
        self.asked.append(("CancelReservation", wish))
        return call_result.CancelReservation(status="Accepted")

    @on("ChangeAvailability")
    async def availability(self, **wish: Any) -> Any:
        self.asked.append(("ChangeAvailability", wish))
        return call_result.ChangeAvailability(status="Accepted")


async def build(folder: Path, *, password: str = "", lenient: bool = False) -> Gateway:
    clock = HostClock()
    spool = Spool(folder, new_id)
    await spool.start()
    facts = PileFacts("P/1", "P/1", (ConnectorFacts("IEC_62196_T2", "AC_3_PHASE", 22.0),) * 2)
    rules = dict.fromkeys(facts.evse_ids, FusionRules(60.0, 30.0, 0.05))
    picture = LivePicture(rules, heartbeat_s=20.0, new_id=new_id)
    watch = Watch(picture, rules, [facts], spool, clock)
    settings = OcppSettings(20.0, 0.1, {"trigger_floor_s": 60.0})
    pile = Ocpp16Pile(
        "P/1",
        facts.evse_ids,
        settings,
        watch,
        TransactionBook(spool),
        clock.now_ms,
        new_id,
    )
    keys = key_forms(password.encode())
    door = Door("P/1", ("ocpp1.6",), int(bool(keys)), keys)
    server = OcppServer(
        Ports(("127.0.0.1", 0)), [door], {"P/1": pile}, accept_without_subprotocol=lenient
    )
    await server.start()
    return Gateway(spool, pile, server, watch)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    built = await build(tmp_path)
    yield built
    await built.server.close()
    await built.spool.close()


@dataclass
class Dialled:
    """A connected charge point and the task that reads for it."""

    point: Pile16
    socket: ClientConnection
    reader: asyncio.Task[None]

    async def hang_up(self) -> None:
        await self.socket.close()
        self.reader.cancel()
        await asyncio.gather(self.reader, return_exceptions=True)


async def dial(gateway: Gateway, **options: Any) -> Dialled:
    socket = await connect(gateway.url, subprotocols=[Subprotocol("ocpp1.6")], **options)
    point = Pile16("P/1", socket, response_timeout=5)
    point.asked = []
    return Dialled(point, socket, asyncio.create_task(point.start(), name="test:pile"))


async def until(met: Any, deadline_s: float = 5.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not (await met() if asyncio.iscoroutinefunction(met) else met()):
            await asyncio.sleep(0.01)


def available(connector_id: int = 1, **more: Any) -> Any:
    return call.StatusNotification(
        connector_id=connector_id, error_code="NoError", status="Available", **more
    )


async def test_boot_is_accepted_and_introduces_the_pile(gateway: Gateway) -> None:
    """A BootNotification is accepted with our heartbeat interval and fills in the pile's facts."""
    dialled = await dial(gateway)

    answer = await dialled.point.call(
        call.BootNotification(
            charge_point_model="Volt 22", charge_point_vendor="Acme", firmware_version="3.1"
        )
    )

    assert (answer.status, answer.interval) == ("Accepted", 20)
    facts = gateway.watch.facts()[0]
    assert (facts.maker, facts.model, facts.firmware) == ("Acme", "Volt 22", "3.1")
    assert facts.sources["maker"] == "boot_notification"
    await dialled.hang_up()


async def test_status_without_boot_and_timestamp_is_taken(gateway: Gateway) -> None:
    """A station that reconnects without booting is believed by its first StatusNotification."""
    dialled = await dial(gateway)

    await dialled.point.call(available())

    fused = gateway.watch.fused(EVSE)
    assert fused is not None
    assert fused.status is EvseStatus.AVAILABLE
    await dialled.hang_up()


async def test_status_of_a_station_with_a_slow_clock_is_stamped_on_receipt(
    gateway: Gateway,
) -> None:
    """A state whose stamp is years old holds now, and its record says so."""
    dialled = await dial(gateway)
    before_ms = gateway.pile.now_ms()

    await dialled.point.call(available(timestamp="2025-06-01T00:00:00Z"))
    await until(lambda: gateway.spool.committed >= 1)

    assert (await gateway.records())[0].observed_at_ms >= before_ms
    await dialled.hang_up()


async def test_status_of_connector_0_speaks_for_the_station(gateway: Gateway) -> None:
    """Unavailable at connector 0 makes every EVSE inoperative, and Available gives them back."""
    dialled = await dial(gateway)
    for connector_id in (1, 2):
        await dialled.point.call(available(connector_id))

    await dialled.point.call(
        call.StatusNotification(connector_id=0, error_code="NoError", status="Unavailable")
    )
    down = [gateway.watch.fused(evse_id) for evse_id in gateway.pile.evse_ids]
    await dialled.point.call(available(0))
    await asyncio.sleep(0.06)
    await dialled.point.call(call.Heartbeat())
    await dialled.point.call(available(1))
    up = gateway.watch.fused(EVSE)

    assert [fused.status for fused in down if fused] == [EvseStatus.INOPERATIVE] * 2
    assert up is not None
    assert up.status is EvseStatus.AVAILABLE
    await dialled.hang_up()


async def test_faulted_with_no_error_is_still_out_of_order(gateway: Gateway) -> None:
    """Faulted with errorCode NoError is a fault all the same."""
    dialled = await dial(gateway)

    await dialled.point.call(
        call.StatusNotification(connector_id=1, error_code="NoError", status="Faulted")
    )
    await until(lambda: gateway.spool.committed >= 2)

    kinds = {record.kind: record for record in await gateway.records()}
    assert kinds[RecordKind.FAULT].detail is not None
    assert kinds[RecordKind.FAULT].detail.fault_code == "OtherError"
    assert kinds[RecordKind.STATUS].status is EvseStatus.OUTOFORDER
    await dialled.hang_up()


async def test_transaction_is_durable_before_it_is_answered(gateway: Gateway) -> None:
    """When StartTransaction is answered, its record lies in the spool, with a hashed token."""
    dialled = await dial(gateway)

    answer = await dialled.point.call(
        call.StartTransaction(connector_id=1, id_tag="TAG1", meter_start=1500, timestamp=NOW)
    )
    record = (await gateway.records())[-1]

    assert answer.transaction_id > 0
    assert record.kind is RecordKind.SESSION_START
    assert record.values.energy_kwh == 1.5
    assert record.detail is not None
    assert record.detail.id_token_hash == token_hash("TAG1")
    await dialled.hang_up()


async def test_repeated_transaction_messages_count_once(gateway: Gateway) -> None:
    """A start that is sent again gets the same id; a second stop adds no record."""
    dialled = await dial(gateway)
    start = call.StartTransaction(connector_id=2, id_tag="T", meter_start=0, timestamp=NOW)
    first = await dialled.point.call(start)
    again = await dialled.point.call(start)
    stop = call.StopTransaction(
        transaction_id=first.transaction_id, meter_stop=4000, timestamp=NOW, reason="Remote"
    )

    await dialled.point.call(stop)
    await dialled.point.call(stop)

    assert again.transaction_id == first.transaction_id
    sessions = [r for r in await gateway.records() if r.detail and r.detail.session_id]
    assert [record.kind for record in sessions] == [
        RecordKind.SESSION_START,
        RecordKind.SESSION_END,
    ]
    assert {record.detail.session_id for record in sessions if record.detail} == {
        sessions[0].detail.session_id if sessions[0].detail else ""
    }
    assert {record.evse_id for record in sessions} == {"P/1*2"}
    await dialled.hang_up()


async def test_late_stop_of_an_unknown_transaction_is_accepted(gateway: Gateway) -> None:
    """The end of a transaction that began elsewhere is kept once and answered."""
    dialled = await dial(gateway)
    stop = call.StopTransaction(transaction_id=991, meter_stop=1, timestamp=NOW)

    await dialled.point.call(stop, suppress=False)
    await dialled.point.call(stop, suppress=False)

    ends = [r for r in await gateway.records() if r.kind is RecordKind.SESSION_END]
    assert len(ends) == 1
    await dialled.hang_up()


async def test_meter_values_reach_the_spool_with_units_converted(gateway: Gateway) -> None:
    """Watts, watt-hours and per cent of MeterValues become kW, kWh and SoC of a record."""
    dialled = await dial(gateway)
    await dialled.point.call(
        call.StatusNotification(connector_id=1, error_code="NoError", status="Charging")
    )

    await dialled.point.call(
        call.MeterValues(
            connector_id=1,
            meter_value=[
                {
                    "timestamp": gateway_now(gateway),
                    "sampledValue": [
                        {"value": "7400", "measurand": "Power.Active.Import", "unit": "W"},
                        {"value": "12500"},
                        {"value": "55", "measurand": "SoC", "unit": "Percent"},
                    ],
                }
            ],
        )
    )

    values = (await gateway.records())[-1].values
    assert (values.power_kw, values.energy_kwh, values.soc_pct) == (7.4, 12.5, 55.0)
    await dialled.hang_up()


def gateway_now(gateway: Gateway) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(gateway.pile.now_ms() / 1000, UTC).isoformat()


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


def _status(gateway: Gateway) -> EvseStatus | None:
    fused = gateway.watch.fused(EVSE)
    return fused.status if fused else None


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


async def test_action_on_a_pile_that_is_away_times_out(gateway: Gateway) -> None:
    """Nothing can be asked of a station that is not connected."""
    answer = await gateway.pile.perform(EVSE, SetAvailability(True))

    assert answer.outcome is Outcome.TIMED_OUT


async def test_raw_status_travels_beside_the_mapped_one(gateway: Gateway) -> None:
    """SuspendedEV is CHARGING for everybody, and still SuspendedEV in the record."""
    dialled = await dial(gateway)
    await dialled.point.call(
        call.StatusNotification(connector_id=1, error_code="NoError", status="SuspendedEV")
    )
    await until(lambda: gateway.spool.committed >= 1)

    record = (await gateway.records())[0]
    assert (record.status, record.ocpp) == (EvseStatus.CHARGING, OcppStatus.SUSPENDED_EV)
    await dialled.hang_up()
