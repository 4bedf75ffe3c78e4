"""What an EVSE usually delivers, and what is lost while it does not."""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.core.district import District
from coordinator.core.lost_energy import lost_kwh, session_kw, used_share, usual_kw
from coordinator.core.pile import Connector, Evse, Pile, PowerType, Station

DAY_S = 86_400.0


def district(*power_kw: float) -> District:
    piles = tuple(
        Pile(f"P{n}", "S", (Evse(f"P{n}*1", (Connector("1", 19, PowerType.DC, kw),)),))
        for n, kw in enumerate(power_kw)
    )
    return District([Station("S", "S", 22.5, 114.0, piles)])


def test_usual_energy_is_use_times_the_power_of_a_session() -> None:
    """A quarter of the day in use for a long time, at the 60 kW that a usual car takes there."""
    made = district(60.0)
    made.exposure_days[:], made.charging_s[:] = 400.0, 100 * DAY_S

    (usual,) = usual_kw(made, 0.0)
    average = session_kw(np.array([60.0]), np.array([True]))[0]

    assert usual == pytest.approx(0.25 * average)
    assert 50.0 < average <= 60.0
    assert lost_kwh(usual, DAY_S) == pytest.approx(24.0 * usual)


def test_new_evse_is_thought_to_be_used_as_its_kind_is() -> None:
    """Without a day of its own it has the share of its power class; other classes say nothing."""
    charging_s = np.array([10 * DAY_S, 0.0, 0.0])
    days = np.array([20.0, 0.0, 0.0])

    share = used_share(charging_s, days, np.array([2, 2, 3]))

    assert share[:2] == pytest.approx([0.5, 0.5])
    assert np.isnan(share[2])


def test_use_is_unknown_before_a_day_was_seen() -> None:
    """A few hours say nothing of a day; a whole day does."""
    kind = np.zeros(1, dtype=np.intp)

    assert np.isnan(used_share(np.array([3600.0]), np.array([0.99]), kind)[0])
    assert used_share(np.array([DAY_S / 2]), np.array([1.0]), kind)[0] == pytest.approx(0.5)


def test_power_that_is_not_known_loses_nothing_known() -> None:
    """A plug without a power has no estimate, and so has no loss."""
    made = district(0.0, 120.0)
    made.exposure_days[:], made.charging_s[:] = 10.0, DAY_S

    usual = usual_kw(made, 0.0)

    assert np.isnan(usual[0])
    assert usual[1] > 0.0


def test_estimate_is_renewed_each_minute_and_for_other_stations() -> None:
    """What is kept for a minute is made anew after it, and when the stations change."""
    made = district(60.0)
    made.exposure_days[:], made.charging_s[:] = 10.0, DAY_S
    first = usual_kw(made, 0.0)[0]
    made.charging_s[:] = 5 * DAY_S

    assert usual_kw(made, 59.0)[0] == first
    assert usual_kw(made, 60.0)[0] > first
    made.put_stations(district(60.0, 60.0).stations)
    assert len(usual_kw(made, 61.0)) == 2
