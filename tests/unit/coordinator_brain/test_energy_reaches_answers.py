"""What makes a car use more shortens the reach, and with it the time left, of a live ranking."""

from __future__ import annotations

from typing import Any

import pytest
from served_brain import CCS2, HERE, district_of, station

from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.pipeline import rank
from coordinator.core.vehicle import ChargingRequest, Vehicle

NOW_S = 1_795_000_000.0


def ranked(soc_pct: float = 50.0, air: bool | None = None, **world: Any) -> Ranked:
    """A car 5 km from twenty EVSEs, in this world at noon."""
    district = district_of([station("A", 5.0, 20)], NOW_S, 0.0)
    vehicle = Vehicle(60.0, connector_mask=1 << CCS2, consumption_kwh_per_km=0.18)
    request = ChargingRequest("r", "c", vehicle, soc_pct, *HERE, air_conditioning=air)
    noon = 12.0 - NOW_S / 3600.0 % 24.0
    return rank(district, request, Context(utc_offset_h=noon, **world), Models(), NOW_S)


def test_fair_weather_reach_is_charge_by_consumption_and_safety_factor() -> None:
    """30 kWh at 0.18 kWh per km, nine tenths of it: 150 km."""
    assert ranked().reach_km == pytest.approx(150.0)


@pytest.mark.parametrize(
    ("air", "world", "reach_km"),
    [
        (False, {"temperature_c": -6.7}, 150.0 * 0.88),
        (True, {"temperature_c": -6.7}, 150.0 * 0.59),
        (True, {"temperature_c": 35.0}, 150.0 * 0.83),
        (None, {"temperature_c": 35.0}, 150.0 * 0.83),
        (None, {"climb_m_per_km": 20.0}, 150.0 * 0.18 / (0.18 + 0.11502)),
    ],
)
def test_each_condition_shortens_the_reach_by_its_coefficient(
    air: bool | None, world: dict[str, float], reach_km: float
) -> None:
    """Weather with and without air conditioning, and climbing, count as stated in `energy.py`."""
    found = ranked(air=air, **world)

    assert found.reach_km == pytest.approx(reach_km, rel=1e-3)
    assert found.time_left_min < ranked().time_left_min


def test_standing_in_traffic_shortens_the_reach_more_with_the_air_conditioning_on() -> None:
    """A jam costs idling power; the air conditioning multiplies it."""
    free, jam = ranked(traffic_grade=1.0), ranked(traffic_grade=5.0)
    cooled = ranked(air=True, traffic_grade=5.0)

    assert cooled.reach_km < jam.reach_km < free.reach_km <= 150.0


@pytest.mark.parametrize(("soc_pct", "slower"), [(9.9, True), (10.0, False)])
def test_nearly_empty_car_is_taken_to_drive_slowly(soc_pct: float, slower: bool) -> None:
    """Below 10 % the drive is reckoned at eco speed, 0.85 of the usual; at 10 % it is not."""
    usual, found = ranked().columns, ranked(soc_pct).columns
    assert usual is not None
    assert found is not None

    ratio = found.drive.drive_s[0] / usual.drive.drive_s[0]

    assert ratio == pytest.approx(1.0 / 0.85 if slower else 1.0)
