"""What holds whatever is done to an EVSE, in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.core.battery import Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import (
    authorise,
    cancel_reservation,
    clear,
    inject,
    park,
    plug_in,
    reserve,
    restart,
    set_limit,
    set_operative,
    stop,
    unplug,
)
from firmware_sim.core.evse import Car, Evse, EvseSpec, Phase, Pilot, Reservation, Supply
from firmware_sim.core.faults import FAULTS
from firmware_sim.core.status import ocpp_error, ocpp_status
from firmware_sim.errors import NotPossibleNowError

STATUSES = {
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEVSE",
    "SuspendedEV",
    "Finishing",
    "Reserved",
    "Unavailable",
    "Faulted",
}
cars = st.builds(
    Car,
    battery=st.builds(
        Battery,
        capacity_kwh=st.floats(20, 120),
        soc_pct=st.floats(0, 100),
        max_power_kw=st.floats(3, 300),
    ),
    target_soc_pct=st.floats(0, 100),
    stored_share=st.sampled_from([0.9, 1.0]),
    wants_ventilation=st.booleans(),
)
tokens = st.sampled_from(["", "T1", "T2"])
seconds = st.floats(0, 20_000)
actions = st.one_of(
    st.tuples(st.just("plug"), cars, tokens),
    st.tuples(st.just("time"), seconds),
    st.tuples(st.sampled_from(["unplug", "stop", "restart", "cancel", "clear"])),
    st.tuples(st.just("authorise"), tokens),
    st.tuples(st.just("fault"), st.sampled_from(sorted(FAULTS)), st.none() | seconds),
    st.tuples(st.just("limit"), st.none() | st.floats(0, 400)),
    st.tuples(st.just("operative"), st.booleans()),
    st.tuples(st.just("reserve"), tokens, seconds),
    st.tuples(st.just("park"), st.booleans()),
)
specs = st.builds(
    EvseSpec,
    evse_id=st.just("P*1"),
    supply=st.sampled_from(Supply),
    max_power_kw=st.floats(3, 300),
    local_auth=st.booleans(),
    ventilated=st.booleans(),
)


def apply(evse: Evse, action: tuple) -> Evse:  # type: ignore[type-arg]
    """The EVSE after an action; an action that is not possible now changes nothing."""
    match action:
        case ("plug", car, token):
            change = lambda: plug_in(evse, car, token)  # noqa: E731
        case ("time", passed_s):
            change = lambda: advance(evse, passed_s)  # noqa: E731
        case ("authorise", token):
            change = lambda: authorise(evse, token)  # noqa: E731
        case ("fault", name, duration_s):
            change = lambda: inject(evse, FAULTS[name], duration_s)  # noqa: E731
        case ("limit", limit_kw):
            change = lambda: set_limit(evse, limit_kw)  # noqa: E731
        case ("operative", operative):
            change = lambda: set_operative(evse, operative)  # noqa: E731
        case ("reserve", token, left_s):
            change = lambda: reserve(evse, Reservation(1, token, left_s))  # noqa: E731
        case ("park", occupied):
            change = lambda: park(evse, occupied, None)  # noqa: E731
        case (name,):
            change = {
                "unplug": lambda: unplug(evse),
                "stop": lambda: stop(evse, "Local"),
                "restart": lambda: restart(evse),
                "cancel": lambda: cancel_reservation(evse),
                "clear": lambda: clear(evse, None),
            }[name]
    try:
        return change()
    except NotPossibleNowError:
        return evse


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(specs, st.lists(actions, max_size=25))
def test_whatever_happens_the_machine_keeps_its_promises(
    spec: EvseSpec,
    happenings: list[tuple],  # type: ignore[type-arg]
) -> None:
    """The meter never falls; power flows only in C2 or D2, never while broken, never too much."""
    evse = Evse(spec)
    for happening in happenings:
        before, evse = evse, apply(evse, happening)

        assert evse.meter.total_wh >= before.meter.total_wh
        assert (evse.power_kw > 0) <= (evse.pilot in (Pilot.C2, Pilot.D2))
        assert 0 <= evse.power_kw <= min(spec.max_power_kw, evse.offered_kw) + 1e-9
        if before.is_broken and evse.is_broken and happening[0] == "time" and happening[1] == 0:
            assert evse.meter == before.meter
        if evse.is_broken or not evse.is_operative:
            assert evse.power_kw == 0
            assert ocpp_status(evse) in ("Faulted", "Unavailable")
        assert ocpp_status(evse) in STATUSES
        assert (ocpp_error(evse) == ("NoError", "")) == (not evse.faults)
        assert (evse.session is None) == (evse.car is None)
        if evse.car is not None:
            assert 0 <= evse.car.battery.soc_pct <= 100


@pytest.mark.slow
@settings(deadline=None)
@given(specs, cars, st.sampled_from(sorted(FAULTS)), st.floats(1, 40_000))
def test_no_energy_flows_while_a_stopping_fault_is_present(
    spec: EvseSpec, car: Car, name: str, passed_s: float
) -> None:
    """From the fault on the meter stands still, however long it lasts."""
    charging = advance(plug_in(Evse(spec), car, ""), 3600.0)
    broken = inject(charging, FAULTS[name], None)

    later = advance(broken, passed_s)

    assert (later.meter == broken.meter) or not FAULTS[name].stops


@pytest.mark.slow
@settings(deadline=None)
@given(specs, cars, st.lists(st.floats(0.05, 2000), min_size=1, max_size=20))
def test_energy_does_not_depend_on_how_time_is_cut(
    spec: EvseSpec, car: Car, strides: list[float]
) -> None:
    """Many small strides deliver what one long one delivers, to 1 % of the battery."""
    begun = plug_in(Evse(spec), car, "")
    once = advance(begun, sum(strides))
    often = begun
    for stride_s in strides:
        often = advance(often, stride_s)

    slack_wh = car.battery.capacity_kwh * 10
    assert abs(once.session_wh - often.session_wh) <= slack_wh
    if once.session is not None and often.session is not None:
        assert once.session.phase is often.session.phase
        assert once.session.phase in (Phase.RUNNING, Phase.ENDED)
