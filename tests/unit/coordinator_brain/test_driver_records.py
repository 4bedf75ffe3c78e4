"""The operator's record of a driver: level, model and habits enter, and end when they end."""

from __future__ import annotations

import pytest
from served_brain import HERE, district_of, station

from coordinator.core.pile import Payment, User
from coordinator.core.recommend.context import Context
from coordinator.core.recommend.pipeline import level_of
from coordinator.core.usual import habit_fault, put_users, user_of, usual
from coordinator.core.vehicle import ChargingRequest, SelectBy, Vehicle, WarningLevel

NOW = 1_790_000_000.0


def request(**wishes: object) -> ChargingRequest:
    """A car in no hurry, of which nothing more is said."""
    fields = {"user_id": "u", "select_by": SelectBy.UNSPECIFIED, "target_said": False} | wishes
    return ChargingRequest(
        "q", "v", Vehicle(60.0), 90.0, *HERE, **fields,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("until_s", "vip", "high"),
    [
        (NOW + 0.001, True, True),
        (NOW, True, False),
        (NOW - 0.001, True, False),
        (None, True, True),
        (NOW + 3_600.0, False, False),
    ],
)
def test_a_vip_is_one_until_the_instant_of_the_record(
    until_s: float | None, vip: bool, high: bool
) -> None:
    """A millisecond before the end the level is high, at it and after it is not."""
    place = district_of([station("S1", 1.0, 20)], NOW, 0.0)
    put_users(place, [User("u", vip=vip, vip_until_s=until_s)])

    level, reason, _ = level_of(place, request(), Context(), NOW)

    assert (level is WarningLevel.HIGH) == high
    assert (reason == "VIP") == high


def test_what_a_driver_usually_wants_fills_what_is_not_said() -> None:
    """Model, air conditioning, target, payment and order come from the record."""
    habits = {
        "air_conditioning": "yes",
        "target_soc_pct": "95",
        "payment": "APP,RFID",
        "select_by": "price",
        "covered": "yes",
    }

    filled = usual(request(), User("u", vehicle_model="BYD Dolphin", habits=habits))

    assert filled.vehicle.model == "BYD Dolphin"
    assert filled.air_conditioning is True
    assert filled.target_soc_pct == 95.0
    assert filled.payments == (Payment.APP, Payment.RFID)
    assert filled.select_by is SelectBy.PRICE


def test_what_a_driver_says_counts_before_habit() -> None:
    """Everything said in the request stays as it was said."""
    habits = {"air_conditioning": "yes", "target_soc_pct": "95", "select_by": "price"}
    said = request(
        air_conditioning=False, target_soc_pct=70.0, target_said=True, select_by=SelectBy.TIME
    )

    assert usual(said, User("u", habits=habits)) == said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("air_conditioning", "perhaps"),
        ("target_soc_pct", "nan"),
        ("target_soc_pct", "100.1"),
        ("payment", "SHELLS"),
        ("select_by", "luck"),
    ],
)
def test_a_habit_that_means_nothing_is_named_and_changes_nothing(name: str, value: str) -> None:
    """The fault says what is wrong; a record that holds it all the same is passed over."""
    assert habit_fault(name, value)
    assert usual(request(), User("u", habits={name: value})) == request()


def test_a_car_is_known_as_its_drivers_until_the_record_changes() -> None:
    """Without a user the car says who drives; a car taken from the record is nobody's."""
    place = district_of([station("S1", 1.0)], NOW, 0.0)
    user = User("u", vehicle_ids=("v", "w"))
    put_users(place, [user])

    assert user_of(place, "", "v") == user
    assert user_of(place, "other", "v") is None
    assert usual(request(user_id=""), user).user_id == "u"

    put_users(place, [User("u", vehicle_ids=("w",))])

    assert user_of(place, "", "v") is None
