"""Charge points against a central system that knows nothing of this program: their sessions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bench_point import advance, config, plug
from central_system import CentralSystem

from pilewise.v1 import bench_service_pb2 as pb


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
