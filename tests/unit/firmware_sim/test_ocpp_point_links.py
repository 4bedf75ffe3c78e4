"""A charge point whose central system is slow, wrong, silent or away."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from bench_point import advance, config, plug
from central_system import CentralSystem

from pilewise.v1 import bench_service_pb2 as pb


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


async def test_heartbeats_come_at_the_configured_interval(
    simulate: Callable, central: CentralSystem
) -> None:
    """A configured interval overrides the central system's."""
    await simulate(config(central, ocpp="heartbeat_s = 0.05\n"))

    await central.wait_for("Heartbeat", lambda h: central.actions().count("Heartbeat") >= 3)
