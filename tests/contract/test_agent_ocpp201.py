"""What an OCPP 2.0.1 station says, in hand-written frames, and what the agent makes of it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ocpp_gateway import Gateway, gateway_of, raw_station, until

from edge_agent.core.reading import EvseStatus, OcppStatus, RecordFlags, RecordKind
from edge_agent.piles.ocpp_pile import token_hash

START, END = RecordKind.SESSION_START, RecordKind.SESSION_END
NAMES = {"vendorName": "Acme", "model": "DC 60", "firmwareVersion": "4.2"}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway that asks nothing by itself."""
    async with gateway_of(tmp_path, "ocpp2.0.1", settle_s=60.0) as built:
        yield built


def status(gateway: Gateway, word: str, evse: int = 1, connector: int = 1) -> dict[str, Any]:
    return {
        "timestamp": gateway.stamp(),
        "connectorStatus": word,
        "evseId": evse,
        "connectorId": connector,
    }


def event(
    gateway: Gateway, kind: str, seq: int, tx: str = "T1", ago_s: float = 0.0, **more: Any
) -> dict[str, Any]:
    info = {"transactionId": tx}
    for key in ("chargingState", "stoppedReason"):
        if key in more:
            info[key] = more.pop(key)
    evse = {"evse": {"id": 1, "connectorId": 1}} if more.pop("placed", True) else {}
    return {
        "eventType": kind,
        "timestamp": gateway.stamp(ago_s),
        "triggerReason": "Authorized",
        "seqNo": seq,
        "transactionInfo": info,
        **evse,
        **more,
    }


def energy(gateway: Gateway, wh: float, ago_s: float = 0.0) -> list[dict[str, Any]]:
    sample = {"value": wh, "unitOfMeasure": {"unit": "Wh"}}
    return [{"timestamp": gateway.stamp(ago_s), "sampledValue": [sample]}]


async def test_boot_of_201_introduces_the_pile(gateway: Gateway) -> None:
    """A BootNotification is accepted with our interval and fills in the pile's facts."""
    async with raw_station(gateway) as station:
        answer = await station.call(
            "BootNotification", {"chargingStation": NAMES, "reason": "PowerUp"}
        )

    assert (answer["status"], answer["interval"]) == ("Accepted", 20)
    facts = gateway.watch.facts()[0]
    assert (facts.maker, facts.model, facts.firmware) == ("Acme", "DC 60", "4.2")


async def test_occupied_is_refined_by_the_charging_state(gateway: Gateway) -> None:
    """Occupied alone is Occupied; the transaction tells Charging, SuspendedEV and the end."""
    seen = []
    async with raw_station(gateway) as station:
        await station.call("StatusNotification", status(gateway, "Occupied"))
        seen.append(gateway.raw())
        for seq, word in enumerate(("EVConnected", "Charging", "SuspendedEV", "SuspendedEVSE")):
            kind = "Started" if seq == 0 else "Updated"
            await station.call("TransactionEvent", event(gateway, kind, seq, chargingState=word))
            seen.append(gateway.raw())
        await station.call("TransactionEvent", event(gateway, "Ended", 4))
        seen.append(gateway.raw())
        during = gateway.status()
        await station.call("StatusNotification", status(gateway, "Available"))
        seen.append(gateway.raw())

    assert during is EvseStatus.CHARGING
    assert seen == [
        OcppStatus.OCCUPIED,
        OcppStatus.PREPARING,
        OcppStatus.CHARGING,
        OcppStatus.SUSPENDED_EV,
        OcppStatus.SUSPENDED_EVSE,
        OcppStatus.FINISHING,
        OcppStatus.AVAILABLE,
    ]


async def test_one_taken_connector_takes_the_whole_evse(gateway: Gateway) -> None:
    """Of two connectors of one EVSE the occupied one decides, and a broken one does not."""
    async with raw_station(gateway) as station:
        await station.call("StatusNotification", status(gateway, "Available", connector=1))
        await station.call("StatusNotification", status(gateway, "Faulted", connector=2))
        usable = gateway.status()
        await station.call("StatusNotification", status(gateway, "Occupied", connector=1))

    assert usable is EvseStatus.AVAILABLE
    assert gateway.status() is EvseStatus.CHARGING
    assert gateway.status(2) is not EvseStatus.CHARGING


