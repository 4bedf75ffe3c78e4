"""Failure rates without a model and without neighbours: by kind, and by use time and faults.

Each can be the prior of the knowledge map, and each is a baseline to beat. Rates are P(at least one
unplanned outage starts within 24 h), 0-1. Counting and anchoring is in `evidence.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from coordinator.core.reliability.evidence import HIGHEST_RATE, LOWEST_RATE, pooled_rate

Float64 = NDArray[np.float64]

# Days of the whole fleet that count before a kind's own: few piles of a kind say little.
KIND_DOUBT_DAYS = 30.0
# Hours of the whole fleet's use that count before a pile's own.
USE_DOUBT_HOURS = 200.0
DAY_HOURS = 24.0


class Prior(Enum):
    """What x⁰ starts from: the failure model, piles of the same kind, or use time and faults.

    Source: US 12,393,974 B2, step 340.
    """

    MODEL = "model"
    SAME_TYPE = "same_type"
    USE_AND_FAULTS = "use_and_faults"


def kinds_of(kind: Sequence[str], maker: Sequence[str], model: Sequence[str]) -> NDArray[np.intp]:
    """A number for each pile, the same for piles of one type, maker and model.

    Source: US 12,393,974 B2, step 340.

    >>> kinds_of(["ac", "dc", "ac"], ["ABB"] * 3, ["Terra"] * 3).tolist()
    [0, 1, 0]
    """
    number: dict[tuple[str, str, str], int] = {}
    numbers = [number.setdefault(one, len(number)) for one in zip(kind, maker, model, strict=True)]
    return np.array(numbers, dtype=np.intp)


def same_type_rate(kinds: NDArray[np.intp], faults: Float64, exposure_days: Float64) -> Float64:
    """The rate of all piles of the same kind together, near the fleet's where they are few.

    Source: US 12,393,974 B2, step 340, "according to the failure of the same type".

    >>> kinds, faults, days = np.array([0, 0, 1]), np.array([9.0, 0, 0]), np.array([300.0, 300, 0])
    >>> [round(float(rate), 4) for rate in same_type_rate(kinds, faults, days)]
    [0.0149, 0.0149, 0.0151]
    """
    fleet = -np.log1p(-pooled_rate(faults, exposure_days))
    counted = np.bincount(kinds, faults)
    days = np.bincount(kinds, exposure_days)
    intensity = (counted + KIND_DOUBT_DAYS * fleet) / (days + KIND_DOUBT_DAYS)
    return np.asarray(-np.expm1(-intensity[kinds]))


def use_and_faults_rate(hours_used: Float64, faults: Float64, exposure_days: Float64) -> Float64:
    """The rate by outages an hour of use, and hours of use a day; NaN hours count as none.

    A pile that was hardly used leans on the fleet's outages an hour; one never observed is used as
    much as the others.

    Source: US 12,393,974 B2, step 340, "the use time and the number of times the charging pile has
    failed historically".

    >>> hours, faults, days = np.array([800.0, 800]), np.array([8.0, 0]), np.array([100.0, 100])
    >>> [round(float(rate), 4) for rate in use_and_faults_rate(hours, faults, days)]
    [0.0695, 0.008]
    """
    hours = np.nan_to_num(hours_used, nan=0.0)
    total_hours, total_days = float(hours.sum()), float(exposure_days.sum())
    if total_hours <= 0.0 or total_days <= 0.0:
        return np.full(hours.size, pooled_rate(faults, exposure_days))
    fleet = float(faults.sum()) / total_hours
    an_hour = (faults + USE_DOUBT_HOURS * fleet) / (hours + USE_DOUBT_HOURS)
    usual = total_hours / total_days
    a_day = np.where(exposure_days > 0, hours / np.maximum(exposure_days, 1e-9), usual)
    rate = -np.expm1(-an_hour * np.minimum(a_day, DAY_HOURS))
    return np.clip(rate, LOWEST_RATE, HIGHEST_RATE)
