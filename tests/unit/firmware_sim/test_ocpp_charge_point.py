"""Charge points against a central system that knows nothing of this program."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from central_system import CentralSystem

from pilewise.v1 import bench_service_pb2 as pb

OCPP = "[ocpp]\nreconnect_base_s = 0.05\nreconnect_cap_s = 0.05\n"
CLOCK = "[clock]\nepoch_at_ms = 1777888800000\nanchor_s = 0.0\n"
EPOCH = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)


@pytest.fixture
async def central() -> AsyncIterator[CentralSystem]:
    """A central system on a free port."""
    system = CentralSystem()
    await system.open()
    yield system
    await system.close()


def config(central: CentralSystem, *, mode: str = "stepped", ocpp: str = "", **pile: Any) -> str:
    facts = {"max_power_kw": 60.0, "connectors": 2, **pile}
    lines = "".join(f"{key} = {value!r}\n".replace("'", '"') for key, value in facts.items())
    return (
        f'[sim]\nmode = "{mode}"\n{CLOCK}{OCPP}{ocpp}'
        f'[[pile]]\npile_id = "B-01"\nface = "ocpp16"\nurl = "{central.url("B-01")}"\n{lines}'
    )


async def plug(sim: Any, evse_id: str = "B-01*1", token: str = "") -> None:
    await sim.bench.PlugIn(pb.PlugInRequest(evse_id=evse_id, soc_pct=20, id_token=token))


async def advance(sim: Any, seconds: float) -> None:
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=seconds))


async def test_pile_boots_and_tells_every_connector(
    simulate: Callable, central: CentralSystem
) -> None:
    """The first words are a boot, then the station and each connector, by the pile's clock."""
    await simulate(config(central))

    await central.wait_for_status(2, "Available")

    assert central.actions() == ["BootNotification", *["StatusNotification"] * 3]
    assert central.heard[0].payload["chargePointVendor"] == "Pilewise"
    assert [h.payload["connectorId"] for h in central.heard[1:]] == [0, 1, 2]
    assert central.heard[1].payload["timestamp"] == "2026-05-04T10:00:00.000Z"
    assert central.heard[2].payload["errorCode"] == "NoError"