async def test_session_of_201_is_durable_and_hashed(gateway: Gateway) -> None:
    """Start and end are in the spool when they are answered, with one session id and no token."""
    token = {"idToken": "04A1B2C3", "type": "ISO14443"}
    async with raw_station(gateway) as station:
        begun = await station.call(
            "TransactionEvent",
            event(gateway, "Started", 0, idToken=token, meterValue=energy(gateway, 1500)),
        )
        start = await gateway.records(START)
        await station.call(
            "TransactionEvent",
            event(
                gateway,
                "Ended",
                1,
                placed=False,
                stoppedReason="EVDisconnected",
                meterValue=energy(gateway, 9500),
            ),
        )
        end = await gateway.records(END)

    assert begun["idTokenInfo"] == {"status": "Accepted"}
    assert start[0].detail is not None
    assert end[0].detail is not None
    assert start[0].detail.id_token_hash == token_hash("04A1B2C3")
    assert start[0].detail.session_id == end[0].detail.session_id != ""
    assert end[0].detail.reason == "EVDisconnected"
    assert (start[0].values.energy_kwh, end[0].values.energy_kwh) == (1.5, 9.5)


async def test_E11_repeated_transaction_events_count_once(gateway: Gateway) -> None:
    """A message with a transaction id and number that was taken before adds nothing."""
    old = [
        event(gateway, "Started", 0, offline=True, ago_s=900),
        *(
            event(gateway, "Updated", n, offline=True, meterValue=energy(gateway, n * 1e3, 800 - n))
            for n in range(1, 30)
        ),
        event(gateway, "Ended", 30, offline=True, ago_s=300),
    ]
    async with raw_station(gateway) as station:
        for message in (*old, *old[10:20], *old):
            await station.call("TransactionEvent", message)

    records = await gateway.records(START, RecordKind.METER, END)
    assert [r.kind for r in records] == [START, *[RecordKind.METER] * 29, END]
    assert [r.values.energy_kwh for r in records[1:30]] == [float(n) for n in range(1, 30)]


async def test_session_id_outlives_a_reconnect_and_the_missing_start(gateway: Gateway) -> None:
    """A transaction whose start was never heard is one session, over two connections."""
    async with raw_station(gateway) as station:
        await station.call("TransactionEvent", event(gateway, "Updated", 7, tx="X"))
    async with raw_station(gateway) as station:
        await station.call("TransactionEvent", event(gateway, "Updated", 8, tx="X", placed=False))
        await station.call("TransactionEvent", event(gateway, "Ended", 9, tx="X", placed=False))

    details = [r.detail for r in await gateway.records(START, END)]
    assert [d.reason for d in details if d] == ["JOINED_LATE", "Local"]
    assert len({d.session_id for d in details if d}) == 1


async def test_late_end_of_an_unknown_transaction_is_answered(gateway: Gateway) -> None:
    """The end of a transaction that began elsewhere is kept, once."""
    async with raw_station(gateway) as station:
        for _ in range(2):
            await station.call("TransactionEvent", event(gateway, "Ended", 3, tx="gone"))

    assert len(await gateway.records(START, END)) == 1


async def test_status_overtakes_transactions_and_they_stay_in_order(gateway: Gateway) -> None:
    """With the disk busy a status is answered first; transactions are answered as they came."""
    order: list[str] = []

    def noting(name: str) -> Any:
        return lambda _: order.append(name)

    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(_: Any) -> None:
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(5)

    async with raw_station(gateway) as station:
        blocked = asyncio.create_task(gateway.spool.call(hold))
        await asyncio.sleep(0)
        for seq, kind in enumerate(("Started", "Updated", "Ended")):
            answer = await station.put("TransactionEvent", event(gateway, kind, seq))
            answer.add_done_callback(noting(kind))
        told = await station.put("StatusNotification", status(gateway, "Faulted"))
        told.add_done_callback(noting("status"))
        await asyncio.wait_for(told, 60)
        gate.set()
        await blocked
        await until(lambda: len(order) == 4)

    assert order == ["status", "Started", "Updated", "Ended"]


async def test_notify_event_names_the_fault_and_clears_it(gateway: Gateway) -> None:
    """A component's problem is an MREC fault of its EVSE until the station clears it."""
    data = {
        "eventId": 1,
        "timestamp": gateway.stamp(),
        "trigger": "Alerting",
        "actualValue": "true",
        "eventNotificationType": "HardWiredMonitor",
        "component": {"name": "PowerContactor", "evse": {"id": 1}},
        "variable": {"name": "Problem"},
    }
    frame = {"generatedAt": gateway.stamp(), "seqNo": 0}
    async with raw_station(gateway) as station:
        await station.call("StatusNotification", status(gateway, "Faulted"))
        await station.call("NotifyEvent", {**frame, "eventData": [data]})
        await station.call("NotifyEvent", {**frame, "eventData": [{**data, "cleared": True}]})

    await until(lambda: gateway.spool.committed >= 5)
    told = await gateway.records(RecordKind.FAULT, RecordKind.FAULT_CLEARED)
    names = [(r.kind.name, r.detail.fault_code) for r in told if r.detail]
    assert ("FAULT", "CX017") in names
    assert ("FAULT_CLEARED", "CX017") in names
    assert names.index(("FAULT", "CX017")) < names.index(("FAULT_CLEARED", "CX017"))


