"""BenchService over gRPC: inputs, emergency stop, power, the whole state, registers, scenarios."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient

from pilewise.v1 import bench_service_pb2 as pb
from pilewise.v1 import types_pb2

SIM = """
[sim]
mode = "stepped"
[clock]
epoch_at_ms = 1700000000000
anchor_s = 0.0
[[pile]]
pile_id = "A-01"
face = "modbus"
model = "abb-terra-ac"
max_power_kw = 11.04
[[pile]]
pile_id = "D-01"
face = "modbus"
model = "alpitronic-hypercharger"
max_power_kw = 150
connectors = 2
"""
LIVE = SIM.replace('"stepped"', '"live"\ntick_s = 0.02').replace(
    "anchor_s = 0.0", "anchor_s = 0.0\nspeed = 20.0"
)


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def state(sim: Any, evse_id: str = "A-01*1") -> pb.SimulatedState:
    return (await sim.bench.GetState(pb.GetStateRequest(evse_id=evse_id))).state


async def charging(sim: Any, evse_id: str = "A-01*1") -> None:
    await sim.bench.PlugIn(pb.PlugInRequest(evse_id=evse_id, soc_pct=30))
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=40))


async def test_state_tells_pilot_contactor_lock_and_phases(simulate: Callable) -> None:
    """A charging three-phase pile shows everything that a scope and a meter would."""
    sim = await simulate(SIM)
    idle = await state(sim)

    await charging(sim)

    busy = await state(sim)
    assert (idle.duty_pct, idle.contactor) == (100.0, pb.CONTACTOR_STATE_OPEN)
    assert idle.pilot_v == pytest.approx(12.0, abs=0.1)
    assert busy.duty_pct == pytest.approx(16 / 0.6)
    assert busy.pilot_v == pytest.approx(6.0, abs=0.1)
    assert (busy.contactor, busy.locked) == (pb.CONTACTOR_STATE_CLOSED, True)
    assert [(p.voltage_v, p.current_a) for p in busy.phases] == [(230.0, 16.0)] * 3
    assert (busy.voltage_v, busy.current_a) == (230.0, 16.0)
    assert not busy.HasField("isolation_kohm")
    assert busy.temperature_c > idle.temperature_c == 25.0
    assert (busy.error_code, busy.vendor_error_code, busy.operative) == ("NoError", "", True)
    assert (await state(sim, "D-01*1")).isolation_kohm == 10_000.0


async def test_input_that_is_set_brings_its_fault(simulate: Callable) -> None:
    """A contactor that welded while closed is found out when it is told to open."""
    sim = await simulate(SIM)
    await charging(sim)

    request = pb.SetInputRequest(evse_id="A-01*1", input="contactor_welded", value=1)
    welded = (await sim.bench.SetInput(request)).state
    await sim.bench.SetEmergencyStop(pb.SetEmergencyStopRequest(pile_id="A-01", pressed=True))
    await sim.bench.SetEmergencyStop(pb.SetEmergencyStopRequest(pile_id="A-01"))
    found = await state(sim)
    back = (
        await sim.bench.SetInput(pb.SetInputRequest(evse_id="A-01*1", input="contactor_welded"))
    ).state

    assert dict(welded.inputs) == {"contactor_welded": 1.0}
    assert (found.contactor, found.error_code) == (pb.CONTACTOR_STATE_WELDED, "PowerSwitchFailure")
    assert (list(found.faults), found.vendor_error_code) == (["EVSEContactorFault"], "CX017")
    assert (dict(back.inputs), back.contactor) == ({}, pb.CONTACTOR_STATE_OPEN)


async def test_ramp_moves_with_a_stepped_clock(simulate: Callable) -> None:
    """Mains that rise over a minute pass the limit within it, though time moves in one stride."""
    sim = await simulate(SIM)
    await charging(sim)
    begin = pb.SetInputRequest(evse_id="A-01*1", input="mains_l2_v", value=290, over_s=60)

    await sim.bench.SetInput(begin)
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=30))
    half = await state(sim)
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=3600))
    end = await state(sim)

    back = pb.SetInputRequest(evse_id="A-01*1", input="mains_l2_v", over_s=60)
    await sim.bench.SetInput(back)
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=61))
    nominal = await state(sim)

    assert dict(nominal.inputs) == {}
    assert half.phases[1].voltage_v == pytest.approx(260.0, abs=0.1)
    assert (half.phases[0].voltage_v, list(half.faults)) == (230.0, [])
    assert dict(end.inputs) == {"mains_l2_v": 290.0}
    assert list(end.faults) == ["OverVoltage"]


async def test_ramp_follows_a_running_clock(simulate: Callable, eventually: Callable) -> None:
    """Where time runs by itself the input arrives by itself."""
    sim = await simulate(LIVE)

    request = pb.SetInputRequest(evse_id="A-01*1", input="ambient_c", value=45, over_s=20)
    first = (await sim.bench.SetInput(request)).state

    fleet = sim.simulator.fleet
    await eventually(lambda: 25 < fleet.evse("A-01*1").inputs.ambient_c < 45)
    await eventually(lambda: fleet.evse("A-01*1").inputs.ambient_c == 45)
    assert dict(first.inputs) == {}


async def test_advance_stops_at_the_first_change(simulate: Callable) -> None:
    """A trip after 1 s of over-voltage ends a stride of an hour at 1.00 s, told as such."""
    sim = await simulate(SIM)
    await charging(sim)
    before = (await sim.bench.GetClock(pb.GetClockRequest())).domain_at_ms
    request = pb.SetInputRequest(evse_id="A-01*1", input="mains_l1_v", value=280)
    await sim.bench.SetInput(request)

    moved = await sim.bench.Advance(pb.AdvanceRequest(duration_s=10, until_evse_ids=["A-01*1"]))
    other = await sim.bench.Advance(
        pb.AdvanceRequest(duration_s=3600, until_evse_ids=["D-01*1"], look_every_s=5)
    )
    unknown = await refused(
        sim.bench.Advance(pb.AdvanceRequest(duration_s=1, until_evse_ids=["X"]))
    )

    assert moved.passed_s == pytest.approx(1.0, abs=0.011)
    assert moved.domain_at_ms - before == pytest.approx(moved.passed_s * 1000)
    assert other.passed_s == pytest.approx(3600)
    assert unknown.code() is grpc.StatusCode.NOT_FOUND


async def test_reset_ends_ramps(simulate: Callable) -> None:
    """A pile that was put back stays there: no ramp of the test before moves it."""
    sim = await simulate(SIM)
    request = pb.SetInputRequest(evse_id="A-01*1", input="ambient_c", value=45, over_s=60)
    await sim.bench.SetInput(request)

    await sim.bench.Reset(pb.ResetRequest(pile_id="A-01"))
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=60))

    assert dict((await state(sim)).inputs) == {}


@pytest.mark.parametrize(
    ("request_of", "code", "words"),
    [
        (
            pb.SetInputRequest(evse_id="A-01*1", input="mains_l4_v", value=1),
            grpc.StatusCode.INVALID_ARGUMENT,
            "input: unknown 'mains_l4_v'; known are mains_l1_v",
        ),
        (
            pb.SetInputRequest(evse_id="A-01*1", input="ambient_c", value=999),
            grpc.StatusCode.INVALID_ARGUMENT,
            "ambient_c: must be -40 to 120 C",
        ),
        (
            pb.SetInputRequest(evse_id="A-01*1", input="ambient_c", value=999, over_s=9),
            grpc.StatusCode.INVALID_ARGUMENT,
            "ambient_c: must be -40 to 120 C",
        ),
        (
            pb.SetInputRequest(evse_id="A-01*1", input="ambient_c", value=9, over_s=-1),
            grpc.StatusCode.INVALID_ARGUMENT,
            "over_s: must be 0 to",
        ),
        (
            pb.SetInputRequest(evse_id="A-01*1", input="pilot_ohm", value=9, over_s=9),
            grpc.StatusCode.FAILED_PRECONDITION,
            "pilot_ohm is as car and cable give it: set it to a value before you ramp it",
        ),
        (
            pb.SetInputRequest(evse_id="A-01*1", input="contactor_dead", value=1, over_s=9),
            grpc.StatusCode.FAILED_PRECONDITION,
            "contactor_dead is a switch and cannot be ramped",
        ),
        (
            pb.SetInputRequest(evse_id="X*1", input="ambient_c", value=9),
            grpc.StatusCode.NOT_FOUND,
            "no EVSE 'X*1' is simulated here; ListPiles tells what is",
        ),
    ],
)
async def test_bad_input_is_told(
    simulate: Callable, request_of: object, code: grpc.StatusCode, words: str
) -> None:
    """Each refusal names the input or the EVSE, and what would do."""
    sim = await simulate(SIM)

    error = await refused(sim.bench.SetInput(request_of))

    assert error.code() is code
    assert words in (error.details() or "")


async def test_emergency_stop_is_of_the_whole_pile(simulate: Callable) -> None:
    """Pressed, both plugs stop; released, neither shows it any more."""
    sim = await simulate(SIM)
    await charging(sim, "D-01*1")

    pressed = await sim.bench.SetEmergencyStop(
        pb.SetEmergencyStopRequest(pile_id="D-01", pressed=True)
    )
    released = await sim.bench.SetEmergencyStop(pb.SetEmergencyStopRequest(pile_id="D-01"))

    assert [list(one.faults) for one in pressed.states] == [["EmergencyStop"]] * 2
    assert [one.contactor for one in pressed.states] == [pb.CONTACTOR_STATE_OPEN] * 2
    assert all(one.emergency_pressed for one in pressed.states)
    assert [list(one.faults) for one in released.states] == [[], []]


async def test_watcher_hears_of_inputs_and_darkness(simulate: Callable) -> None:
    """An input that is set and a pile that goes dark are told without being asked for."""
    sim = await simulate(SIM)
    watch = sim.bench.Watch(pb.BenchServiceWatchRequest(evse_ids=["A-01*1"]))

    async with asyncio.timeout(60):
        await watch.read()
        request = pb.SetInputRequest(evse_id="A-01*1", input="residual_dc_ma", value=3)
        await sim.bench.SetInput(request)
        leaking = (await watch.read()).state
        await sim.bench.SetPower(pb.SetPowerRequest(pile_id="A-01"))
        dark = (await watch.read()).state
    watch.cancel()

    assert dict(leaking.inputs) == {"residual_dc_ma": 3.0}
    assert dark.dark


async def test_power_loss_makes_a_pile_dark_until_it_started(simulate: Callable) -> None:
    """Without power, and while it starts, nobody gets an answer; the meter is remembered."""
    sim = await simulate(SIM)
    await charging(sim)
    before = await state(sim)

    cut = (await sim.bench.SetPower(pb.SetPowerRequest(pile_id="A-01"))).states[0]
    host, port = sim.address("A-01")
    async with AsyncModbusTcpClient(host, port=port, timeout=0.3, retries=0) as client:
        silent = await read_nothing(client)
    on = (await sim.bench.SetPower(pb.SetPowerRequest(pile_id="A-01", on=True))).states[0]
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=60))
    after = await state(sim)

    assert (cut.dark, on.dark, after.dark) == (True, True, False)
    assert silent
    assert (cut.power_kw, cut.contactor) == (0.0, pb.CONTACTOR_STATE_OPEN)
    assert after.energy_kwh == pytest.approx(before.energy_kwh)


async def read_nothing(client: AsyncModbusTcpClient) -> bool:
    """Whether a read is left unanswered."""
    try:
        async with asyncio.timeout(60):
            return (await client.read_holding_registers(0x400C, count=2)).isError()
    except (ModbusException, TimeoutError):
        return True


async def test_registers_tell_who_wrote_them_and_when(simulate: Callable) -> None:
    """What the bench writes and what the device changes are told apart, with their ages."""
    sim = await simulate(SIM)
    read = pb.ReadRegistersRequest(pile_id="A-01")

    async def field(name: str) -> pb.Register:
        return next(r for r in (await sim.bench.ReadRegisters(read)).registers if r.name == name)

    untouched = await field("charging_state")
    await sim.bench.WriteRegisters(
        pb.WriteRegistersRequest(pile_id="A-01", address=0x4100, words=[0, 8000])
    )
    await charging(sim)
    state_moved = await field("charging_state")
    written = [r for r in (await sim.bench.ReadRegisters(read)).registers if r.address == 0x4101]
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=30))
    later = await field("charging_state")

    assert (untouched.writer, untouched.changed_at_ms) == ("", 0)
    assert 0 <= state_moved.changed_at_ms - 1700000000000 <= 40_000
    assert later.age_s == pytest.approx(state_moved.age_s + 30, abs=0.001)
    assert [(r.writer, r.word, r.write_only) for r in written] == [("bench", 8000, True)]


async def test_catalogue_lists_inputs_with_units_and_ranges(simulate: Callable) -> None:
    """Whoever wants to set an input finds its unit, range and nominal value."""
    sim = await simulate(SIM)

    listed = await sim.bench.ListFaults(pb.ListFaultsRequest())

    facts = {fact.name: fact for fact in listed.inputs}
    mains = facts["mains_l1_v"]
    assert (mains.unit, mains.lowest_value, mains.highest_value) == ("V", 0.0, 500.0)
    assert mains.nominal_value == 230.0
    assert not facts["pilot_ohm"].HasField("nominal_value")
    assert facts["contactor_welded"].meaning


async def test_scenario_is_played_beside_the_piles(simulate: Callable) -> None:
    """A scenario of the package passes, one with an unmet demand fails; this bench is unmoved."""
    sim = await simulate(SIM)
    text = """