async def test_free_vending_session_from_start_to_stop(
    simulate: Callable, central: CentralSystem
) -> None:
    """A whole session: start, statuses, samples on demand, stop with the meter's difference."""
    sim = await simulate(config(central))
    await central.wait_for_status(1, "Available")

    await plug(sim)
    start = await central.wait_for("StartTransaction")
    await advance(sim, 620)
    await central.wait_for_status(1, "Charging")
    await central.ask("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1})
    meter = await central.wait_for("MeterValues")
    await sim.bench.Unplug(pb.UnplugRequest(evse_id="B-01*1"))
    stop = await central.wait_for("StopTransaction")
    await central.wait_for("StatusNotification", lambda h: central.heard.index(h) > 6)

    assert start.payload == {
        "connectorId": 1,
        "idTag": "FREE",
        "meterStart": 0,
        "timestamp": "2026-05-04T10:00:00.000Z",
    }
    assert (stop.payload["transactionId"], stop.payload["reason"]) == (101, "EVDisconnected")
    assert stop.payload["meterStop"] == 10_000  # ten minutes at 60 kW
    assert stop.payload["timestamp"] == "2026-05-04T10:10:20.000Z"
    values = {v["measurand"]: v for v in meter.payload["meterValue"][0]["sampledValue"]}
    assert meter.payload["transactionId"] == 101
    assert values["Energy.Active.Import.Register"]["value"] == "10000"
    assert values["Power.Active.Import"] == {
        "value": "60000",
        "measurand": "Power.Active.Import",
        "unit": "W",
        "context": "Trigger",
    }
    assert float(values["SoC"]["value"]) == pytest.approx(20 + 10 / 60 * 100, abs=0.1)
    volts, amps = float(values["Voltage"]["value"]), float(values["Current.Import"]["value"])
    assert volts * amps == pytest.approx(60_000, rel=0.01)


async def test_running_transaction_is_sampled_periodically(
    simulate: Callable, central: CentralSystem
) -> None:
    """Samples come at the configured real interval, per phase on AC, without a state of charge."""
    ocpp = "sample_s = 0.05\n"
    sim = await simulate(config(central, ocpp=ocpp, max_power_kw=11.0, connectors=1))
    await plug(sim)
    await advance(sim, 60)

    heard = await central.wait_for(
        "MeterValues", lambda h: "16.0" in str(h.payload) or "15.9" in str(h.payload)
    )

    samples = heard.payload["meterValue"][0]["sampledValue"]
    assert {s["context"] for s in samples} == {"Sample.Periodic"}
    phases = [s["phase"] for s in samples if s["measurand"] == "Current.Import"]
    assert phases == ["L1-N", "L2-N", "L3-N"]
    assert "SoC" not in {s["measurand"] for s in samples}


async def test_token_is_asked_about_before_energy_flows(
    simulate: Callable, central: CentralSystem
) -> None:
    """An accepted token starts a transaction under its own name; a refused one never does."""
    sim = await simulate(config(central))
    await central.wait_for_status(2, "Available")
    central.answers["Authorize"] = {"idTagInfo": {"status": "Blocked"}}
    await plug(sim, "B-01*2", "BAD")
    await central.wait_for("Authorize", lambda h: h.payload == {"idTag": "BAD"})
    central.answers["Authorize"] = {"idTagInfo": {"status": "Accepted"}}
    await plug(sim, "B-01*1", "GOOD")

    start = await central.wait_for("StartTransaction")
    await advance(sim, 300)

    assert (start.payload["connectorId"], start.payload["idTag"]) == (1, "GOOD")
    assert central.actions().count("StartTransaction") == 1
    assert sim.simulator.fleet.evse("B-01*2").power_kw == 0


async def test_transaction_whose_token_is_refused_at_the_start_is_ended(
    simulate: Callable, central: CentralSystem
) -> None:
    """StopTransactionOnInvalidId: the pile stops what the central system does not want."""
    central.answers["StartTransaction"] = {
        "transactionId": 7,
        "idTagInfo": {"status": "Invalid"},
    }
    sim = await simulate(config(central))
    await plug(sim)

    stop = await central.wait_for("StopTransaction")

    assert (stop.payload["transactionId"], stop.payload["reason"]) == (7, "DeAuthorized")
    await central.wait_for_status(1, "Finishing")


async def test_fault_is_told_by_mrec_code_and_ends_the_transaction(
    simulate: Callable, central: CentralSystem
) -> None:
    """Faulted carries errorCode, vendorErrorCode and the vendor of the code set."""
    sim = await simulate(config(central))
    await plug(sim)
    await central.wait_for("StartTransaction")

    await sim.bench.InjectFault(
        pb.InjectFaultRequest(evse_id="B-01*1", fault="EmergencyStop", duration_s=60)
    )
    faulted = await central.wait_for_status(1, "Faulted")
    stop = await central.wait_for("StopTransaction")
    await advance(sim, 61)
    await central.wait_for_status(1, "Finishing")

    assert faulted.payload["errorCode"] == "OtherError"
    assert faulted.payload["vendorErrorCode"] == "CX008"
    assert faulted.payload["vendorId"] == "https://chargex.inl.gov"
    assert faulted.payload["info"] == "EmergencyStop"
    assert stop.payload["reason"] == "EmergencyStop"


async def test_derating_fault_is_told_without_a_change_of_status(
    simulate: Callable, central: CentralSystem
) -> None:
    """A pile that only derates keeps charging and says why it is slower."""
    sim = await simulate(config(central))
    await plug(sim)
    await advance(sim, 60)
    await central.wait_for_status(1, "Charging")

    await sim.bench.InjectFault(
        pb.InjectFaultRequest(evse_id="B-01*1", fault="CableOverTempDerate")
    )

    heard = await central.wait_for(
        "StatusNotification", lambda h: h.payload.get("vendorErrorCode") == "CX018"
    )
    assert heard.payload["status"] == "Charging"


async def test_reservation_is_kept_cancelled_and_consumed(
    simulate: Callable, central: CentralSystem
) -> None:
    """ReserveNow shows Reserved, is used by its token only, and cancelling frees the connector."""
    sim = await simulate(config(central))
    await central.wait_for_status(2, "Available")
    until = (EPOCH + timedelta(minutes=10)).isoformat()
    wish = {"connectorId": 1, "expiryDate": until, "idTag": "MINE", "reservationId": 5}

    first = await central.ask("ReserveNow", wish)
    await central.wait_for_status(1, "Reserved")
    taken = await central.ask("ReserveNow", {**wish, "reservationId": 6})
    freed = await central.ask("CancelReservation", {"reservationId": 5})
    again = await central.ask("CancelReservation", {"reservationId": 5})
    await central.ask("ReserveNow", wish)
    await plug(sim, "B-01*1", "MINE")
    start = await central.wait_for("StartTransaction")

    assert (first, taken) == ({"status": "Accepted"}, {"status": "Occupied"})
    assert (freed, again) == ({"status": "Accepted"}, {"status": "Rejected"})
    assert (start.payload["idTag"], start.payload["reservationId"]) == ("MINE", 5)


@pytest.mark.parametrize(
    ("connector_id", "minutes", "fault", "status"),
    [
        (1, 10, "GroundFailure", "Faulted"),
        (1, -1, None, "Rejected"),
        (0, 10, None, "Rejected"),
        (9, 10, None, "Rejected"),
    ],
)
async def test_reservation_that_cannot_be_kept_is_refused(
    simulate: Callable,
    central: CentralSystem,
    connector_id: int,
    minutes: int,
    fault: str | None,
    status: str,
) -> None:
    """Broken, past and unknown connectors each have their answer."""
    sim = await simulate(config(central))
    await central.wait_for_status(2, "Available")
    if fault:
        await sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="B-01*1", fault=fault))

    answer = await central.ask(
        "ReserveNow",
        {
            "connectorId": connector_id,
            "expiryDate": (EPOCH + timedelta(minutes=minutes)).isoformat(),
            "idTag": "MINE",
            "reservationId": 5,
        },
    )

    assert answer == {"status": status}