async def test_everything_else_that_a_station_may_say_is_answered(gateway: Gateway) -> None:
    """No message of the standard or beyond ends the connection."""
    at = gateway.stamp()
    said: list[tuple[str, dict[str, Any]]] = [
        ("Heartbeat", {}),
        ("Authorize", {"idToken": {"idToken": "A", "type": "Central"}}),
        ("MeterValues", {"evseId": 1, "meterValue": energy(gateway, 10)}),
        ("NotifyReport", {"requestId": 1, "generatedAt": at, "seqNo": 0}),
        ("SecurityEventNotification", {"type": "TamperDetectionActivated", "timestamp": at}),
        ("LogStatusNotification", {"status": "Uploaded"}),
        ("FirmwareStatusNotification", {"status": "Installed"}),
        ("ReservationStatusUpdate", {"reservationId": 4, "reservationUpdateStatus": "Expired"}),
        ("DataTransfer", {"vendorId": "com.acme", "data": {"x": 1}}),
        (
            "NotifyChargingLimit",
            {"chargingLimit": {"chargingLimitSource": "EMS"}},
        ),
        (
            "NotifyEVChargingNeeds",
            {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "DC"}},
        ),
    ]
    async with raw_station(gateway) as station:
        for action, payload in said:
            await station.call(action, payload)
        odd = await station.frame("Frobnicate", {})
        unserved = await station.frame("ClearedChargingLimit", {"chargingLimitSource": "EMS"})
        broken = await station.frame("StatusNotification", {"evseId": "one"})
        await station.call("Heartbeat", {})

    assert (odd[0], odd[2]) == (4, "NotImplemented")
    assert (unserved[0], unserved[2]) == (4, "NotSupported")
    assert broken[0] == 4
    reasons = [r.detail.reason for r in await gateway.records(RecordKind.EVENT) if r.detail]
    assert reasons == ["SECURITY_EVENT", "FIRMWARE_STATUS", "RESERVATION_LAPSED"]
    assert gateway.pile.counts["DataTransfer com.acme"] == 1


async def test_local_time_marked_utc_is_stamped_on_receipt_and_flagged(gateway: Gateway) -> None:
    """Stamps two hours ahead are set to now, and their records are marked."""
    ahead = {**status(gateway, "Occupied"), "timestamp": gateway.stamp(-7200)}
    async with raw_station(gateway) as station:
        before_ms = gateway.pile.now_ms()
        await station.call("StatusNotification", ahead)
        started = event(gateway, "Started", 0, ago_s=-7200)
        await station.call("TransactionEvent", started)

    records = await gateway.records(RecordKind.STATUS, START)
    assert len(records) == 2
    for record in records:
        assert record.flags & RecordFlags.CLOCK_UNSYNCED
        assert before_ms - 1000 <= record.observed_at_ms <= gateway.pile.now_ms()


@pytest.mark.slow
def test_201_is_loaded_only_where_it_is_spoken(tmp_path: Path) -> None:
    """An agent with a 1.6 pile imports neither the 2.0.1 half of the package nor cryptography."""
    config = tmp_path / "agent.toml"
    config.write_text(
        '[agent]\nid = "A"\ncoordinator = "127.0.0.1:9"\ndata_dir = "data"\n'
        '[ocpp]\nlisten = "127.0.0.1:0"\n'
        '[[pile]]\nuid = "B-01"\nprofile = "PROFILE"\n'
        '[[pile.connector]]\nstandard = "IEC_62196_T2"\nmax_power_kw = 22\n'
    )
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from edge_agent.app import run_agent\n"
        "from edge_agent.config_file import load_config\n"
        "async def main():\n"
        "    stop = asyncio.Event()\n"
        "    await run_agent(load_config(Path(sys.argv[1])), stop, lambda line: stop.set())\n"
        "asyncio.run(main())\n"
        "print([m for m in ('ocpp.v16', 'ocpp.v201', 'cryptography') if m in sys.modules])\n"
    )
    found = []
    for profile in ("ocpp16", "ocpp201"):
        text = config.read_text().replace("PROFILE", profile).replace("ocpp16", profile)
        config.write_text(text)
        ran = subprocess.run(
            [sys.executable, "-c", code, str(config)], capture_output=True, text=True, timeout=60
        )
        found.append(ran.stdout.strip().splitlines()[-1:])

    assert found == [["['ocpp.v16']"], ["['ocpp.v201']"]]
