"""How fast batteries fill: the taper, and real sessions."""

from __future__ import annotations

import os
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.battery_fit import MONTH_C, read_rows, report
from firmware_sim.core.battery import SETTLING_S, Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import plug_in, set_input
from firmware_sim.core.evse import Car, Evse, EvseSpec, Supply
from firmware_sim.core.meter import Meter

DATA = Path(os.environ.get("PILEWISE_DATA", Path(__file__).parents[4] / "shared" / "data"))
SESSIONS = DATA / "epfl_dc" / "sessions.csv"


def minutes_to_charge(battery: Battery, target_soc_pct: float, power_kw: float) -> float:
    """Minutes from closed relay to target on a DC pile."""
    spec = EvseSpec("P*1", Supply.DC, power_kw)
    evse = advance(plug_in(Evse(spec), Car(battery, target_soc_pct), ""), spec.handshake_s)
    seconds = 0
    while evse.car is not None and not evse.car.is_done:
        evse = advance(evse, 10.0)
        seconds += 10
    return seconds / 60


def test_power_is_flat_first_and_falls_with_the_charge() -> None:
    """Constant current below the envelope, a falling line above it, nothing when full."""
    powers = [Battery(60.0, soc, 100.0).accepted_kw for soc in (10, 40, 60, 80, 95, 100)]

    assert powers[:3] == [100.0, 100.0, 100.0]
    assert powers[3:] == [pytest.approx(42.0), pytest.approx(27.6), 0.0]


def test_last_fifth_takes_longer_than_the_fifth_before() -> None:
    """Charging from 80 to 100 % takes more than twice as long as from 60 to 80 %."""
    before = minutes_to_charge(Battery(70.0, 60.0, 120.0), 80.0, 150.0)

    assert minutes_to_charge(Battery(70.0, 80.0, 120.0), 100.0, 150.0) > 2 * before


@given(st.floats(0, 99.99), st.floats(0, 99.99), st.floats(-40, 60))
def test_fuller_or_colder_battery_never_takes_more(one: float, other: float, cold_c: float) -> None:
    """The envelope falls with the charge, and only the warmth between frost and heat is free."""
    emptier, fuller = sorted((one, other))
    taken = [Battery(60.0, soc_pct, 500.0).accepted_kw for soc_pct in (emptier, fuller)]
    cold = Battery(60.0, emptier, 500.0, temperature_c=cold_c).accepted_kw

    assert 0 < taken[1] <= taken[0] + 1e-9
    assert 0.1 * taken[0] - 1e-9 <= cold <= taken[0]


def test_battery_is_as_warm_as_the_air_where_nobody_says_otherwise() -> None:
    """Plugged in at -10 C it takes seven tenths of the envelope; a warm one takes all of it."""
    spec = EvseSpec("P*1", Supply.DC, 300.0)
    frosty = set_input(Evse(spec), "ambient_c", -10.0)
    cold, warm = Battery(60.0, 20.0, 300.0), Battery(60.0, 20.0, 300.0, temperature_c=25.0)

    cold_evse = advance(plug_in(frosty, Car(cold, 80.0), ""), spec.handshake_s)
    warm_evse = advance(plug_in(frosty, Car(warm, 80.0), ""), spec.handshake_s)

    assert warm_evse.power_kw == pytest.approx(144.0, rel=0.01)
    assert cold_evse.power_kw == pytest.approx(0.7 * 144.0, rel=0.01)


def test_slow_pile_is_not_tapered_before_the_envelope_meets_it() -> None:
    """At 11 kW the battery takes full power almost to the end."""
    assert Battery(60.0, 95.0, 150.0).accepted_kw > 11


@pytest.mark.slow
def test_stays_agree_with_real_sessions() -> None:
    """Through the controller, real sessions last as long as they did, to 5 % in the mean."""
    if not SESSIONS.exists():
        pytest.skip("needs ../shared/data or PILEWISE_DATA")
    predicted, real = [], []
    for row in read_rows(SESSIONS)[::6]:
        arrival, departure = float(row["SOC arrival"]), float(row["SOC departure"])
        capacity_kwh = float(row["Energy (Wh)"]) / (departure - arrival) / 10
        peak_kw = float(row["Pmax (W)"]) / 1000
        air_c = float(MONTH_C[int(row["Arrival"][5:7]) - 1])
        battery = Battery(capacity_kwh, arrival, peak_kw, temperature_c=air_c)
        predicted.append(minutes_to_charge(battery, departure, peak_kw) + SETTLING_S / 60)
        real.append(float(row["Stay (min)"]))

    assert mean(predicted) == pytest.approx(mean(real), rel=0.05)
    assert mean(abs(a - b) for a, b in zip(predicted, real, strict=True)) < 6.5


@pytest.mark.slow
def test_shipped_envelope_is_within_a_tenth_of_the_best_fit() -> None:
    """`python -m bench.battery_fit` finds nothing that is noticeably better."""
    if not SESSIONS.exists():
        pytest.skip("needs ../shared/data or PILEWISE_DATA")
    told = report(SESSIONS)

    for part in ("earlier", "later"):
        shipped, fitted = told[f"shipped_{part}"], told[f"fitted_{part}"]
        assert shipped["mean_absolute_error_min"] < fitted["mean_absolute_error_min"] + 0.1
    assert told["shipped_later"]["mean_absolute_error_min"] < 5.6


@pytest.mark.parametrize(
    "wrong", [(0.0, 50.0, 50.0), (60.0, 101.0, 50.0), (60.0, float("nan"), 50.0), (60.0, 5.0, 0.0)]
)
def test_impossible_battery_is_refused(wrong: tuple[float, float, float]) -> None:
    """Capacity and power are above zero, charge is a percentage."""
    with pytest.raises(ValueError, match="must be"):
        Battery(*wrong)


@pytest.mark.parametrize("energy_wh", [-0.001, float("nan"), float("inf")])
def test_meter_refuses_to_fall_or_to_count_nonsense(energy_wh: float) -> None:
    """A meter takes finite amounts of zero or more."""
    with pytest.raises(ValueError, match="cannot count"):
        Meter(5.0).added(energy_wh)