async def test_reservation_lapses_by_the_piles_clock(
    simulate: Callable, central: CentralSystem
) -> None:
    """Past its date the connector is free again without anybody asking."""
    sim = await simulate(config(central))
    await central.wait_for_status(2, "Available")
    until = (EPOCH + timedelta(seconds=90)).isoformat()
    await central.ask(
        "ReserveNow",
        {"connectorId": 1, "expiryDate": until, "idTag": "M", "reservationId": 5},
    )
    await central.wait_for_status(1, "Reserved")
    told = len(central.heard)

    await advance(sim, 91)

    await central.wait_for(
        "StatusNotification",
        lambda h: central.heard.index(h) >= told and h.payload["status"] == "Available",
    )


async def test_remote_start_and_stop(simulate: Callable, central: CentralSystem) -> None:
    """A remotely accepted driver plugs in and charges; a remote stop ends it by its number."""
    sim = await simulate(config(central))
    await central.wait_for_status(2, "Available")

    started = await central.ask("RemoteStartTransaction", {"idTag": "APP", "connectorId": 1})
    await central.wait_for_status(1, "Preparing")
    await plug(sim)
    start = await central.wait_for("StartTransaction")
    await central.ask("TriggerMessage", {"requestedMessage": "Heartbeat"})
    await central.wait_for("Heartbeat")  # the answer to StartTransaction has been taken in
    unknown = await central.ask("RemoteStopTransaction", {"transactionId": 999})
    stopped = await central.ask("RemoteStopTransaction", {"transactionId": 101})
    stop = await central.wait_for("StopTransaction")
    not_again = await central.ask("RemoteStartTransaction", {"idTag": "APP", "connectorId": 1})

    assert (started, start.payload["idTag"]) == ({"status": "Accepted"}, "APP")
    assert (unknown, stopped) == ({"status": "Rejected"}, {"status": "Accepted"})
    assert stop.payload["reason"] == "Remote"
    assert not_again == {"status": "Rejected"}