[scenario]
title = "It charges without a car"
disturbance = "there is no car"
[[pile]]
pile_id = "A-01"
face = "modbus"
model = "abb-terra-ac"
[[step]]
expect = "power_kw > 1"
within_s = 5
"""

    shipped = await sim.bench.RunScenario(pb.RunScenarioRequest(name="happy-ac", seed=7))
    own = await sim.bench.RunScenario(pb.RunScenarioRequest(toml=text))

    assert shipped.passed
    assert len(shipped.checks) >= 3
    assert shipped.result_hash
    assert (own.passed, [check.passed for check in own.checks]) == (False, [False])
    assert own.checks[0].text == "power_kw > 1"
    assert (await state(sim)).ocpp_status == types_pb2.OCPP_STATUS_AVAILABLE
    clock = await sim.bench.GetClock(pb.GetClockRequest())
    assert clock.domain_at_ms == 1700000000000


@pytest.mark.parametrize(
    ("request_of", "words"),
    [
        (pb.RunScenarioRequest(), "name: name a scenario: "),
        (pb.RunScenarioRequest(name="no-such"), "name: no scenario 'no-such'; known are "),
        (pb.RunScenarioRequest(toml="[scenario"), "toml: "),
    ],
)
async def test_scenario_that_is_none_is_told(
    simulate: Callable, request_of: object, words: str
) -> None:
    """A missing name, an unknown one and a broken file each say what is wrong."""
    sim = await simulate(SIM)

    error = await refused(sim.bench.RunScenario(request_of))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.details() or "").startswith(words)


async def test_misspelt_fault_is_told_the_nearest(simulate: Callable) -> None:
    """The refusal begins with the name that was probably meant."""
    sim = await simulate(SIM)

    error = await refused(
        sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="A-01*1", fault="GroundFailur"))
    )

    assert "unknown 'GroundFailur'; the nearest is GroundFailure; known are" in error.details()


async def test_car_says_how_many_phases_and_how_cold_it_is(simulate: Callable) -> None:
    """One phase draws a third; a battery at -10 C takes seven tenths; neither told is as before."""
    sim = await simulate(SIM)

    await sim.bench.PlugIn(pb.PlugInRequest(evse_id="A-01*1", soc_pct=30, phases=1))
    cold = pb.PlugInRequest(evse_id="D-01*1", soc_pct=30, battery_temperature_c=-10)
    await sim.bench.PlugIn(cold)
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=15))
    checked = await state(sim, "D-01*1")
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=10))
    one, frosty = await state(sim), await state(sim, "D-01*1")

    assert one.power_kw == pytest.approx(11.04 / 3)
    assert [round(phase.current_a) for phase in one.phases] == [16, 0, 0]
    assert (checked.stage, checked.output_v) == ("pre-charge", pytest.approx(376.0))
    assert (frosty.stage, frosty.output_v) == ("energy", frosty.voltage_v)
    assert frosty.power_kw == pytest.approx(0.7 * 60 * 2.3, rel=0.01)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"phases": 4}, "phases"), ({"battery_temperature_c": 95.0}, "battery_temperature_c")],
)
async def test_car_that_cannot_be_is_refused_by_field(
    simulate: Callable, wrong: dict[str, Any], field: str
) -> None:
    """Phases are 0 to 3, batteries between -60 and 90 C."""
    sim = await simulate(SIM)

    error = await refused(sim.bench.PlugIn(pb.PlugInRequest(evse_id="A-01*1", **wrong)))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details().startswith(f"{field}:")
