"""The chain: which filters apply at which warning level (paper 2.3.2).

High: level one alone, which `candidates.py` has done. Medium and low: a suitable distance and a
suitable charge rate. The load term of level three is added in `areas/cost.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.rules import DEFAULT_RULES, Rules
from coordinator.core.vehicle import WarningLevel

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def level_two(
    level: WarningLevel,
    distance_km: Floats,
    range_km: float,
    power_kw: Floats,
    rules: Rules = DEFAULT_RULES,
) -> tuple[Mask | None, tuple[str, ...]]:
    """Which candidates pass (None: all), and the filters that had to be relaxed.

    Too near and too far are both unsuitable; so is a charge rate below a fifth of the best. What
    would leave nothing is relaxed, the last filter first. Source: paper 2.3.2.2.

    >>> km, kw = np.array([0.1, 1.0, 9.0]), np.array([100.0, 7.0, 100.0])
    >>> keep, relaxed = level_two(WarningLevel.MEDIUM, km, 10.0, kw)
    >>> keep.tolist(), relaxed
    ([False, True, False], ('CHARGE_RATE',))
    """
    if level is WarningLevel.HIGH or not len(distance_km):
        return None, ()
    suits = (distance_km >= rules.nearest_band_km) & (
        distance_km <= rules.farthest_band_share * range_km
    )
    fast = power_kw >= rules.charge_rate_share * power_kw.max()
    both: Mask = suits & fast
    if both.any():
        return (None if both.all() else both), ()
    if suits.any():
        return suits, ("CHARGE_RATE",)
    return (None if fast.all() else fast), ("DISTANCE_BAND",)
