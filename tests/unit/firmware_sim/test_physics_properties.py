"""What holds whatever is set, ramped, pressed, unplugged or left without power."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.core.battery import Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import (
    clear,
    inject,
    lose_power,
    plug_in,
    press_emergency_stop,
    release_emergency_stop,
    restart,
    restore_power,
    set_input,
    set_limit,
    stop,
    unplug,
)
from firmware_sim.core.evse import Car, Contactor, Evse, EvseSpec, Lock, Pilot, Supply
from firmware_sim.core.faults import FAULTS
from firmware_sim.core.inputs import INPUTS, NOMINAL
from firmware_sim.core.memory import BOOT_S
from firmware_sim.core.status import ocpp_status
from firmware_sim.errors import NotPossibleNowError

cars = st.builds(
    Car,
    battery=st.builds(
        Battery,
        capacity_kwh=st.floats(20, 120),
        soc_pct=st.floats(0, 100),
        max_power_kw=st.floats(3, 400),
    ),
    target_soc_pct=st.floats(0, 100),
    stored_share=st.sampled_from([0.9, 1.0]),
    phases=st.sampled_from([1, 3]),
)
specs = st.builds(
    EvseSpec,
    evse_id=st.just("P*1"),
    supply=st.sampled_from(Supply),
    max_power_kw=st.floats(3, 400),
    resumes_after_power_loss=st.booleans(),
)


def settings_of(name: str) -> st.SearchStrategy[tuple[str, str, float | None]]:
    """Values of one input: its limits, its nominal value, and what lies between."""
    kind = INPUTS[name]
    if kind.unit == "0/1":
        value = st.sampled_from([0.0, 1.0, None])
    else:
        near = {"pilot_ohm": 3000.0, "proximity_ohm": 2000.0, "isolation_kohm": 200.0}
        high = near.get(name, min(kind.high, 300.0))
        value = st.none() | st.floats(kind.low, high) | st.just(kind.high)
    return st.tuples(st.just("set"), st.just(name), value)


inputs = st.sampled_from(sorted(INPUTS)).flatmap(settings_of)
actions = st.one_of(
    inputs,
    inputs,
    st.tuples(st.just("plug"), cars),
    st.tuples(st.just("time"), st.floats(0, 4000)),
    st.tuples(st.just("fault"), st.sampled_from(sorted(FAULTS)), st.none() | st.floats(0, 900)),
    st.tuples(st.just("limit"), st.none() | st.floats(0, 400)),
    st.tuples(
        st.sampled_from(
            ["unplug", "stop", "restart", "clear", "press", "release", "power off", "power on"]
        )
    ),
)
PLAIN = {
    "unplug": unplug,
    "stop": partial(stop, reason="Local"),
    "restart": restart,
    "clear": partial(clear, kind=None),
    "press": press_emergency_stop,
    "release": release_emergency_stop,
    "power off": lose_power,
    "power on": restore_power,
}


def apply(evse: Evse, action: tuple) -> Evse:  # type: ignore[type-arg]
    """The EVSE after an action; an action that is not possible now changes nothing."""
    try:
        match action:
            case ("set", name, value):
                return set_input(evse, name, value)
            case ("plug", car):
                return plug_in(evse, car, "")
            case ("time", passed_s):
                return advance(evse, passed_s)
            case ("fault", name, duration_s):
                return inject(evse, FAULTS[name], duration_s)
            case ("limit", limit_kw):
                return set_limit(evse, limit_kw)
            case _:
                return PLAIN[action[0]](evse)
    except NotPossibleNowError:
        return evse


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(specs, st.lists(actions, max_size=25))
def test_contactor_is_closed_only_where_it_is_safe(
    spec: EvseSpec,
    happenings: list[tuple],  # type: ignore[type-arg]
) -> None:
    """Closed means locked, powered, no stopping fault, a car, C or D; power is within the offer."""
    evse = Evse(spec)
    for happening in happenings:
        before, evse = evse, apply(evse, happening)

        assert evse.meter.total_wh >= before.meter.total_wh
        assert evse.temperature_c >= -41
        if evse.relay_closed:
            assert (evse.contactor, evse.lock) == (Contactor.CLOSED, Lock.LOCKED)
            assert evse.car is not None
            assert not evse.is_broken
            assert not evse.is_dark
            assert not evse.emergency_pressed
            assert evse.pilot in (Pilot.C2, Pilot.D2)
        else:
            assert evse.power_kw == 0
            assert set(evse.phase_currents_a) <= {0.0}
        if evse.inputs.load_offset_a <= 0:
            assert evse.power_kw <= evse.offered_kw + 1e-9
        assert (evse.inputs is NOMINAL) == (evse.inputs == NOMINAL)
        assert ocpp_status(evse)
        assert 0 <= evse.duty_pct <= 100


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(specs, st.lists(actions, max_size=15))
def test_whatever_broke_repair_leads_back_to_a(
    spec: EvseSpec,
    happenings: list[tuple],  # type: ignore[type-arg]
) -> None:
    """Parts mended, button released, power back, faults cleared, plug out: free and well."""
    evse = Evse(spec)
    for happening in happenings:
        evse = apply(evse, happening)

    for name in INPUTS:
        evse = set_input(evse, name, None)
    evse = advance(restore_power(release_emergency_stop(evse)), BOOT_S)
    evse = clear(evse, None)
    evse = evse if evse.car is None else unplug(evse)
    evse = advance(evse, 6 * 3600.0)

    assert (evse.pilot, ocpp_status(clear(evse, None))) == (Pilot.A1, "Available")
    assert advance(evse, 60.0) is evse


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    specs,
    cars,
    st.lists(inputs, max_size=4),
    st.floats(0.1, 4000),
    st.floats(0.1, 4000),
)
def test_state_depends_on_the_time_and_not_on_how_it_is_cut(
    spec: EvseSpec,
    car: Car,
    sets: list[tuple],  # type: ignore[type-arg]
    first_s: float,
    second_s: float,
) -> None:
    """One stride or two: the same energy, temperatures, and the same faults but at a threshold."""
    begun = plug_in(Evse(spec), car, "")
    for one in sets:
        begun = apply(begun, one)

    once = advance(begun, first_s + second_s)
    twice = advance(advance(begun, first_s), second_s)

    assert twice.meter.total_wh == pytest.approx(
        once.meter.total_wh, rel=0.02, abs=car.battery.capacity_kwh * 10
    )
    assert twice.temperature_c == pytest.approx(once.temperature_c, abs=1.0)
    assert twice.cable_c == pytest.approx(once.cable_c, abs=3.0)
    # A cable that derates and recovers may be one moment on either side of its threshold.
    swinging = {"CableOverTempDerate"}
    names = [{f.kind.name for f in state.faults} - swinging for state in (once, twice)]
    assert names[0] == names[1]
