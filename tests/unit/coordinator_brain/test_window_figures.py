"""What the sessions of a window come to: columns, totals, waits; what is unknown counts nowhere."""

from __future__ import annotations

import math

import numpy as np
import pytest

from coordinator.core.sessions import ChargeSession
from coordinator.core.vehicle import WarningLevel
from coordinator.usecases.window_figures import Charged, totals, waits, waits_by_level

ROW = {"a*1": 0, "a*2": 1}
HOUR_S = 3600.0


def charged(*sessions: ChargeSession, **level_of: WarningLevel) -> Charged:
    return Charged.of(sessions, ROW, level_of)


def test_evse_that_is_gone_counts_for_cost_and_not_for_balance() -> None:
    """Its car paid, but there is no EVSE that it could be held against."""
    told = totals(
        charged(
            ChargeSession("a*1", 0.0, HOUR_S, price=10.0),
            ChargeSession("gone*1", 0.0, HOUR_S, price=5.0),
        ),
        2,
    )

    assert (told.count, told.cost, told.priced) == (2, 15.0, 2)
    assert told.gini == 0.5


def test_price_that_is_not_known_adds_nothing_and_is_not_counted() -> None:
    """Two of three are priced; the mean is of those."""
    told = totals(
        charged(
            ChargeSession("a*1", 0.0, 1.0, price=10.0),
            ChargeSession("a*1", 2.0, 3.0),
            ChargeSession("a*2", 0.0, 1.0, price=20.0),
        ),
        2,
    )

    assert (told.cost, told.priced, told.mean_price) == (30.0, 2, 15.0)


def test_car_that_is_still_there_ends_a_gap_only_if_thought_gone_now() -> None:
    """Without an end it is left out of the gaps; with one of now the gap before it is seen."""
    there = charged(ChargeSession("a*1", 0.0, HOUR_S), ChargeSession("a*1", 2 * HOUR_S, None))

    assert totals(there, 2).gaps.count == 0
    assert totals(there, 2, now_s=3 * HOUR_S).gaps.count == 1
    assert there.until(3 * HOUR_S).tolist() == [HOUR_S, 3 * HOUR_S]


def test_waits_belong_to_the_level_of_their_recommendation() -> None:
    """A car without a recommendation waited, but at no level."""
    told = charged(
        ChargeSession("a*1", 0.0, 1.0, wait_s=30.0, recommendation_id="r1"),
        ChargeSession("a*1", 2.0, 3.0, wait_s=90.0),
        ChargeSession("a*2", 0.0, 1.0, recommendation_id="r1"),
        r1=WarningLevel.HIGH,
    )
    by_level = waits_by_level(told)

    assert (waits(told).count, waits(told).mean_s) == (2, 60.0)
    assert (by_level[WarningLevel.HIGH].count, by_level[WarningLevel.HIGH].mean_s) == (1, 30.0)
    assert by_level[WarningLevel.LOW].count == 0
    assert math.isnan(by_level[WarningLevel.LOW].mean_s)


def test_window_without_sessions_has_no_means() -> None:
    """Counts are 0, balance is 0, and no mean is claimed."""
    nothing = charged()
    told = totals(nothing, 2)

    assert (told.count, told.cost, told.gini, told.gaps.count) == (0, 0.0, 0.0, 0)
    assert math.isnan(told.mean_price)
    assert math.isnan(waits(nothing).p95_s)
    assert nothing.served(2) == pytest.approx(np.zeros(2))
