"""Faults that nobody injects: they follow from what is set and ramped, after their time."""

from __future__ import annotations

import pytest

from firmware_sim.core.battery import Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import (
    clear,
    inject,
    plug_in,
    press_emergency_stop,
    release_emergency_stop,
    set_input,
    set_limit,
    stop,
    unplug,
)
from firmware_sim.core.evse import Car, Contactor, Evse, EvseSpec, Lock, Pilot, Supply
from firmware_sim.core.faults import FAULTS, fault_named
from firmware_sim.core.inputs import INPUTS, NOMINAL
from firmware_sim.core.status import ocpp_status
from firmware_sim.errors import BadArgumentError, NotPossibleNowError


def car(soc_pct: float = 30.0) -> Car:
    return Car(Battery(90.0, soc_pct, 400.0), 100.0)


def idle(supply: Supply = Supply.AC_3, power_kw: float = 11.04) -> Evse:
    return Evse(EvseSpec("A-01*1", supply, power_kw))


def charging(supply: Supply = Supply.AC_3, power_kw: float = 11.04) -> Evse:
    return advance(plug_in(idle(supply, power_kw), car(), ""), 30.0)


def names(evse: Evse) -> list[str]:
    return [fault.kind.name for fault in evse.faults]


TRIPS = [
    ("mains_l2_v", 270.0, "OverVoltage", 1.0, Supply.AC_3),
    ("mains_l3_v", 180.0, "UnderVoltage", 1.0, Supply.AC_3),
    ("mains_l1_v", 270.0, "OverVoltage", 1.0, Supply.DC),
    ("residual_ac_ma", 30.0, "GroundFailure", 0.3, Supply.AC_3),
    ("residual_ac_ma", 150.0, "GroundFailure", 0.04, Supply.AC_3),
    ("residual_dc_ma", 6.0, "GroundFailure", 10.0, Supply.AC_3),
    ("residual_dc_ma", 200.0, "GroundFailure", 0.1, Supply.AC_3),
    ("earth_ohm", 1000.0, "GroundFailure", 0.3, Supply.AC_3),
    ("load_offset_a", 3.0, "OverCurrentFailure", 7.0, Supply.AC_3),
    ("load_offset_a", 12.0, "OverCurrentFailure", 1.0, Supply.AC_3),
    ("isolation_kohm", 20.0, "ResistanceFault", 5.0, Supply.DC),
]


@pytest.mark.parametrize(("name", "value", "fault", "after_s", "supply"), TRIPS)
def test_input_beyond_its_limit_trips_after_its_time_and_not_before(
    name: str, value: float, fault: str, after_s: float, supply: Supply
) -> None:
    """The contactor stays closed until the tripping time has passed; then it is open."""
    state = set_input(charging(supply, 11.04 if supply is Supply.AC_3 else 150.0), name, value)

    before, after = advance(state, after_s * 0.98), advance(state, after_s * 1.001)

    assert (names(before), before.relay_closed) == ([], True)
    assert (names(after), after.relay_closed, after.power_kw) == ([fault], False, 0.0)
    assert (after.pilot, ocpp_status(after)) == (Pilot.F, "Faulted")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mains_l2_v", 264.0),
        ("mains_l3_v", 185.0),
        ("residual_ac_ma", 29.0),
        ("residual_dc_ma", 5.9),
        ("load_offset_a", 1.5),
        ("earth_ohm", 200.0),
        ("ambient_c", 45.0),
    ],
)
def test_input_below_its_limit_never_trips(name: str, value: float) -> None:
    """An hour at the tolerable edge brings no fault."""
    state = advance(set_input(charging(), name, value), 3600.0)

    assert (names(state), state.brewing) == ([], ())


def test_cause_that_is_too_short_leaves_no_trace() -> None:
    """Half a second of over-voltage, twice with a pause, does not trip."""
    state = charging()
    for _ in range(2):
        state = advance(set_input(state, "mains_l1_v", 280.0), 0.6)
        state = advance(set_input(state, "mains_l1_v", None), 0.6)

    assert (names(state), state.brewing, state.inputs is NOMINAL) == ([], (), True)


def test_voltage_fault_ends_by_itself_once_the_mains_are_well() -> None:
    """Between the thresholds it stays; back inside ten per cent it is over after ten seconds."""
    broken = advance(set_input(charging(), "mains_l1_v", 270.0), 2.0)

    nearly = advance(set_input(broken, "mains_l1_v", 260.0), 60.0)
    well = set_input(nearly, "mains_l1_v", 230.0)

    assert names(nearly) == ["OverVoltage"]
    assert (names(advance(well, 9.9)), names(advance(well, 10.1))) == (["OverVoltage"], [])
    assert ocpp_status(advance(well, 10.1)) == "Finishing"


