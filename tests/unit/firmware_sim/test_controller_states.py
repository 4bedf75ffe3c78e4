"""What each action on an EVSE leads to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from firmware_sim.core.battery import Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import (
    authorise,
    authorise_ahead,
    cancel_reservation,
    clear,
    inject,
    park,
    plug_in,
    reserve,
    restart,
    set_fallback,
    set_limit,
    set_operative,
    stop,
    unplug,
)
from firmware_sim.core.evse import Car, Evse, EvseSpec, Pilot, Reservation, Supply
from firmware_sim.core.faults import FAULTS
from firmware_sim.core.status import ocpp_error, ocpp_status
from firmware_sim.errors import NotPossibleNowError


def evse(supply: Supply = Supply.AC_3, power_kw: float = 11.0, **spec: bool) -> Evse:
    return Evse(EvseSpec("A-01*1", supply, power_kw, **spec))


def car(soc_pct: float = 30.0, target_soc_pct: float = 80.0, **kind: bool) -> Car:
    return Car(Battery(60.0, soc_pct, 150.0), target_soc_pct, **kind)


def charging(supply: Supply = Supply.AC_3, power_kw: float = 11.0) -> Evse:
    return advance(plug_in(evse(supply, power_kw), car(), ""), 30.0)


def test_plug_in_with_free_vending_reaches_c2_after_the_handshake() -> None:
    """A free-vending car stands at B2 during the handshake and charges at full power after it."""
    plugged = plug_in(evse(), car(), "")

    after = advance(plugged, 2.0)

    assert (plugged.pilot, plugged.power_kw, ocpp_status(plugged)) == (
        Pilot.B2,
        0.0,
        "SuspendedEV",
    )
    assert (after.pilot, after.power_kw, ocpp_status(after)) == (Pilot.C2, 11.0, "Charging")


def test_plug_in_with_a_token_waits_where_a_central_system_decides() -> None:
    """Without local authorisation the pilot stays at B1 until somebody accepts the token."""
    waiting = advance(plug_in(evse(local_auth=False), car(), "T1"), 60.0)

    accepted = advance(authorise(waiting, "T1"), 5.0)

    assert (waiting.pilot, ocpp_status(waiting)) == (Pilot.B1, "Preparing")
    assert (accepted.pilot, accepted.session_wh > 0) == (Pilot.C2, True)


def test_second_car_at_one_plug_is_refused() -> None:
    """One EVSE serves one car."""
    with pytest.raises(NotPossibleNowError, match=r"A-01\*1"):
        plug_in(plug_in(evse(), car(), ""), car(), "")


def test_unplug_without_a_car_is_refused() -> None:
    """There is no cable to take out of an empty EVSE."""
    with pytest.raises(NotPossibleNowError):
        unplug(evse())


def test_target_reached_suspends_the_car_exactly_at_its_target() -> None:
    """At the target the car opens its switch: B2, no power, transaction still running."""
    full = advance(charging(), 6 * 3600.0)

    assert full.car is not None
    assert full.car.battery.soc_pct == 80.0
    assert (full.pilot, full.power_kw, ocpp_status(full)) == (Pilot.B2, 0.0, "SuspendedEV")
    assert full.session_wh == pytest.approx(0.5 * 60_000)


def test_current_limit_under_six_amperes_suspends_the_session() -> None:
    """Below what the pilot can offer the EVSE suspends (C1) and goes on when the limit rises."""
    low = set_limit(charging(), 5.9 * 230 * 3 / 1000)

    back = set_limit(low, 6 * 230 * 3 / 1000)

    assert (low.pilot, low.power_kw, ocpp_status(low)) == (Pilot.C1, 0.0, "SuspendedEVSE")
    assert (back.pilot, back.power_kw) == (Pilot.C2, pytest.approx(4.14))


def test_dc_limit_of_1547_watts_inhibits_and_one_watt_more_does_not() -> None:
    """A DC session is suspended at 1547 W and runs at 1548 W."""
    running = charging(Supply.DC, 150.0)

    assert set_limit(running, 1.547).pilot is Pilot.C1
    assert set_limit(running, 1.548).power_kw == pytest.approx(1.548)


def test_fallback_binds_beside_a_higher_limit() -> None:
    """While the master is silent the fallback holds; its end gives the limit back."""
    limited = set_limit(charging(), 8.0)

    assert set_fallback(limited, 4.14).power_kw == pytest.approx(4.14)
    assert set_fallback(set_fallback(limited, 4.14), None).power_kw == 8.0


@pytest.mark.parametrize("name", [kind.name for kind in FAULTS.values() if kind.stops])
def test_stopping_fault_ends_the_session_and_opens_the_relay(name: str) -> None:
    """Every fault that stops leaves no power, an ended session and the status Faulted."""
    broken = inject(charging(), FAULTS[name], None)

    later = advance(broken, 600.0)

    assert (broken.power_kw, broken.relay_closed, ocpp_status(broken)) == (0.0, False, "Faulted")
    assert later.meter == broken.meter
    assert broken.session is not None
    assert broken.session.end_reason == FAULTS[name].stop_reason


@pytest.mark.parametrize(
    ("name", "pilot", "error", "code"),
    [
        ("HighTemperature", Pilot.F, "HighTemperature", "CX003"),
        ("GroundFailure", Pilot.F, "GroundFailure", "CX002"),
        ("PilotFault", Pilot.E, "OtherError", "CX014"),
        ("PowerLoss", Pilot.E, "OtherError", "CX015"),
        ("EVSEContactorFault", Pilot.F, "PowerSwitchFailure", "CX017"),
    ],
)
def test_fault_shows_its_pilot_and_codes(name: str, pilot: Pilot, error: str, code: str) -> None:
    """A fault is told by pilot, OCPP error code and MREC code, with or without a car."""
    empty, busy = inject(evse(), FAULTS[name], None), inject(charging(), FAULTS[name], None)

    assert (empty.pilot, busy.pilot) == (pilot, pilot)
    assert ocpp_error(busy) == (error, code)


def test_derating_fault_halves_the_power_and_keeps_the_session() -> None:
    """CableOverTempDerate lowers the power; the EVSE stays in service."""
    warm = inject(charging(), FAULTS["CableOverTempDerate"], None)

    assert (warm.pilot, warm.power_kw, ocpp_status(warm)) == (Pilot.C2, 5.5, "Charging")
    assert ocpp_error(warm) == ("OtherError", "CX018")


def test_fault_with_a_duration_clears_itself_and_the_ended_session_stays_ended() -> None:
    """After its time the EVSE works again, but the car must be plugged in anew."""
    broken = inject(charging(), FAULTS["HighTemperature"], 120.0)

    before, after = advance(broken, 119.0), advance(broken, 120.0)

    assert ocpp_status(before) == "Faulted"
    assert (ocpp_status(after), after.pilot) == ("Finishing", Pilot.B1)
    assert ocpp_status(unplug(after)) == "Available"


def test_car_that_comes_to_a_broken_pile_charges_once_it_is_mended() -> None:
    """A session that could not begin because of a fault begins when the fault is cleared."""
    waiting = plug_in(inject(evse(), FAULTS["GroundFailure"], None), car(), "")

    mended = advance(clear(waiting, FAULTS["GroundFailure"]), 5.0)

    assert (ocpp_status(waiting), mended.pilot) == ("Faulted", Pilot.C2)


def test_clearing_all_faults_leaves_none() -> None:
    """Clear without a name mends everything."""
    twice = inject(inject(evse(), FAULTS["PilotFault"], None), FAULTS["PowerLoss"], None)

    assert clear(twice, None).faults == ()
    assert clear(twice, FAULTS["PilotFault"]).pilot is Pilot.E


def test_ventilation_is_refused_where_there_is_none() -> None:
    """State D at an unventilated pile is a fault until the car leaves."""
    refused = advance(plug_in(evse(), car(wants_ventilation=True), ""), 5.0)

    assert (refused.pilot, ocpp_status(refused)) == (Pilot.D1, "Faulted")
    assert ocpp_error(refused)[1] == "CX010"
    assert ocpp_status(unplug(refused)) == "Available"


def test_ventilation_is_given_where_it_is_allowed() -> None:
    """A ventilated pile charges in state D."""
    fan = advance(plug_in(evse(ventilated=True), car(wants_ventilation=True), ""), 5.0)

    assert (fan.pilot, fan.power_kw, ocpp_status(fan)) == (Pilot.D2, 11.0, "Charging")


def test_reservation_keeps_others_out_and_is_consumed_by_its_holder() -> None:
    """Only the token it is kept for begins a transaction, which ends the reservation."""
    kept = reserve(evse(), Reservation(7, "MINE", 600.0))

    other = advance(plug_in(kept, car(), "OTHER"), 60.0)
    mine = advance(plug_in(kept, car(), "MINE"), 5.0)

    assert ocpp_status(kept) == "Reserved"
    assert (ocpp_status(other), other.reservation) != ("Charging", None)
    assert (ocpp_status(mine), mine.reservation) == ("Charging", None)


def test_reservation_lapses_by_itself_and_lets_the_waiting_driver_on() -> None:
    """After its time an EVSE is free again; who waits at the plug then begins."""
    kept = reserve(evse(), Reservation(7, "MINE", 600.0))
    waiting = plug_in(kept, car(), "OTHER")

    assert ocpp_status(advance(kept, 599.0)) == "Reserved"
    assert ocpp_status(advance(kept, 600.0)) == "Available"
    assert ocpp_status(advance(waiting, 700.0)) == "Charging"
    assert ocpp_status(cancel_reservation(kept)) == "Available"


def test_inoperative_is_shown_at_once_when_idle_and_after_the_session_when_busy() -> None:
    """A change of availability never interrupts a transaction."""
    idle, busy = set_operative(evse(), False), set_operative(charging(), False)

    assert (idle.pilot, ocpp_status(idle)) == (Pilot.F, "Unavailable")
    assert ocpp_status(busy) == "Charging"
    assert ocpp_status(unplug(busy)) == "Unavailable"
    assert ocpp_status(set_operative(idle, True)) == "Available"


def test_stopped_session_is_finishing_until_the_cable_comes_out() -> None:
    """After a stop no energy flows and the reason is kept."""
    ended = advance(stop(charging(), "Remote"), 60.0)

    assert (ended.pilot, ended.power_kw, ocpp_status(ended)) == (Pilot.B1, 0.0, "Finishing")
    assert ended.session is not None
    assert ended.session.end_reason == "Remote"


def test_restart_counts_a_new_session_from_the_present_meter() -> None:
    """A start button after a stop begins a new session with its own energy."""
    ended = stop(charging(), "Local")

    again = advance(restart(ended), 5.0)

    assert again.session is not None
    assert (again.session.number, again.pilot) == (2, Pilot.C2)
    assert 0 < again.session_wh < ended.session_wh


def test_token_ahead_of_the_cable_is_used_or_lapses() -> None:
    """A remotely accepted driver has a window to plug in."""
    ahead = authorise_ahead(evse(local_auth=False), "T1", 180.0)

    used = advance(plug_in(ahead, car(), ""), 5.0)

    assert ocpp_status(ahead) == "Preparing"
    assert used.session is not None
    assert used.session.granted_token == "T1"
    assert ocpp_status(advance(ahead, 180.0)) == "Available"


def test_parked_car_blocks_the_bay_without_a_session() -> None:
    """Something parked occupies the bay while the EVSE stays Available."""
    blocked = park(evse(), True, 3)

    assert (blocked.bay_occupied, ocpp_status(blocked), blocked.queue_length) == (
        True,
        "Available",
        3,
    )
    assert not park(blocked, False, None).bay_occupied
    with pytest.raises(NotPossibleNowError):
        park(plug_in(blocked, car(), ""), False, None)


def test_single_phase_pile_counts_its_phases() -> None:
    """Power, current and least power follow the number of phases."""
    single = advance(plug_in(evse(Supply.AC_1, 7.36), car(), ""), 10.0)

    assert single.current_a == pytest.approx(32.0)
    assert single.spec.min_power_kw == pytest.approx(1.38)


def test_idle_evse_is_the_same_object_after_any_time() -> None:
    """Time changes nothing where nothing moves, so that listeners hear nothing."""
    idle = evse()

    assert advance(idle, 86_400.0) is idle
    assert replace(idle) == idle
