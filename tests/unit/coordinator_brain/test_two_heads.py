"""Working and free on arrival are two heads: each moves its own part of an answer, never the other.

`p_working` enters the second score, `p_free` the wait.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.core.district import District
from coordinator.core.pile import Connector, Evse, EvseStatus, Pile, PowerType, Station
from coordinator.core.recommend import arrival
from coordinator.core.recommend.columns import Columns
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.pipeline import rank
from coordinator.core.vehicle import ChargingRequest, Vehicle

NOW_S = 1_795_000_000.0
HERE = (22.54, 114.05)
LIVE = (EvseStatus.AVAILABLE, EvseStatus.CHARGING, EvseStatus.RESERVED)
BROKEN = (EvseStatus.OUTOFORDER, EvseStatus.INOPERATIVE)


def judged(rates: list[float], statuses: list[EvseStatus]) -> Columns:
    """The columns of five piles that differ in failure rate and status only, by EVSE."""
    stations = []
    for number in range(5):
        name = f"S{number}"
        plug = Connector("1", 27, PowerType.DC, 120.0)
        pile = Pile(f"{name}-1", name, (Evse(f"{name}-1*1", (plug,)),))
        stations.append(Station(name, name, HERE[0] + (number + 1) / 111.2, HERE[1], (pile,)))
    district = District(stations)
    district.status[:] = statuses
    district.observed_at_s[:] = NOW_S
    district.changed_at_s[:] = NOW_S - 600.0
    district.failure_rate[:] = rates
    request = ChargingRequest("r", "car", Vehicle(battery_kwh=60.0), 60.0, *HERE)
    ranked = rank(district, request, Context(), Models(), NOW_S)
    assert ranked.columns is not None
    assert ranked.columns.candidates.evse.tolist() == [0, 1, 2, 3, 4]
    return ranked.columns


rates = st.lists(st.floats(0.0, 0.999), min_size=5, max_size=5)
statuses = st.lists(st.sampled_from(LIVE), min_size=5, max_size=5)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(one=rates, other=rates, now=statuses)
def test_failure_moves_the_second_score_and_never_the_wait(
    one: list[float], other: list[float], now: list[EvseStatus]
) -> None:
    """Whatever the failure rates, wait and P(free) are the same; a higher rate scores no higher."""
    first, second = judged(one, now), judged(other, now)

    assert np.array_equal(first.p_free, second.p_free)
    for name in first.wait.__dataclass_fields__:
        assert np.array_equal(getattr(first.wait, name), getattr(second.wait, name)), name
    worse = np.array(other, dtype=np.float32) >= np.array(one, dtype=np.float32)
    assert (second.p_working <= first.p_working)[worse].all()
    assert (second.second <= first.second)[worse].all()


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(rate=rates, one=statuses, other=statuses)
def test_occupancy_moves_the_wait_and_never_the_second_score(
    rate: list[float], one: list[EvseStatus], other: list[EvseStatus]
) -> None:
    """Free, charging or reserved: P(working) and the second score are the same, the wait is not."""
    first, second = judged(rate, one), judged(rate, other)

    assert np.array_equal(first.p_working, second.p_working)
    assert np.array_equal(first.second, second.second)
    freed = np.array(
        [b is EvseStatus.AVAILABLE and a is not b for a, b in zip(one, other, strict=True)]
    )
    assert (second.p_free > first.p_free)[freed].all()
    assert (second.wait.p50_s < first.wait.p50_s)[freed].all()


@given(
    status=st.sampled_from(BROKEN),
    rate=st.floats(0.0, 1.0),
    eta_s=st.floats(0.0, 86_400.0),
)
def test_present_fault_outweighs_any_rate(status: EvseStatus, rate: float, eta_s: float) -> None:
    """What is broken now stays so as measured for hours, whatever its rate; what works does not."""
    at = np.array([eta_s])
    broken = arrival.p_working(np.array([status]), np.array([rate]), at)[0]
    works = arrival.p_working(np.array([EvseStatus.AVAILABLE]), np.array([min(rate, 0.3)]), at)[0]

    assert 0.0 <= broken <= 1 - arrival.STAYS_BROKEN[-1] + 1e-12
    assert works >= 0.7 - 1e-12
    assert works > broken


@pytest.mark.parametrize(
    ("minutes", "stays"), [(5, 0.993), (30, 0.980), (60, 0.974), (1440, 0.923)]
)
def test_persistence_is_as_measured(minutes: float, stays: float) -> None:
    """P(out of service at t+H | out of service at t) of the Irish connectors at 5 min to a day."""
    at = np.array([60.0 * minutes])
    broken = arrival.p_working(np.array([EvseStatus.OUTOFORDER]), np.array([0.01]), at)[0]

    assert 1.0 - broken == pytest.approx(stays)


@pytest.mark.parametrize(
    ("minutes", "stays", "gets"),
    [(5, 0.85, 0.021), (15, 0.63, 0.052), (30, 0.44, 0.080), (60, 0.33, 0.095)],
)
def test_occupancy_persists_as_measured(minutes: float, stays: float, gets: float) -> None:
    """P(occupied at t+H) of what is occupied and of what is free now, at 5 to 60 min."""
    at = np.full(2, 60.0 * minutes)
    free = arrival.p_free(np.array([EvseStatus.CHARGING, EvseStatus.AVAILABLE]), at)

    assert (1.0 - free).tolist() == pytest.approx([stays, gets])
