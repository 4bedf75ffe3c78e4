"""What a central system asks of a charge point: reserve, start, change, reset, unlock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from bench_point import EPOCH, advance, config, plug
from central_system import CentralSystem

from pilewise.v1 import bench_service_pb2 as pb


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
