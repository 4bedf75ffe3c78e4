"""How often an EVSE is taken moves its chance to be free on arrival, and who is sent there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_brain import HERE, district_of, station

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.own_use import MODEL_USES_A_DAY, still_free, uses_a_day
from coordinator.core.recommend.pipeline import rank
from coordinator.core.recommend.rules import Rules
from coordinator.core.vehicle import ChargingRequest, Vehicle

NOW_S = 1_795_000_000.0
DAYS = 10.0


def town() -> District:
    """Two stations of one EVSE, the nearer one taken twenty times a day, the other hardly ever."""
    district = district_of([station("N", 2.0, 1), station("F", 3.0, 1)], NOW_S, 0.0)
    district.exposure_days[:] = DAYS
    district.session_count[:] = [200, 2]
    district.charging_s[:] = [200 * 1_800.0, 2 * 1_800.0]
    return district


def asked(district: District, rules: Rules | None = None) -> Ranked:
    context = replace(Context(), rules=rules) if rules else Context()
    return rank(district, ChargingRequest("r", "car", Vehicle(60.0), 30.0, *HERE), context,
                Models(), NOW_S)  # fmt: skip


def p_free(district: District) -> dict[str, float]:
    """Chances to be free on arrival by station."""
    ranked = asked(district)
    assert ranked.columns is not None
    names = [district.stations[int(district.station[row])].station_id for row in
             ranked.columns.candidates.evse.tolist()]  # fmt: skip
    return dict(zip(names, ranked.columns.p_free.tolist(), strict=True))


def test_much_used_pile_is_less_likely_free_on_arrival() -> None:
    """Both are free now; the one that is taken twenty times a day may not be when the car comes."""
    used, unused = town(), town()
    unused.session_count[:] = 0

    chances = p_free(used)

    assert chances["N"] < 0.9 < chances["F"]
    assert p_free(unused)["N"] == pytest.approx(p_free(unused)["F"], abs=0.03)


def test_own_use_says_nothing_of_who_is_there_now() -> None:
    """Of a car that charges now it is not known that it leaves later because more cars come."""
    used, unused = town(), town()
    unused.session_count[:] = 0
    for district in (used, unused):
        district.status[:] = EvseStatus.CHARGING

    assert p_free(used) == p_free(unused)


def test_counts_without_a_time_say_nothing() -> None:
    """Sessions that were counted while nothing was seen of the pile are no rate."""
    counted, unused = town(), town()
    counted.exposure_days[:] = 0.0
    unused.session_count[:] = 0

    assert p_free(counted) == p_free(unused)


def test_plug_found_taken_counts_where_the_rules_say_so() -> None:
    """Who counts first tries is sent a kilometre farther, to the pile that hardly anybody takes."""

    def first(rules: Rules) -> str:
        district = town()
        ranked = asked(district, rules)
        return district.stations[int(district.station[ranked.rows[0]])].station_id

    assert first(Rules(taken_retry_s=0.0)) == "N"
    assert first(Rules(taken_retry_s=3_600.0)) == "F"


@given(st.integers(0, 5_000), st.floats(0.0, 400.0))
def test_rate_lies_between_the_usual_and_the_counted(sessions: int, days: float) -> None:
    """Without evidence it is the usual rate; with evidence it moves towards the pile's own."""
    rate = float(uses_a_day(np.array([sessions]), np.array([days]))[0])
    own = sessions / days if days > 0 else float("inf" if sessions else MODEL_USES_A_DAY)

    assert min(MODEL_USES_A_DAY, own) - 1e-9 <= rate <= max(MODEL_USES_A_DAY, own) + 1e-9


@given(st.floats(0.0, 1.0), st.floats(0.001, 100.0), st.floats(0.001, 100.0))
def test_chance_falls_with_use_and_stays_one(free: float, some: float, more: float) -> None:
    """More use never makes a pile likelier to be free; usual use changes nothing."""
    low, high = sorted((some, more))
    chances = still_free(np.array([free]), np.array([low, high, 1.0]))

    assert 0.0 <= chances[1] <= chances[0] + 1e-12 <= 1.0 + 1e-9
    assert chances[2] == pytest.approx(free)
