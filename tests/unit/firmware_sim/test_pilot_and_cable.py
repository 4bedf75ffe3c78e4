"""Pilot and proximity of an EVSE: duty, volts, short circuits, diode, cables, phases."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from firmware_sim.core.battery import Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import plug_in, set_input, set_limit, unplug
from firmware_sim.core.evse import Car, Contactor, Evse, EvseSpec, Lock, Pilot, Supply
from firmware_sim.core.pilot import cable_of, current_of, duty_of, letter_of, volts_of
from firmware_sim.core.status import ocpp_status


def evse(supply: Supply = Supply.AC_3, power_kw: float = 22.08) -> Evse:
    return Evse(EvseSpec("A-01*1", supply, power_kw))


def charging(supply: Supply = Supply.AC_3, power_kw: float = 22.08, phases: int = 3) -> Evse:
    car = Car(Battery(60.0, 30.0, 150.0), 80.0, phases=phases)
    return advance(plug_in(evse(supply, power_kw), car, ""), 30.0)


def names(state: Evse) -> list[str]:
    return [fault.kind.name for fault in state.faults]


@given(st.floats(6.0, 80.0))
def test_duty_and_current_are_each_others_inverse(current_a: float) -> None:
    """What a duty offers is what it was made for, on both lines; between them never more."""
    assume(abs(current_a - 52.5) > 1e-6)
    read_a = current_of(duty_of(current_a))

    assert read_a <= current_a + 1e-9
    assert read_a == pytest.approx(51.0 if 51.0 < current_a < 52.5 else current_a)


def test_pilot_shows_duty_and_volts_of_each_letter() -> None:
    """A is steady at 12 V, C at 6 V with the duty of 32 A, DC asks digitally."""
    idle, busy, dc = evse(), charging(), charging(Supply.DC, 150.0)

    assert (idle.duty_pct, idle.pilot_v) == (100.0, pytest.approx(12.0, abs=0.1))
    assert (busy.duty_pct, busy.pilot_v) == (
        pytest.approx(53.33, abs=0.01),
        pytest.approx(6.0, abs=0.01),
    )
    assert dc.duty_pct == 5.0
    assert set_limit(busy, 63 * 0.69).duty_pct == pytest.approx(53.33, abs=0.01)
    assert set_limit(busy, 10 * 0.69).duty_pct == pytest.approx(16.67, abs=0.01)


def test_duty_above_51_amperes_follows_the_steeper_line() -> None:
    """63 A is offered with 89.2 %."""
    assert charging(Supply.AC_3, 63 * 0.69).duty_pct == pytest.approx(89.2)


@pytest.mark.parametrize("ohm", [0.0, 120.0, 7000.0, 500.0])
def test_resistance_of_no_letter_is_a_pilot_fault_and_ends_with_it(ohm: float) -> None:
    """A short or a strange resistance opens the contactor in E; mended, the pilot is back."""
    broken = set_input(charging(), "pilot_ohm", ohm)

    mended = set_input(broken, "pilot_ohm", None)

    assert (broken.pilot, names(broken), broken.power_kw) == (Pilot.E, ["PilotFault"], 0.0)
    assert (mended.faults, unplug(mended).pilot) == ((), Pilot.A1)


def test_short_to_earth_is_found_without_a_car() -> None:
    """Nobody stands there, and still the pilot is at 0 V."""
    assert set_input(evse(), "pilot_ohm", 0.0).pilot is Pilot.E


def test_missing_diode_is_found_when_the_pilot_is_modulated() -> None:
    """At B1 nothing is seen; with modulation the fault is there until the car goes."""
    quiet = set_input(evse(), "pilot_diode", 0)
    met = plug_in(quiet, Car(Battery(60.0, 30.0, 150.0), 80.0), "")

    assert quiet.pilot is Pilot.A1
    assert (met.pilot, names(met)) == (Pilot.E, ["PilotFault"])
    assert unplug(met).pilot is Pilot.A1


@pytest.mark.parametrize(
    ("ohm", "pilot", "status"),
    [
        (2740.0, Pilot.B2, "SuspendedEV"),
        (882.0, Pilot.C2, "Charging"),
        (1e9, Pilot.A1, "Finishing"),
    ],
)
def test_bench_plays_the_car_at_the_pilot(ohm: float, pilot: Pilot, status: str) -> None:
    """2.74 kOhm opens the car's switch, 882 Ohm closes it, nothing at all is a pulled plug."""
    played = set_input(charging(), "pilot_ohm", ohm)

    assert (played.pilot, ocpp_status(played)) == (pilot, status)
    assert letter_of(volts_of(ohm)) == pilot.letter


@pytest.mark.parametrize(
    ("ohm", "current_a"), [(1500.0, 13), (680.0, 20), (220.0, 32), (100.0, 63)]
)
def test_cable_limits_what_is_offered(ohm: float, current_a: float) -> None:
    """No more than the cable carries, however strong the pile is."""
    state = set_input(charging(Supply.AC_3, 63 * 0.69), "proximity_ohm", ohm)

    assert state.offered_a == pytest.approx(current_a)
    assert state.current_a == pytest.approx(current_a)
    assert state.duty_pct == pytest.approx(duty_of(current_a))
    assert cable_of(ohm * 1.1) == current_a


@pytest.mark.parametrize("ohm", [0.0, 400.0, 1e6])
def test_cable_that_is_none_is_a_proximity_fault(ohm: float) -> None:
    """A resistor of no cable, or none at all under a plugged car, stops the session."""
    assert names(set_input(charging(), "proximity_ohm", ohm)) == ["ProximityFault"]
    assert set_input(evse(), "proximity_ohm", ohm).faults == ()


def test_car_with_one_phase_draws_a_third_from_three() -> None:
    """Current flows in the first phase only; the offer stays that of three phases."""
    single = charging(phases=1)

    assert single.power_kw == pytest.approx(7.36)
    assert single.phase_currents_a == (pytest.approx(32.0), 0.0, 0.0)
    assert single.offered_kw == pytest.approx(22.08)
    assert charging().phase_currents_a == (pytest.approx(32.0),) * 3


def test_mains_voltage_moves_the_power_and_not_the_current() -> None:
    """At 220 V the same amperes carry less."""
    state = charging()
    for phase in (1, 2, 3):
        state = set_input(state, f"mains_l{phase}_v", 220.0)

    assert state.current_a == pytest.approx(32.0)
    assert state.power_kw == pytest.approx(32 * 0.66)
    assert state.phase_voltages_v == (220.0, 220.0, 220.0)


def test_lock_and_contactor_follow_the_session() -> None:
    """Locked and closed while it charges; open and unlocked before and after."""
    idle, busy = evse(), charging()

    assert (idle.lock, idle.contactor) == (Lock.UNLOCKED, Contactor.OPEN)
    assert (busy.lock, busy.contactor) == (Lock.LOCKED, Contactor.CLOSED)
    assert unplug(busy).lock is Lock.UNLOCKED
