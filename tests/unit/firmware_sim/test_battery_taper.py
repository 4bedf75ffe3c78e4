"""How fast batteries fill: the taper, and real sessions."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import mean

import pytest

from firmware_sim.core.battery import SETTLING_S, Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import plug_in
from firmware_sim.core.evse import Car, Evse, EvseSpec, Supply
from firmware_sim.core.meter import Meter

SESSIONS = Path(__file__).parents[4] / "shared" / "data" / "epfl_dc" / "sessions.csv"


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

    assert powers[:2] == [100.0, 100.0]
    assert powers[2:] == [pytest.approx(72.0), pytest.approx(42.0), pytest.approx(19.5), 0.0]


def test_last_fifth_takes_longer_than_the_fifth_before() -> None:
    """Charging from 80 to 100 % takes more than twice as long as from 60 to 80 %."""
    before = minutes_to_charge(Battery(70.0, 60.0, 120.0), 80.0, 150.0)

    assert minutes_to_charge(Battery(70.0, 80.0, 120.0), 100.0, 150.0) > 2 * before


def test_slow_pile_is_not_tapered_before_the_envelope_meets_it() -> None:
    """At 11 kW the battery takes full power almost to the end."""
    assert Battery(60.0, 95.0, 150.0).accepted_kw > 11


@pytest.mark.slow
def test_stays_agree_with_real_sessions() -> None:
    """Over real fast-charging sessions predicted stays match the mean within 5 %."""
    if not SESSIONS.exists():
        pytest.skip(f"no real sessions at {SESSIONS}")
    with SESSIONS.open(newline="") as file:
        rows = list(csv.DictReader(file))[::6]
    predicted, real = [], []
    for row in rows:
        arrival, departure = float(row["SOC arrival"]), float(row["SOC departure"])
        if departure <= arrival or departure > 100:
            continue
        capacity_kwh = float(row["Energy (Wh)"]) / (departure - arrival) / 10
        peak_kw = float(row["Pmax (W)"]) / 1000
        stay = minutes_to_charge(Battery(capacity_kwh, arrival, peak_kw), departure, peak_kw)
        predicted.append(stay + SETTLING_S / 60)
        real.append(float(row["Stay (min)"]))

    assert mean(predicted) == pytest.approx(mean(real), rel=0.05)
    assert mean(abs(a - b) for a, b in zip(predicted, real, strict=True)) < 7.5


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
