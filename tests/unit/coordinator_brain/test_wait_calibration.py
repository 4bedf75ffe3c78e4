"""What drivers are told of a wait holds as often as it says: half the time p50, nine of ten p90."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from served_brain import HERE, district_of, station

from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.pipeline import rank
from coordinator.core.usual_stay import MEAN_SESSION_DC_S
from coordinator.core.vehicle import ChargingRequest, Vehicle

NOW_S = 1_795_000_000.0
SHAPE = 2.5  # of the gamma distribution of charge lengths: most near the mean, some very long
LENGTHS = 40_000


def lengths(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Simulated lengths of charges, with the mean that is assumed of strangers."""
    return rng.gamma(SHAPE, MEAN_SESSION_DC_S / SHAPE, count)


def told(elapsed_s: float, behind: int) -> tuple[float, float]:
    """p50 and p90 of the wait from now, with so many cars behind one that charges for so long."""
    district = district_of([station("A", 0.2)], NOW_S, 0.0)
    district.status[:] = EvseStatus.CHARGING
    district.changed_at_s[:] = NOW_S - elapsed_s
    district.queue_length[:] = behind
    request = ChargingRequest("r", "car", Vehicle(60.0), 50.0, *HERE)
    columns = rank(district, request, Context(utc_offset_h=12.0), Models(), NOW_S).columns
    assert columns is not None
    drive_s = float(columns.drive.drive_s[0])
    return float(columns.wait.p50_s[0]) + drive_s, float(columns.wait.p90_s[0]) + drive_s


@pytest.mark.parametrize("behind", [0, 1, 2])
def test_waits_end_within_what_was_told(behind: int) -> None:
    """Over whenever a car asks, nine of ten waits end within p90 and about half within p50."""
    rng = np.random.default_rng(behind)
    stays = lengths(rng, LENGTHS)
    grid_s = (np.arange(30) + 0.5) * (4.0 * MEAN_SESSION_DC_S / 30)
    within, weights = [], []
    for elapsed_s in grid_s.tolist():
        there = stays[stays > elapsed_s]  # who finds an occupant after so long finds one of these
        if len(there) < 20:
            continue
        ends_s = there - elapsed_s + sum(lengths(rng, len(there)) for _ in range(behind))
        within.append([float(np.mean(ends_s <= limit_s)) for limit_s in told(elapsed_s, behind)])
        weights.append(len(there))

    in_p50, in_p90 = np.average(np.array(within), axis=0, weights=weights)

    assert in_p90 == pytest.approx(0.9, abs=0.04)
    assert in_p50 == pytest.approx(0.5, abs=0.12)
