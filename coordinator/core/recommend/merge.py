"""Second score, weights, merged score, words (steps 620-630).

The first score is in `travel.py`; the order of candidates is decided in `pipeline.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.rules import DEFAULT_RULES, ITERATIONS, SUM, Rules

Floats = NDArray[np.float64]

RECOMMENDED, GENERAL, NOT_RECOMMENDED = "recommended", "general", "not recommended"


def second_score(p_unusable: Floats) -> Floats:
    """Failure score, 0-100, shape (n,): 95 below 5 %, linear to 65 at 30 % and to 0 at 100 %.

    Source: US 12,393,974 B2, steps 340, 620.

    >>> second_score(np.array([0.049, 0.05, 0.3, 1.0])).tolist()
    [95.0, 95.0, 65.0, 0.0]
    """
    score: Floats = np.interp(p_unusable, (0.05, 0.3, 1.0), (95.0, 65.0, 0.0))
    return score


def failure_weight(exposure_days: Floats, rules: Rules = DEFAULT_RULES) -> Floats:
    """Second weight: grows with the evidence behind the failure rate, from 0.3 towards 0.6.

    Source: step 630. Departs: the patent lets it grow with iterations, which say nothing about
    evidence; see `failure_weight_by_iterations`.

    >>> failure_weight(np.array([0.0, 30.0])).round(6).tolist()
    [0.3, 0.45]
    """
    share = exposure_days / (exposure_days + rules.failure_weight_half_days)
    weight: Floats = rules.failure_weight + rules.failure_weight_rise * share
    return weight


def failure_weight_by_iterations(iterations: int, rules: Rules = DEFAULT_RULES) -> float:
    """Second weight as the patent lets it grow, with iterations of the knowledge map.

    Source: step 630.

    >>> failure_weight_by_iterations(0), round(failure_weight_by_iterations(10), 6)
    (0.3, 0.45)
    """
    half = rules.failure_weight_half_iterations
    return rules.failure_weight + rules.failure_weight_rise * iterations / (iterations + half)


def second_weight(exposure_days: Floats, iterations: int, rules: Rules = DEFAULT_RULES) -> Floats:
    """Second weight as the rules want it: by evidence, by iterations, or 1 where scores are added.

    Source: step 630.

    >>> for way in ("evidence", "iterations", "sum"):
    ...     print(way, second_weight(np.array([30.0]), 0, Rules(weights_by=way)).round(6).tolist())
    evidence [0.45]
    iterations [0.3]
    sum [1.0]
    """
    if rules.weights_by == SUM:
        return np.ones_like(exposure_days)
    if rules.weights_by == ITERATIONS:
        return np.full_like(exposure_days, failure_weight_by_iterations(iterations, rules))
    return failure_weight(exposure_days, rules)


def combined(first: Floats, second: Floats, weight: Floats, rules: Rules = DEFAULT_RULES) -> Floats:
    """The two scores as one: their weighted mean, or their plain sum where the rules want it.

    Without a first score it is the second. Source: step 630.
    """
    if rules.weights_by == SUM:
        total = plain_sum(first, second)
        return np.where(total == total, total, second)
    return merged(first, second, weight)


def percent(score: Floats, first: Floats, weight: Floats) -> Floats:
    """A combined score on 0-100: half of a sum of two, whose weights are both 1.

    Source: step 630.

    >>> percent(np.array([155.0, 95.0, 77.5]), np.array([90.0, np.nan, 70.0]),
    ...         np.array([1.0, 1.0, 0.3])).tolist()
    [77.5, 95.0, 77.5]
    """
    return np.where((weight >= 1.0) & (first == first), score / 2.0, score)


def merged(first: Floats, second: Floats, weight: Floats | float) -> Floats:
    """w1 s1 + w2 s2 with w1 = 1 - w2, 0-100; where the first score is NaN the second alone.

    Source: steps 340, 630, whose printed example is 0.7 x 70 + 0.3 x 95.

    >>> merged(np.array([70.0, np.nan]), np.array([95.0, 95.0]), 0.3).tolist()
    [77.5, 95.0]
    """
    score = first * (1.0 - weight) + second * weight
    return np.where(score == score, score, second)


def plain_sum(first: Floats, second: Floats) -> Floats:
    """The two scores added, unbounded by 100; an option. Source: step 630, "90+65".

    >>> plain_sum(np.array([90.0]), np.array([65.0])).tolist()
    [155.0]
    """
    return first + second


def situation(score: float) -> str:
    """The recommendation situation in words.

    Source: steps 340, 630.

    >>> situation(80.0), situation(77.5), situation(59.9)
    ('recommended', 'general', 'not recommended')
    """
    if score >= 80.0:
        return RECOMMENDED
    return GENERAL if score >= 60.0 else NOT_RECOMMENDED


def proneness(p_unusable: float) -> str:
    """How prone to fail, in the patent's words; empty in between.

    Source: steps 340, 630.

    >>> proneness(0.04), proneness(0.05), proneness(0.3)
    ('not prone to fail', '', 'more likely to fail')
    """
    if p_unusable < 0.05:
        return "not prone to fail"
    return "more likely to fail" if p_unusable >= 0.3 else ""


def nearness(destination_km: float) -> str:
    """How near the destination is, in the patent's words.

    Source: step 630.

    >>> nearness(0.3), nearness(2.0), nearness(2.1)
    ('very near', 'near', 'far')
    """
    if destination_km <= 0.3:
        return "very near"
    return "near" if destination_km <= 2.0 else "far"
