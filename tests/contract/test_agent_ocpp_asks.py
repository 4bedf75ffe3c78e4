"""What the agent asks of a station by itself and on demand, and what it makes of the answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from ocpp_gateway import Gateway, RawStation, gateway_of, raw_station, until

from edge_agent.core.directive import Cancel, Outcome, Reserve, SetAvailability
from edge_agent.core.reading import EvseStatus, RecordKind
from edge_agent.piles import ocpp_link
from edge_agent.piles.ocpp201 import Ocpp201Pile
from edge_agent.piles.ocpp201_asks import Asks201

VERSIONS = ("ocpp1.6", "ocpp2.0.1")
both = pytest.mark.parametrize("version", VERSIONS)
YES = {"status": "Accepted"}


async def tell(gateway: Gateway, station: RawStation, word: str, evse: int = 1) -> None:
    """A status in the words of the version."""
    if gateway.version == "ocpp1.6":
        payload: dict[str, Any] = {"connectorId": evse, "errorCode": "NoError", "status": word}
    else:
        payload = {"evseId": evse, "connectorId": 1, "connectorStatus": word}
        payload["timestamp"] = gateway.stamp()
    await station.call("StatusNotification", payload)


@both
async def test_silent_station_is_asked_for_every_status(tmp_path: Path, version: str) -> None:
    """Whoever connects and says nothing is asked, in the way of its version."""
    async with (
        gateway_of(tmp_path, version, settle_s=0.05) as gateway,
        raw_station(gateway, TriggerMessage=YES) as station,
    ):
        wanted = 1 if version == "ocpp1.6" else 2
        await until(lambda: len(station.wishes("TriggerMessage")) == wanted)

    asked = station.wishes("TriggerMessage")
    if version == "ocpp1.6":
        assert asked == [{"requestedMessage": "StatusNotification"}]
    else:
        assert asked == [
            {"requestedMessage": "StatusNotification", "evse": {"id": n, "connectorId": 1}}
            for n in (1, 2)
        ]


@both
async def test_reconnecting_station_is_not_triggered_again_within_the_floor(
    tmp_path: Path, version: str
) -> None:
    """A station that flaps is asked once, not on every connection."""
    async with gateway_of(tmp_path, version, settle_s=0.0) as gateway:
        asked = []
        for _ in range(3):
            async with raw_station(gateway, TriggerMessage=YES) as station:
                for _ in range(5):
                    await station.call("Heartbeat", {})
            asked += station.wishes("TriggerMessage")

    assert len(asked) == (1 if version == "ocpp1.6" else 2)


@both
async def test_station_that_cannot_be_asked_is_believed_as_before(
    tmp_path: Path, version: str
) -> None:
    """After a short loss the last word counts again where TriggerMessage is not implemented."""
    async with gateway_of(tmp_path, version, settle_s=0.1) as gateway:
        async with raw_station(gateway) as station:
            await tell(gateway, station, "Available")
        await until(lambda: gateway.status() is EvseStatus.UNKNOWN)
        async with raw_station(gateway):
            await until(lambda: gateway.status() is EvseStatus.AVAILABLE)


@both
async def test_setting_that_needs_a_reboot_is_an_event(tmp_path: Path, version: str) -> None:
    """Only settings that differ are written; RebootRequired is told."""
    wishes = {"meter_value_sample_interval_s": 10.0}
    if version == "ocpp1.6":
        present = [
            {"key": "HeartbeatInterval", "readonly": False, "value": "20"},
            {"key": "MeterValueSampleInterval", "readonly": False, "value": "60"},
        ]
        replies: dict[str, Any] = {
            "GetConfiguration": {"configurationKey": present},
            "ChangeConfiguration": {"status": "RebootRequired"},
        }
    else:

        def read(wish: dict[str, Any]) -> dict[str, Any]:
            names = ("HeartbeatInterval", "20"), ("TxUpdatedInterval", "60")
            found = [
                {"attributeStatus": "Accepted", "attributeValue": dict(names)[v], **data}
                for data in wish["getVariableData"]
                for v in [data["variable"]["name"]]
            ]
            return {"getVariableResult": found}

        def write(wish: dict[str, Any]) -> dict[str, Any]:
            data = dict(wish["setVariableData"][0])
            del data["attributeValue"]
            return {"setVariableResult": [{"attributeStatus": "RebootRequired", **data}]}

        replies = {"GetVariables": read, "SetVariables": write}
    async with (
        gateway_of(tmp_path, version, settle_s=0.0, wishes=wishes) as gateway,
        raw_station(gateway, **replies) as station,
    ):
        await until(lambda: gateway.spool.committed >= 1)
        events = [r.detail for r in await gateway.records(RecordKind.EVENT) if r.detail]

    written = station.wishes("ChangeConfiguration") + station.wishes("SetVariables")
    assert len(written) == 1
    assert events[0].reason == "SETTING_NEEDS_REBOOT"
    assert events[0].text.endswith("Interval=10: RebootRequired")


@both
async def test_idle_meters_are_asked_for_where_clock_values_are_refused(
    tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A station that sends no meter values when idle is triggered, and not beyond the floor."""
    wishes = {"clock_aligned_data_interval_s": 900.0, "idle_meter_values_s": 0.05}
    replies = {"TriggerMessage": YES, "ChangeConfiguration": {"status": "NotSupported"}}
    async with (
        gateway_of(tmp_path, version, settle_s=0.0, wishes=wishes) as gateway,
        raw_station(gateway, **replies) as station,
    ):
        await tell(gateway, station, "Available")
        await tell(gateway, station, "Available", 2)

        rounds, ask = 0, gateway.pile.wishes.trigger

        async def counted(*words: Any) -> Any:
            nonlocal rounds
            rounds += 1
            return await ask(*words)

        monkeypatch.setattr(gateway.pile.wishes, "trigger", counted)

        def meters() -> int:
            asked = station.wishes("TriggerMessage")
            return sum(wish["requestedMessage"] == "MeterValues" for wish in asked)

        await until(lambda: rounds >= 6)

    assert meters() == 2