async def test_availability_changes_now_or_after_the_transaction(
    simulate: Callable, central: CentralSystem
) -> None:
    """Idle connectors go at once, busy ones are scheduled; 0 means all."""
    sim = await simulate(config(central))
    await central.wait_for_status(2, "Available")
    await plug(sim)

    answer = await central.ask("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
    await central.wait_for_status(2, "Unavailable")
    await sim.bench.Unplug(pb.UnplugRequest(evse_id="B-01*1"))
    await central.wait_for_status(1, "Unavailable")
    back = await central.ask("ChangeAvailability", {"connectorId": 2, "type": "Operative"})

    assert (answer, back) == ({"status": "Scheduled"}, {"status": "Accepted"})
    assert sim.simulator.fleet.evse("B-01*2").is_operative


async def test_configuration_is_read_and_changed(
    simulate: Callable, central: CentralSystem
) -> None:
    """Known keys are shown, unknown ones named, fixed ones refused."""
    await simulate(config(central))
    await central.wait_for_status(2, "Available")

    shown = await central.ask("GetConfiguration", {"key": ["NumberOfConnectors", "Nothing"]})
    change = [
        (await central.ask("ChangeConfiguration", {"key": key, "value": value}))["status"]
        for key, value in (
            ("MeterValueSampleInterval", "30"),
            ("MeterValueSampleInterval", "soon"),
            ("NumberOfConnectors", "9"),
            ("Nothing", "1"),
        )
    ]
    whole = await central.ask("GetConfiguration", {})

    assert shown == {
        "configurationKey": [{"key": "NumberOfConnectors", "readonly": True, "value": "2"}],
        "unknownKey": ["Nothing"],
    }
    assert change == ["Accepted", "Rejected", "Rejected", "NotSupported"]
    values = {entry["key"]: entry.get("value") for entry in whole["configurationKey"]}
    assert values["MeterValueSampleInterval"] == "30"


async def test_lost_link_comes_back_without_a_boot_and_mail_in_order(
    simulate: Callable, central: CentralSystem, eventually: Callable
) -> None:
    """What happened offline is told in order, at its own time, after the statuses."""
    sim = await simulate(config(central))
    await plug(sim)
    await central.wait_for("StartTransaction")
    await central.ask("TriggerMessage", {"requestedMessage": "Heartbeat"})
    await central.wait_for("Heartbeat")

    await central.close()
    face = sim.simulator._ocpp["B-01"]
    await eventually(lambda: not face._journal.online)
    await advance(sim, 60)
    await sim.bench.Unplug(pb.UnplugRequest(evse_id="B-01*1"))
    await advance(sim, 60)
    await plug(sim, "B-01*1", "OFFLINE")
    await advance(sim, 60)
    await central.open(central.port)
    second = await central.wait_for("StartTransaction", lambda h: h.connection == 2)

    told = central.actions(connection=2)
    stop = next(h for h in central.heard if h.action == "StopTransaction")
    assert told[:3] == ["StatusNotification"] * 3
    assert "BootNotification" not in told
    assert told.index("StopTransaction") < told.index("StartTransaction")
    assert (stop.payload["transactionId"], stop.payload["timestamp"]) == (
        101,
        "2026-05-04T10:01:00.000Z",
    )
    assert (second.payload["idTag"], second.payload["timestamp"]) == (
        "OFFLINE",
        "2026-05-04T10:02:00.000Z",
    )


@pytest.mark.slow
async def test_unanswered_message_is_sent_again_under_its_own_id(
    simulate: Callable, central: CentralSystem
) -> None:
    """A start whose answer never came is repeated on the next connection, unchanged."""
    central.answers["StartTransaction"] = "never"
    sim = await simulate(config(central, ocpp="call_timeout_s = 0.2\n"))
    await plug(sim)
    first = await central.wait_for("StartTransaction")

    del central.answers["StartTransaction"]
    second = await central.wait_for("StartTransaction", lambda h: h.connection == 2)
    await sim.bench.Unplug(pb.UnplugRequest(evse_id="B-01*1"))
    stop = await central.wait_for("StopTransaction")

    assert (first.message_id, first.payload) == (second.message_id, second.payload)
    assert stop.payload["transactionId"] == 101


async def test_refused_start_is_given_up_with_its_transaction(
    simulate: Callable, central: CentralSystem
) -> None:
    """After three CALLERRORs the start and its stop are dropped and later messages go out."""
    own = "[pile.ocpp]\nsettings = { TransactionMessageRetryInterval = '0' }\n"
    central.answers["StartTransaction"] = None
    sim = await simulate(config(central) + own)
    await plug(sim)
    await central.wait_for("StartTransaction")
    await sim.bench.Unplug(pb.UnplugRequest(evse_id="B-01*1"))
    third = await central.wait_for(
        "StartTransaction", lambda h: central.actions().count("StartTransaction") == 3
    )

    del central.answers["StartTransaction"]
    await plug(sim, "B-01*2")
    await central.wait_for("StartTransaction", lambda h: h.payload["connectorId"] == 2)

    assert third.payload["connectorId"] == 1
    assert "StopTransaction" not in central.actions()


async def test_boot_is_repeated_until_accepted(
    simulate: Callable, central: CentralSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pending pile says nothing but its boot."""
    monkeypatch.setattr("firmware_sim.faces.ocpp_sender._MIN_BOOT_RETRY_S", 0.01)
    now = "2026-05-04T10:00:00Z"
    central.answers["BootNotification"] = {"status": "Pending", "currentTime": now, "interval": 0}
    await simulate(config(central))
    await central.wait_for(
        "BootNotification", lambda h: central.actions().count("BootNotification") >= 2
    )
    assert set(central.actions()) == {"BootNotification"}

    del central.answers["BootNotification"]

    await central.wait_for_status(2, "Available")


async def test_reset_ends_transactions_and_boots_again(
    simulate: Callable, central: CentralSystem
) -> None:
    """A reset is the one reconnect that does begin with a boot."""
    sim = await simulate(config(central))
    await plug(sim)
    await central.wait_for("StartTransaction")
    await central.ask("TriggerMessage", {"requestedMessage": "Heartbeat"})
    await central.wait_for("Heartbeat")

    answer = await central.ask("Reset", {"type": "Hard"})
    stop = await central.wait_for("StopTransaction")
    await central.wait_for("BootNotification", lambda h: h.connection == 2)

    assert (answer, stop.payload["reason"]) == ({"status": "Accepted"}, "HardReset")


async def test_unknown_action_and_broken_frames_do_not_end_the_connection(
    simulate: Callable, central: CentralSystem
) -> None:
    """A call nobody knows is answered with an error; nonsense is passed over."""
    await simulate(config(central))
    await central.wait_for_status(2, "Available")

    for nonsense in ("{", "[]", "[2]", '{"a": 1}', "[9, 1, 2, 3]", "7", '[3, "x", {}]'):
        await central.connections[-1].send(nonsense)
    await central.connections[-1].send('[2, "cs-Dance", "Dance", {}]')
    refused = await central.replies.get()
    answer = await central.ask("TriggerMessage", {"requestedMessage": "Heartbeat"})

    assert refused[:3] == [4, "cs-Dance", "NotSupported"]
    assert answer == {"status": "Accepted"}
    assert len(central.connections) == 1


async def test_basic_auth_carries_identity_and_password(
    simulate: Callable, central: CentralSystem, tmp_path: Path
) -> None:
    """Security profile 1: the user is the identity of the URL, the password comes from a file."""
    (tmp_path / "key").write_text("0123456789abcdef0123\n")

    await simulate(config(central, password_file="key"))
    await central.wait_for("BootNotification")

    scheme, _, credentials = central.headers[0]["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(credentials) == b"B-01:0123456789abcdef0123"


async def test_pulled_wire_stays_away_until_mended(
    simulate: Callable, central: CentralSystem, eventually: Callable
) -> None:
    """While disconnected the pile does not dial; afterwards it comes back by itself."""
    sim = await simulate(config(central))
    await central.wait_for_status(2, "Available")

    await sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="B-01*1", fault="wire:disconnect"))
    await eventually(lambda: not sim.simulator._ocpp["B-01"]._journal.online)
    await plug(sim)
    away = len(central.connections)
    await sim.bench.ClearFault(pb.ClearFaultRequest(evse_id="B-01*1"))
    start = await central.wait_for("StartTransaction")

    assert (away, start.connection) == (1, 2)


@pytest.mark.slow
async def test_silent_wire_swallows_both_directions(
    simulate: Callable, central: CentralSystem
) -> None:
    """Nothing is said and nothing is heard; the socket itself stays open."""
    sim = await simulate(config(central, ocpp="call_timeout_s = 0.2\n"))
    await central.wait_for_status(2, "Available")
    await sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="B-01*1", fault="wire:silent"))
    lost = '[2, "lost", "TriggerMessage", {"requestedMessage": "Heartbeat"}]'
    await central.connections[-1].send(lost)
    await plug(sim)
    assert "StartTransaction" not in central.actions()

    await sim.bench.ClearFault(pb.ClearFaultRequest(evse_id="B-01*1"))
    await central.wait_for("StartTransaction")

    assert central.replies.empty()
    assert "Heartbeat" not in central.actions()


async def test_exception_codes_are_not_an_ocpp_fault(
    simulate: Callable, central: CentralSystem
) -> None:
    """wire:exception belongs to Modbus and is refused here."""
    sim = await simulate(config(central))

    with pytest.raises(Exception, match="Modbus"):
        await sim.bench.InjectFault(
            pb.InjectFaultRequest(evse_id="B-01*1", fault="wire:exception:2")
        )


async def test_remote_start_without_a_connector_takes_a_usable_one(
    simulate: Callable, central: CentralSystem
) -> None:
    """The pile chooses a connector that works and is free."""
    sim = await simulate(config(central))
    await central.wait_for_status(2, "Available")
    await sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="B-01*1", fault="CutCable"))

    answer = await central.ask("RemoteStartTransaction", {"idTag": "APP"})

    assert answer == {"status": "Accepted"}
    await central.wait_for_status(2, "Preparing")


async def test_unlocking_ends_the_transaction_unless_the_lock_is_broken(
    simulate: Callable, central: CentralSystem
) -> None:
    """UnlockConnector lets the cable go; a broken lock cannot."""
    sim = await simulate(config(central))
    await plug(sim)
    await central.wait_for("StartTransaction")

    freed = await central.ask("UnlockConnector", {"connectorId": 1})
    stop = await central.wait_for("StopTransaction")
    await sim.bench.InjectFault(
        pb.InjectFaultRequest(evse_id="B-01*2", fault="ConnectorLockFailure")
    )
    stuck = await central.ask("UnlockConnector", {"connectorId": 2})

    assert (freed, stop.payload["reason"]) == ({"status": "Unlocked"}, "UnlockCommand")
    assert stuck == {"status": "UnlockFailed"}


async def test_heartbeats_come_at_the_configured_interval(
    simulate: Callable, central: CentralSystem
) -> None:
    """A configured interval overrides the central system's."""
    await simulate(config(central, ocpp="heartbeat_s = 0.05\n"))

    await central.wait_for("Heartbeat", lambda h: central.actions().count("Heartbeat") >= 3)


async def test_reset_of_a_simulated_pile_closes_its_transaction(
    simulate: Callable, central: CentralSystem
) -> None:
    """A bench reset leaves no transaction open at the central system."""
    sim = await simulate(config(central))
    await plug(sim)
    await central.wait_for("StartTransaction")
    await advance(sim, 620)

    await sim.bench.Reset(pb.ResetRequest(pile_id="B-01"))

    stop = await central.wait_for("StopTransaction")
    assert (stop.payload["meterStop"], stop.payload["reason"]) == (10_000, "EVDisconnected")
