"""At which level a fleet, its makers and its models fail, against what a trained model expects.

A model trained elsewhere keeps its order of piles and takes its level from here. What each pile's
own outages add is in `evidence.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coordinator.core.reliability.evidence import (
    DEFAULT_SHAPE,
    daily_intensity,
    fleet_factor,
    scaled_rate,
)

Float64 = NDArray[np.float64]

# Outages by which a maker, or a model, is taken to be like all others until its own say more.
KIND_DOUBT = 6.0


def at_level(
    rate: Float64,
    makers: Sequence[str],
    models: Sequence[str],
    faults: Float64,
    exposure_days: Float64,
    shape: float = DEFAULT_SHAPE,
) -> Float64:
    """The expected rates (n,) at the level of this fleet, and in it of each maker and each model.

    `shape` is that of the piles' frailty: one pile with many outages says less of its maker than
    many with one each. A pile whose maker or model is unknown stays at the level of the fleet.

    Source: US 12,393,974 B2, step 340 ("the failure of the same type of charging pile").

    >>> makers, models = ["good"] * 100 + ["bad"] * 100, [""] * 200
    >>> faults, days = np.repeat([0.0, 1.0], 100), np.full(200, 100.0)
    >>> found = at_level(np.full(200, 0.005), makers, models, faults, days)
    >>> [round(float(rate), 4) for rate in found[[0, -1]]]
    [0.0008, 0.0092]
    """
    found = scaled_rate(rate, fleet_factor(faults, exposure_days, rate))
    for words in (makers, models):
        intensity = daily_intensity(found)
        expected = intensity * exposure_days
        factor = kind_factors(words, faults, expected, shape)
        found = np.asarray(-np.expm1(-factor * intensity))
    return found


def kind_factors(
    words: Sequence[str], faults: Float64, expected: Float64, shape: float = DEFAULT_SHAPE
) -> Float64:
    """How many times as often as expected the piles of one word fail, by pile; 1 for "".

    Source: US 12,393,974 B2, step 340 (same type).

    >>> kind_factors(["a", "a", ""], np.array([4.0, 0, 9]), np.full(3, 1.0), 1e9).round(2).tolist()
    [1.25, 1.25, 1.0]
    """
    names, group = np.unique(np.array(words, dtype=object).astype(str), return_inverse=True)
    trust = 1.0 / (1.0 + expected / shape)
    counted = np.bincount(group, faults * trust, len(names))
    awaited = np.bincount(group, expected * trust, len(names))
    factors = (counted + KIND_DOUBT) / (awaited + KIND_DOUBT)
    factors[names == ""] = 1.0
    return np.asarray(factors[group])