@both
async def test_one_call_at_a_time_and_a_late_answer_is_not_the_next_ones(
    tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call waits for the one before; an answer that comes too late belongs to nobody."""
    monkeypatch.setattr(ocpp_link, "CALL_TIMEOUT_S", 0.3)
    async with (
        gateway_of(tmp_path, version, settle_s=60.0) as gateway,
        raw_station(gateway, ChangeAvailability="never") as station,
    ):
        first = asyncio.create_task(gateway.pile.perform("B-01*1", SetAvailability(False)))
        await until(lambda: len(station.asked) == 1)
        second = asyncio.create_task(gateway.pile.perform("B-01*2", SetAvailability(True)))
        await station.call("Heartbeat", {})
        asked_meanwhile = len(station.asked)
        late = await first
        station.replies["ChangeAvailability"] = {"status": "Rejected"}
        await station.socket.send('[3,"strange",{"status":"Accepted"}]')
        answer = await second

    assert asked_meanwhile == 1
    assert late.outcome is Outcome.TIMED_OUT
    assert answer.outcome in (Outcome.REFUSED, Outcome.TIMED_OUT)


@both
async def test_answer_of_a_station_does_not_wait_behind_its_transactions(
    tmp_path: Path, version: str
) -> None:
    """While the disk is busy with a transaction the station can still be asked things."""
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(_: Any) -> None:
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(5)

    async with (
        gateway_of(tmp_path, version, settle_s=60.0) as gateway,
        raw_station(gateway, ChangeAvailability=YES) as station,
    ):
        blocked = asyncio.create_task(gateway.spool.call(hold))
        await asyncio.sleep(0)
        if version == "ocpp1.6":
            payload = {"connectorId": 1, "idTag": "T", "meterStart": 0}
            payload["timestamp"] = gateway.stamp()
            started = await station.put("StartTransaction", payload)
        else:
            payload = {
                "eventType": "Started",
                "timestamp": gateway.stamp(),
                "triggerReason": "Authorized",
                "seqNo": 0,
                "transactionInfo": {"transactionId": "T"},
            }
            started = await station.put("TransactionEvent", payload)
        answer = await gateway.pile.perform("B-01*1", SetAvailability(True))
        waited = not started.done()
        gate.set()
        await blocked
        await asyncio.wait_for(started, 60)

    assert answer.outcome is Outcome.DONE
    assert waited


@both
async def test_unknown_station_errors_are_refusals_with_their_code(
    tmp_path: Path, version: str
) -> None:
    """NotImplemented and NotSupported mean it cannot; any other CALLERROR means it does not."""
    outcomes = []
    async with (
        gateway_of(tmp_path, version, settle_s=60.0) as gateway,
        raw_station(gateway) as station,
    ):
        for code in ("NotImplemented", "NotSupported", "InternalError", "GenericError"):
            station.replies["ReserveNow"] = code
            answer = await gateway.pile.perform("B-01*1", Reserve("c", 60.0, "T"))
            outcomes.append(answer.outcome)
            assert code in answer.message

    unable = [Outcome.UNSUPPORTED] * 2
    assert outcomes == [*unable, Outcome.REFUSED, Outcome.REFUSED]


@both
async def test_reservation_that_the_station_forgot_is_given_up(
    tmp_path: Path, version: str
) -> None:
    """A cancel that the station rejects because it has none has reached its end."""
    async with gateway_of(tmp_path, version, settle_s=60.0) as gateway:
        replies = {"CancelReservation": {"status": "Rejected"}}
        async with raw_station(gateway, **replies):
            answer = await gateway.pile.perform("B-01*1", Cancel("claim"))

    assert answer.outcome is Outcome.DONE


async def test_201_token_that_matches_uses_the_reservation_up(tmp_path: Path) -> None:
    """2.0.1: a foreign token leaves the reservation, the right one ends it, even by Authorize."""
    async with gateway_of(tmp_path, "ocpp2.0.1", settle_s=60.0) as gateway:
        replies = {"ReserveNow": YES, "CancelReservation": YES}
        async with raw_station(gateway, **replies) as station:
            await gateway.pile.perform("B-01*1", Reserve("claim", 600.0, "AB"))
            kept = gateway.pile.wishes.kept
            used = []
            for token in ("CD", "ab"):
                await station.call("Authorize", {"idToken": {"idToken": token, "type": "Local"}})
                used.append(kept[1].used)
            answer = await gateway.pile.perform("B-01*1", Cancel("claim"))

    assert used == [False, True]
    assert "used" in answer.message
    assert station.wishes("CancelReservation") == []


async def test_201_report_and_transaction_status_are_asked_for(tmp_path: Path) -> None:
    """GetBaseReport fills the pile's report; GetTransactionStatus tells of waiting messages."""
    async with gateway_of(tmp_path, "ocpp2.0.1", settle_s=60.0) as gateway:
        status = {"messagesInQueue": True, "ongoingIndicator": False}
        async with raw_station(gateway, GetBaseReport=YES, GetTransactionStatus=status) as station:
            pile, asks = gateway.pile, gateway.pile.asks
            while asks is None:
                await asyncio.sleep(0.01)
                asks = pile.asks
            assert isinstance(pile, Ocpp201Pile)
            assert isinstance(asks, Asks201)
            taken = await asks.base_report()
            entry = {
                "component": {"name": "EVSE", "evse": {"id": 1}},
                "variable": {"name": "Power"},
                "variableAttribute": [{"value": "22000"}],
            }
            report = {"requestId": 1, "generatedAt": gateway.stamp(), "seqNo": 0}
            await station.call("NotifyReport", {**report, "reportData": [entry]})
            waiting = await asks.transaction_status("T")

    assert taken.outcome is Outcome.DONE
    assert pile.report == {"EVSE.Power": "22000"}
    assert waiting == (True, False)
