"""The chain: which filters apply at which warning level (paper 2.3.2).

High: level one alone, which `candidates.py` has done. Medium and low: a suitable distance and a
suitable charge rate. The load term of level three is added in `areas/cost.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.rules import DEFAULT_RULES, Rules

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def level_two(
    high: Mask,
    valid: Mask,
    distance_km: Floats,
    range_km: Floats,
    power_kw: Floats,
    rules: Rules = DEFAULT_RULES,
) -> tuple[Mask, list[tuple[str, ...]]]:
    """Which candidates pass, (r, n), and for each request the filters that had to be relaxed.

    Too near and too far are both unsuitable; so is a charge rate below a fifth of the best. What
    would leave nothing is relaxed, the last filter first. Source: paper 2.3.2.2.

    `high` (r, 1) marks requests of a high level, which pass all; `range_km` is (r, 1).

    >>> km, kw = np.array([[0.1, 1.0, 9.0]]), np.array([[100.0, 7.0, 100.0]])
    >>> all_valid, medium = np.full((1, 3), True), np.array([[False]])
    >>> keep, relaxed = level_two(medium, all_valid, km, np.array([[10.0]]), kw)
    >>> keep.tolist(), relaxed
    ([[False, True, False]], [('CHARGE_RATE',)])
    """
    relaxed: list[tuple[str, ...]] = [()] * len(valid)
    suits = (distance_km >= rules.nearest_band_km) & (
        distance_km <= rules.farthest_band_share * range_km
    )
    best_kw = np.where(valid, power_kw, 0.0).max(axis=1, keepdims=True, initial=0.0)
    fast = (power_kw >= rules.charge_rate_share * best_kw) & valid
    suits = (suits & valid) | (high & valid)
    passed: Mask = suits & (fast | high)
    nothing = np.asarray(~passed.any(axis=1) & valid.any(axis=1))
    for number in nothing.nonzero()[0].tolist():
        if suits[number].any():
            passed[number], relaxed[number] = suits[number], ("CHARGE_RATE",)
        else:
            passed[number], relaxed[number] = fast[number], ("DISTANCE_BAND",)
    return passed, relaxed