def test_rcd_stays_tripped_until_the_plug_is_out() -> None:
    """The leak is gone with the current, the trip is not; the next car finds it well."""
    tripped = advance(set_input(charging(), "residual_ac_ma", 40.0), 1.0)
    dry = advance(set_input(tripped, "residual_ac_ma", 0.0), 600.0)

    again = advance(plug_in(unplug(dry), car(), ""), 30.0)

    assert names(dry) == ["GroundFailure"]
    assert (names(again), again.pilot) == ([], Pilot.C2)


def test_rcd_that_fails_its_test_keeps_the_contactor_open() -> None:
    """The test comes before closing; while energy flows none is made."""
    refused = plug_in(set_input(idle(), "rcd_test_passes", 0), car(), "")

    assert (names(refused), refused.relay_closed) == (["GroundFailure"], False)
    assert names(advance(set_input(charging(), "rcd_test_passes", 0), 600.0)) == []


def test_residual_current_is_measured_while_energised_only() -> None:
    """AC and DC parts add up as root mean square; an open contactor carries none."""
    leaking = set_input(set_input(charging(), "residual_ac_ma", 4.0), "residual_dc_ma", 3.0)

    assert leaking.residual_ma == pytest.approx(5.0)
    assert stop(leaking, "Local").residual_ma == 0.0


def test_bad_isolation_is_found_by_the_cable_check() -> None:
    """A DC session with bad isolation ends during its handshake, before any energy."""
    bad = set_input(idle(Supply.DC, 150.0), "isolation_kohm", 30.0)

    refused = advance(plug_in(bad, car(), ""), 30.0)

    assert (names(refused), refused.meter.total_wh) == (["CableCheckFault"], 0.0)
    assert names(advance(plug_in(idle(), car(), ""), 30.0)) == []


def test_ramped_ambient_derates_first_and_stops_later() -> None:
    """At full load the cable derates; hotter still the session ends; cooled down it is well."""
    warm = advance(set_input(charging(), "ambient_c", 52.0), 2100.0)
    hot = advance(set_input(charging(), "ambient_c", 88.0), 2 * 3600.0)
    cool = advance(set_input(hot, "ambient_c", 25.0), 4 * 3600.0)

    assert ("CableOverTempDerate" in names(warm), warm.relay_closed) == (True, True)
    assert warm.power_kw == pytest.approx(11.04 / 2)
    assert {"HighTemperature", "CableOverTempStop"} & set(names(hot))
    assert (hot.power_kw, hot.temperature_c > 80) == (0.0, True)
    assert (names(cool), cool.temperature_c, cool.cable_c) == ([], 25.0, 25.0)


def test_cable_without_coolant_derates_and_then_stops() -> None:
    """500 A through a cable whose pump stands still derate within a minute or two."""
    big = Car(Battery(200.0, 10.0, 400.0), 80.0)
    running = advance(plug_in(idle(Supply.DC, 400.0), big, ""), 30.0)
    dry = set_input(running, "cable_cooled", 0)
    derated = advance(dry, 120.0)

    assert running.current_a > 400
    assert names(advance(running, 300.0)) == []
    assert (names(derated), derated.power_kw) == (["CableOverTempDerate"], 200.0)
    assert names(advance(set_input(dry, "ambient_c", 60.0), 300.0))[-1] == "CableOverTempStop"


def test_welded_contactor_is_found_on_opening() -> None:
    """While closed nothing tells of it; once told to open, the mirror contact does."""
    welded = set_input(charging(), "contactor_welded", 1)
    opened = stop(welded, "Local")

    mended = set_input(opened, "contactor_welded", 0)

    assert (names(advance(welded, 60.0)), welded.contactor) == ([], Contactor.CLOSED)
    assert (names(opened), opened.contactor) == (["EVSEContactorFault"], Contactor.WELDED)
    assert opened.lock is Lock.LOCKED
    assert names(advance(mended, 600.0)) == ["EVSEContactorFault"]
    assert (names(clear(mended, None)), clear(opened, None).is_broken) == ([], True)


def test_contactor_that_does_not_close_is_found_on_closing() -> None:
    """The coil is told, the mirror contact does not follow: no energy flows."""
    dead = advance(plug_in(set_input(idle(), "contactor_dead", 1), car(), ""), 30.0)

    assert (names(dead), dead.meter.total_wh) == (["EVSEContactorFault"], 0.0)


