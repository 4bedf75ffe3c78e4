"""Counts and exposure: what a pile's own history says, next to what its kind lets expect.

Rates are P(at least one unplanned outage starts within 24 h), 0-1. Spreading between similar piles
is in `knowledge_map.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

DEBOUNCE_S = 1800.0
# Gamma shape when neither a model nor the fleet can say how much piles of one kind differ.
DEFAULT_SHAPE = 1.0
# The share of days that a rate may claim: never certain, never impossible.
LOWEST_RATE, HIGHEST_RATE = 1e-6, 1.0 - 1e-6


def onset_count(starts_s: Float64, ends_s: Float64, debounce_s: float = DEBOUNCE_S) -> int:
    """Outages, where gaps shorter than `debounce_s` between intervals do not begin a new one.

    Intervals are ascending by start. Flapping counts once:

    Source: US 12,393,974 B2, step 340.

    >>> onset_count(np.array([0.0, 700.0, 9000.0]), np.array([600.0, 800.0, 9100.0]))
    2
    """
    if starts_s.size == 0:
        return 0
    last_end = np.maximum.accumulate(ends_s)[:-1]
    return 1 + int(np.sum(starts_s[1:] - last_end >= debounce_s))


def daily_intensity(rate: Float64) -> Float64:
    """Outages a day of a Poisson process whose 24-hour probability is `rate`.

    Source: US 12,393,974 B2, step 340.

    >>> round(float(daily_intensity(np.array([0.02]))[0]), 4)
    0.0202
    """
    return np.asarray(-np.log1p(-np.clip(rate, LOWEST_RATE, HIGHEST_RATE)))


def anchored_prior(
    faults: Float64, exposure_days: Float64, expected_rate: Float64, shape: float = DEFAULT_SHAPE
) -> Float64:
    """The rate x⁰ of each pile from its counts, its exposure and the rate of its kind.

    Gamma-Poisson: the intensity of a kind is Gamma with mean λ (from `expected_rate`) and this
    shape k; after n outages in E days the next 24 hours stay quiet with probability
    (b / (b + 1))^(n + k), b = E + k/λ days. Without exposure it is near the expected rate; with
    much it is the pile's own count.

    Source: US 12,393,974 B2, step 340 (use time and faults), step 410 (first round).

    >>> x = anchored_prior(np.array([0.0, 3.0]), np.array([0.0, 30.0]), np.array([0.02, 0.02]))
    >>> [round(float(v), 4) for v in x]
    [0.0198, 0.0488]
    """
    mean = daily_intensity(expected_rate)
    b = exposure_days + shape / mean
    quiet = np.exp(-(faults + shape) * np.log1p(1.0 / b))
    return np.clip(1.0 - quiet, LOWEST_RATE, HIGHEST_RATE)


def fleet_factor(faults: Float64, exposure_days: Float64, expected_rate: Float64) -> float:
    """How much more often this fleet fails than `expected_rate` says; near 1 without evidence.

    Five outages' worth of doubt: a model trained elsewhere keeps its order of piles and takes its
    level from here.

    Source: US 12,393,974 B2, step 340 (same type).

    >>> round(fleet_factor(np.array([45.0]), np.array([1000.0]), np.array([0.00995])), 2)
    3.33
    """
    expected = float(np.sum(daily_intensity(expected_rate) * exposure_days))
    return (float(np.sum(faults)) + 5.0) / (expected + 5.0)


def scaled_rate(rate: Float64, factor: float) -> Float64:
    """The rate when outages come `factor` times as often.

    Source: US 12,393,974 B2, step 340.

    >>> round(float(scaled_rate(np.array([0.02]), 2.0)[0]), 4)
    0.0396
    """
    return np.asarray(-np.expm1(-factor * daily_intensity(rate)))


def pooled_rate(faults: Float64, exposure_days: Float64, default: float = 0.02) -> float:
    """The rate of all these piles together; `default` counts as thirty days of one pile.

    Source: US 12,393,974 B2, step 340 (same type).

    >>> round(pooled_rate(np.array([1.0, 2.0]), np.array([50.0, 70.0])), 4)
    0.0238
    """
    smoothed = 30.0 * float(daily_intensity(np.array([default]))[0])
    intensity = (float(np.sum(faults)) + smoothed) / (float(np.sum(exposure_days)) + 30.0)
    return float(-np.expm1(-intensity))
