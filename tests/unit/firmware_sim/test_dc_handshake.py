"""What a DC pile does before energy flows, and how a one-phase car looks from outside."""

from __future__ import annotations

import pytest

from firmware_sim.core.battery import Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import plug_in, set_input, set_limit, unplug
from firmware_sim.core.evse import Car, Evse, EvseSpec, Stage, Supply
from firmware_sim.faces.ocpp16.messages import meter_value as meter_value_16
from firmware_sim.faces.ocpp201.messages import meter_value as meter_value_201


def plugged(supply: Supply = Supply.DC, phases: int = 3, **inputs: float) -> Evse:
    evse = Evse(EvseSpec("A-01*1", supply, 150.0 if supply is Supply.DC else 22.08))
    for name, value in inputs.items():
        evse = set_input(evse, name, value)
    return plug_in(evse, Car(Battery(60.0, 30.0, 150.0), 80.0, phases=phases), "")


@pytest.mark.parametrize(
    ("passed_s", "stage", "output_v"),
    [
        (0.0, Stage.LOCKING, 0.0),
        (1.9, Stage.LOCKING, 0.0),
        (2.0, Stage.CABLE_CHECK, 500.0),
        (13.9, Stage.CABLE_CHECK, 500.0),
        (14.0, Stage.PRECHARGE, 376.0),
        (20.0, Stage.ENERGY, 376.0),
    ],
)
def test_dc_handshake_locks_checks_and_brings_the_voltage(
    passed_s: float, stage: Stage, output_v: float
) -> None:
    """2 s of locking, 12 s at 500 V, 6 s at the pack's voltage, then energy."""
    state = advance(plugged(), passed_s)

    assert (state.stage, round(state.output_v)) == (stage, output_v)
    assert (state.power_kw > 0) == (stage is Stage.ENERGY)


def test_stages_are_those_of_the_session() -> None:
    """Without a session it idles, under its least power it is suspended, AC only locks."""
    running = advance(plugged(), 30.0)

    assert unplug(running).stage is Stage.IDLE
    assert set_limit(running, 1.0).stage is Stage.SUSPENDED
    assert plugged(Supply.AC_3).stage is Stage.LOCKING


@pytest.mark.parametrize("reach_pct", [94.0, 106.0])
def test_precharge_off_the_packs_voltage_ends_the_session(reach_pct: float) -> None:
    """More than 5 % off for 5 s: no contactor closes; the next car is tried anew."""
    state = plugged(precharge_reach_pct=reach_pct)

    before, after = advance(state, 18.9), advance(state, 19.1)

    assert (before.faults, before.stage) == ((), Stage.PRECHARGE)
    assert [fault.kind.name for fault in after.faults] == ["PrechargeFault"]
    assert (advance(after, 60.0).meter.total_wh, unplug(after).faults) == (0.0, ())


def test_precharge_within_five_percent_is_good_enough() -> None:
    """At 96 % the contactor closes."""
    assert advance(plugged(precharge_reach_pct=96.0), 20.0).relay_closed


def test_bad_isolation_is_found_during_the_cable_check_and_not_before() -> None:
    """Two seconds of the check suffice; while it locks nothing is measured."""
    state = plugged(isolation_kohm=30.0)

    assert advance(state, 3.9).faults == ()
    assert [f.kind.name for f in advance(state, 4.1).faults] == ["CableCheckFault"]


def test_meter_samples_tell_each_phase_for_itself() -> None:
    """A one-phase car on three phases: current in L1 only, the voltage of every phase."""
    state = advance(plugged(Supply.AC_3, phases=1, mains_l2_v=235.0), 30.0)

    old = meter_value_16(state, "now", "Sample.Periodic")["sampled_value"]  # type: ignore[arg-type]
    new = meter_value_201(state, "now", "Sample.Periodic")["sampled_value"]

    for samples in (old, new):
        told = {
            (str(sample["measurand"]), str(sample["phase"])): float(sample["value"])
            for sample in samples
            if sample.get("phase")
        }
        assert [told["Current.Import", f"L{n}-N"] for n in (1, 2, 3)] == [32.0, 0.0, 0.0]
        assert [told["Voltage", f"L{n}-N"] for n in (1, 2, 3)] == [230.0, 235.0, 230.0]