def test_lock_that_does_not_lock_keeps_the_contactor_open() -> None:
    """Nothing is energised under a plug that could be pulled."""
    loose = advance(plug_in(set_input(idle(), "lock_stuck_open", 1), car(), ""), 30.0)

    assert (names(loose), loose.meter.total_wh) == (["ConnectorLockFailure"], 0.0)


def test_lock_that_does_not_open_holds_the_plug() -> None:
    """After the session the car cannot leave until the lock is mended."""
    stuck = stop(set_input(charging(), "lock_stuck_shut", 1), "Local")

    with pytest.raises(NotPossibleNowError, match="holds the plug"):
        unplug(stuck)
    freed = clear(set_input(stuck, "lock_stuck_shut", 0), None)

    assert names(stuck) == ["ConnectorLockFailure"]
    assert unplug(freed).pilot is Pilot.A1


def test_emergency_stop_stays_until_it_is_released() -> None:
    """Clearing does not help; releasing does, and the ended session stays ended."""
    pressed = press_emergency_stop(charging())

    released = release_emergency_stop(pressed)

    assert pressed.session is not None
    assert (names(pressed), pressed.session.end_reason) == (["EmergencyStop"], "EmergencyStop")
    assert names(clear(pressed, None)) == ["EmergencyStop"]
    assert (names(released), ocpp_status(released)) == ([], "Finishing")
    assert press_emergency_stop(pressed) is pressed


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("plug_inserted_pct", 80.0, "PartialInsertion"),
        ("latch_closes", 0, "BrokenLatch"),
        ("cable_whole", 0, "CutCable"),
    ],
)
def test_broken_plug_is_its_own_fault(name: str, value: float, fault: str) -> None:
    """Each part that can be broken at the plug has its name."""
    assert names(set_input(charging(), name, value)) == [fault]


def test_voltage_at_an_open_connector_is_a_fault() -> None:
    """More than 60 V where nothing should be, for longer than a second."""
    state = set_input(idle(Supply.DC, 150.0), "connector_v", 90.0)

    assert (names(advance(state, 0.9)), names(advance(state, 1.1))) == (
        [],
        ["ConnectorVoltageHigh"],
    )


def test_injected_fault_does_not_end_by_itself() -> None:
    """What was injected obeys its duration and the hand, not the physics."""
    injected = inject(charging(), FAULTS["OverVoltage"], None)

    assert names(advance(injected, 3600.0)) == ["OverVoltage"]
    assert names(clear(injected, FAULTS["OverVoltage"])) == []


@pytest.mark.parametrize("text", ["HighTemperature", "MREC3HighTemperature", "CX003"])
def test_fault_is_known_by_name_number_and_code(text: str) -> None:
    """A bench may write the bare name, the MREC name or the code."""
    assert fault_named(text) is FAULTS["HighTemperature"]
    assert fault_named("MREC3Nothing") is None


def test_every_fault_has_a_number_of_its_own_and_a_pilot_where_it_stops() -> None:
    """Registers with a bit for each fault tell them apart in 32 bits."""
    numbers = [kind.number for kind in FAULTS.values()]

    assert len(set(numbers)) == len(numbers)
    assert set(numbers) <= set(range(1, 32))


@pytest.mark.parametrize(
    ("name", "value"),
    [("nothing", 1.0), ("mains_l1_v", -1.0), ("ambient_c", float("nan")), ("pilot_diode", 0.5)],
)
def test_impossible_input_is_refused_by_name(name: str, value: float) -> None:
    """Unknown names, values outside the range, and half-set switches are refused."""
    with pytest.raises(BadArgumentError):
        set_input(idle(), name, value)


def test_every_input_set_and_set_back_leaves_the_same_idle_pile() -> None:
    """With nominal inputs the shared object is back, so that nothing is asked any more."""
    for kind in INPUTS.values():
        state = set_input(set_input(idle(), kind.name, kind.low), kind.name, None)
        state = clear(advance(state, 86_400.0), None)

        assert (state.inputs is NOMINAL, state.pilot) == (True, Pilot.A1), kind.name
        assert advance(state, 3600.0) is state


def test_limit_and_derating_do_not_trip_the_over_current() -> None:
    """A lower offer lowers what the car draws; nothing is above it."""
    state = set_input(set_limit(charging(), 6.0), "ambient_c", 30.0)

    assert names(advance(state, 600.0)) == []
