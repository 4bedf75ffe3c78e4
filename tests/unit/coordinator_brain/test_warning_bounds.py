"""Every bound of the warning levels and of scarcity, on both sides."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.core.pile import User
from coordinator.core.recommend import warning
from coordinator.core.recommend.rules import Rules
from coordinator.core.recommend.warning import Situation
from coordinator.core.vehicle import WarningLevel

NOW_S = 1_795_000_000.0
# A circle of 1,000 square km, so that a thousandth of an EVSE per square km is a whole EVSE.
WIDE = Rules(around_km=math.sqrt(1000.0 / math.pi))
VIP = User("vip", vip=True)


def situation(**changes: object) -> Situation:
    """A car that is in no hurry where piles are many, but for these changes."""
    plenty: dict[str, object] = {
        "soc_pct": 80.0,
        "piles_in_reach": 40,
        "evse_around": 1_000,
        "time_left_min": 300.0,
    }
    return Situation(**(plenty | changes))  # type: ignore[arg-type]


def level(seen: Situation) -> tuple[WarningLevel, str]:
    """Level and reason under the wide circle."""
    return warning.level(seen, NOW_S, WIDE)


@pytest.mark.parametrize(
    ("changes", "expected", "reason"),
    [
        ({"evse_around": 499}, WarningLevel.MEDIUM, "THIN_AREA"),
        ({"evse_around": 500}, WarningLevel.LOW, "NO_HURRY"),
        ({"time_left_min": 19.9}, WarningLevel.HIGH, "LITTLE_TIME"),
        ({"time_left_min": 20.0}, WarningLevel.LOW, "NO_HURRY"),
        ({"soc_pct": 14.9}, WarningLevel.HIGH, "LITTLE_CHARGE"),
        ({"soc_pct": 15.0}, WarningLevel.MEDIUM, "SOME_CHARGE"),
        ({"soc_pct": 39.9}, WarningLevel.MEDIUM, "SOME_CHARGE"),
        ({"soc_pct": 40.0}, WarningLevel.LOW, "NO_HURRY"),
        ({"cars_around": 7_600}, WarningLevel.LOW, "NO_HURRY"),
        ({"cars_around": 7_610}, WarningLevel.MEDIUM, "MANY_CARS"),
        ({"piles_in_reach": 2}, WarningLevel.HIGH, "FEW_PILES_IN_REACH"),
        ({"piles_in_reach": 3}, WarningLevel.LOW, "NO_HURRY"),
    ],
)
def test_level_changes_at_its_bound(
    changes: dict[str, object], expected: WarningLevel, reason: str
) -> None:
    """Just beyond a bound the level is another one, and on it it is not."""
    assert level(situation(**changes)) == (expected, reason)


def test_thin_area_lifts_a_medium_level_to_high() -> None:
    """Where piles are few, half a charge counts like a small one."""
    assert level(situation(soc_pct=30.0, evse_around=499)) == (WarningLevel.HIGH, "THIN_AREA")


@pytest.mark.parametrize(
    ("in_reach", "around", "cars", "expected"),
    [
        (40, 499, None, "THIN_AREA"),
        (40, 500, None, ""),
        (2, 500, None, "FEW_PILES_IN_REACH"),
        (3, 500, None, ""),
        (40, 500, 3_800, ""),
        (40, 500, 3_805, "MANY_CARS"),
    ],
)
def test_scarcity_begins_beyond_its_bounds(
    in_reach: int, around: int, cars: int | None, expected: str
) -> None:
    """A reminder is due below the density, below three piles, above the ratio; never on a bound."""
    assert warning.scarcity(in_reach, around, cars, WIDE) == expected


@given(
    st.floats(0.0, 100.0),
    st.integers(0, 200),
    st.integers(0, 2_000),
    st.floats(0.0, 1e4),
    st.one_of(st.none(), st.integers(0, 20_000)),
)
def test_vip_is_never_less_urgent_at_equal_need(
    soc_pct: float, in_reach: int, around: int, time_left_min: float, cars: int | None
) -> None:
    """Whatever the situation, the operator's VIP is high and nobody else is above."""
    common = soc_pct, in_reach, around, time_left_min, cars
    plain, _ = level(Situation(*common))
    vip, reason = level(Situation(*common, VIP))

    assert vip is WarningLevel.HIGH
    assert vip <= plain
    assert reason == "VIP"
