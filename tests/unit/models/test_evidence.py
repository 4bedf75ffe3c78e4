"""From counts and exposure to a prior: monotone, bounded, and honest without evidence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.core.reliability.evidence import (
    anchored_prior,
    daily_intensity,
    onset_count,
    pooled_rate,
)
from coordinator.core.reliability.frailty import gamma_shape

rates = st.floats(1e-4, 0.9)


def prior(faults: float, days: float, rate: float, shape: float = 1.0) -> float:
    return float(anchored_prior(np.array([faults]), np.array([days]), np.array([rate]), shape)[0])


@given(faults=st.integers(0, 50), days=st.floats(0, 3000), rate=rates)
def test_prior_grows_with_each_fault_and_falls_with_quiet_days(
    faults: int, days: float, rate: float
) -> None:
    """One more outage never lowers the rate, one more quiet month never raises it."""
    here = prior(faults, days, rate)

    assert 0.0 < here < 1.0
    assert prior(faults + 1, days, rate) >= here
    assert prior(faults, days + 30, rate) <= here


def test_prior_approaches_the_own_count_with_exposure() -> None:
    """After ten thousand days with fifty outages the kind no longer matters."""
    own = 1 - np.exp(-50 / 10_000)

    assert prior(50, 10_000, 0.5) == pytest.approx(own, rel=0.05)
    assert prior(50, 10_000, 0.001) == pytest.approx(own, rel=0.1)


def test_shape_is_small_in_a_fleet_of_lemons_and_large_among_equals() -> None:
    """Strongly different piles give a small shape (trust the count), equal ones a large one."""
    rng = np.random.default_rng(3)
    days, rate = np.full(400, 100.0), np.full(400, 0.05)
    mean = daily_intensity(rate) * days
    lemons = rng.poisson(mean * rng.gamma(0.3, 1 / 0.3, 400)).astype(float)
    equals = rng.poisson(mean * rng.gamma(10.0, 1 / 10.0, 400)).astype(float)

    assert gamma_shape(lemons, days, rate) == pytest.approx(0.3, rel=0.4)
    assert gamma_shape(equals, days, rate) > 3.0


def test_shape_without_outages_is_the_default() -> None:
    """A fleet that never failed says nothing about how alike its piles are."""
    assert gamma_shape(np.zeros(5), np.full(5, 9.0), np.full(5, 0.02)) == 1.0


def test_onsets_merge_gaps_below_half_an_hour() -> None:
    """A gap of 1,799 s is the same outage, one of 1,800 s a new one."""
    starts, ends = np.array([0.0, 100.0 + 1799.0]), np.array([100.0, 5000.0])

    assert onset_count(starts, ends) == 1
    assert onset_count(starts + np.array([0.0, 1.0]), ends) == 2
    assert onset_count(np.array([]), np.array([])) == 0


def test_pooled_rate_without_exposure_is_the_default() -> None:
    """A fleet never observed has the default rate."""
    assert pooled_rate(np.zeros(3), np.zeros(3), 0.02) == pytest.approx(0.02)
