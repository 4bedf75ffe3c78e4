"""Without power: dark, open, and after the restart only what was kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.core.battery import Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import (
    authorise_ahead,
    inject,
    lose_power,
    plug_in,
    press_emergency_stop,
    reserve,
    restore_power,
    set_input,
    set_limit,
    set_meter,
    set_operative,
    unplug,
)
from firmware_sim.core.evse import Car, Contactor, Evse, EvseSpec, Phase, Pilot, Reservation, Supply
from firmware_sim.core.faults import FAULTS
from firmware_sim.core.memory import BOOT_S, Kept, from_text, kept, to_text
from firmware_sim.core.meter import ROLLOVER_WH, Meter
from firmware_sim.core.plugged import Session
from firmware_sim.core.status import ocpp_status
from firmware_sim.errors import NotPossibleNowError


def charging(**spec: bool) -> Evse:
    evse = Evse(EvseSpec("A-01*1", Supply.AC_3, 11.0, **spec))
    car = Car(Battery(60.0, 30.0, 150.0), 80.0)
    return advance(plug_in(evse, car, "T1"), 600.0)


def test_power_loss_is_dark_and_open_and_the_meter_stands() -> None:
    """No pilot, no power, no answer; an hour in the dark counts nothing."""
    busy = charging()

    dark = advance(lose_power(busy), 3600.0)

    assert (dark.is_dark, dark.pilot_v, dark.duty_pct) == (True, 0.0, 0.0)
    assert (dark.power_kw, dark.contactor, dark.meter) == (0.0, Contactor.OPEN, busy.meter)


def test_transaction_that_ran_has_ended_with_power_loss_after_the_start() -> None:
    """It stays dark while it starts; then the kept transaction is told as ended."""
    busy = charging()
    back = restore_power(lose_power(busy))

    starting, up = advance(back, BOOT_S - 1), advance(back, BOOT_S)

    assert starting.is_dark
    assert (up.is_dark, up.pilot, ocpp_status(up)) == (False, Pilot.B1, "Finishing")
    assert up.session is not None
    assert busy.session is not None
    assert (up.session.number, up.session.end_reason) == (busy.session.number, "PowerLoss")
    assert up.session_wh == busy.session_wh > 0


def test_transaction_goes_on_where_the_pile_is_built_to_resume() -> None:
    """Same transaction, same start of the meter, energy flows again after the handshake."""
    busy = charging(resumes_after_power_loss=True)

    again = advance(restore_power(lose_power(busy)), BOOT_S + 30.0)

    assert again.session is not None
    assert (again.pilot, again.session.phase) == (Pilot.C2, Phase.RUNNING)
    assert again.session_wh > busy.session_wh


def test_what_is_not_kept_is_lost_and_the_world_stays() -> None:
    """Set point, reservation and token ahead are gone; car, broken parts and button are not."""
    evse = Evse(EvseSpec("A-01*1", Supply.AC_3, 11.0))
    evse = authorise_ahead(set_limit(reserve(evse, Reservation(1, "T", 900.0)), 5.0), "T", 60.0)
    evse = inject(press_emergency_stop(evse), FAULTS["PilotFault"], None)

    up = advance(restore_power(lose_power(evse)), BOOT_S)

    assert (up.limit_kw, up.reservation, up.token_ahead) == (None, None, None)
    assert {fault.kind.name for fault in up.faults} == {"PilotFault", "EmergencyStop"}


def test_availability_is_kept_also_when_it_waited_for_the_session_to_end() -> None:
    """A change of availability that was promised is carried out after the restart."""
    out = set_operative(charging(), False)

    up = advance(restore_power(lose_power(out)), BOOT_S)

    assert ocpp_status(unplug(up)) == "Unavailable"


def test_brown_out_takes_the_power_and_good_mains_give_it_back() -> None:
    """Below 85 V it is dark, between 85 and 180 V it stays so, above it starts."""
    low = set_input(charging(), "mains_l1_v", 80.0)
    middle = set_input(low, "mains_l1_v", 150.0)
    well = set_input(middle, "mains_l1_v", 230.0)

    assert (low.has_power, middle.has_power, well.has_power) == (False, False, True)
    with pytest.raises(NotPossibleNowError, match="150 V"):
        restore_power(middle)
    assert not advance(well, BOOT_S).is_dark


def test_car_that_comes_and_goes_in_the_dark_leaves_a_free_pile() -> None:
    """A plug can be pulled without power; a car that came meanwhile begins after the start."""
    gone = advance(restore_power(unplug(lose_power(charging()))), BOOT_S)
    dark = lose_power(Evse(EvseSpec("A-01*1", Supply.AC_3, 11.0)))
    came = plug_in(dark, Car(Battery(60.0, 30.0, 150.0), 80.0), "")

    assert (gone.pilot, ocpp_status(gone)) == (Pilot.A1, "Available")
    assert advance(restore_power(came), BOOT_S + 10.0).pilot is Pilot.C2


sessions = st.none() | st.builds(
    Session,
    number=st.integers(1, 10**6),
    presented_token=st.text(max_size=20),
    start_wh=st.floats(0, 4e9),
    handshake_left_s=st.floats(0, 20),
    phase=st.sampled_from(Phase),
    granted_token=st.none() | st.text(max_size=20),
    charging_s=st.floats(0, 1e6),
    end_reason=st.sampled_from(["", "Local", "PowerLoss"]),
)


@given(
    st.builds(
        Kept,
        meter_wh=st.floats(0, 4e9),
        sessions_begun=st.integers(0, 10**6),
        is_operative=st.booleans(),
        session=sessions,
    )
)
def test_kept_part_survives_being_written_and_read(memory: Kept) -> None:
    """What is written is what is read, to the last bit."""
    assert from_text(to_text(memory)) == memory


def test_kept_part_is_told_apart_from_other_text() -> None:
    """Anything else is refused with its beginning."""
    assert kept(charging()).session is not None
    for text in ("{}", "[]", '{"session":{}}', "junk"):
        with pytest.raises(ValueError, match=r"memory|Expecting"):
            from_text(text)


def test_meter_rolls_over_and_the_session_counts_across() -> None:
    """After 4,294,967,295 Wh comes 0; what the session took is still known."""
    evse = set_meter(Evse(EvseSpec("A-01*1", Supply.AC_3, 11.0)), ROLLOVER_WH - 1000.0)
    car = Car(Battery(60.0, 30.0, 150.0), 80.0)

    later = advance(plug_in(evse, car, ""), 3602.0)

    assert later.meter.total_wh == pytest.approx(10_000.0)
    assert later.session_wh == pytest.approx(11_000.0)
    with pytest.raises(NotPossibleNowError):
        set_meter(later, 0.0)
    with pytest.raises(ValueError, match="cannot stand"):
        Meter(ROLLOVER_WH)


@pytest.mark.parametrize("drift_pct", [-2.0, 0.0, 1.5])
def test_meter_drifts_and_the_battery_does_not(drift_pct: float) -> None:
    """The register counts its error too; the car gets what it got."""
    fresh = set_input(Evse(EvseSpec("A-01*1", Supply.AC_3, 11.0)), "meter_drift_pct", drift_pct)

    later = advance(plug_in(fresh, Car(Battery(60.0, 30.0, 150.0), 80.0), ""), 3602.0)

    assert later.session_wh == pytest.approx(11_000.0 * (1 + drift_pct / 100))
    assert later.car is not None
    assert later.car.battery.soc_pct == pytest.approx(30 + 11 / 60 * 100)


def test_load_beside_the_car_is_metered_and_not_stored() -> None:
    """One ampere more at each phase counts 690 Wh an hour that the battery never sees."""
    evse = set_input(Evse(EvseSpec("A-01*1", Supply.AC_3, 11.04)), "load_offset_a", 1.0)

    later = advance(plug_in(evse, Car(Battery(90.0, 10.0, 150.0), 80.0), ""), 3602.0)

    assert later.session_wh == pytest.approx(11_040.0 + 690.0)
    assert later.car is not None
    assert later.car.battery.soc_pct == pytest.approx(10 + 11.04 / 90 * 100)
    assert later.phase_currents_a == pytest.approx((17.0, 17.0, 17.0))
    assert replace(later) == later
