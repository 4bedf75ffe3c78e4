"""The one cost, in seconds: what orders `Recommend`, what re-planning minimises.

Each term is named, so that an explanation can show it. Drive and wait appear once, with one sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.features import fill_unknown
from coordinator.core.recommend.rules import DEFAULT_RULES, Rules
from coordinator.core.vehicle import WarningLevel

Floats = NDArray[np.float64]

TERMS: tuple[str, ...] = ("drive", "wait", "price", "retry", "load", "score", "ranker")
_HIGH, _LOW = int(WarningLevel.HIGH), int(WarningLevel.LOW)


@dataclass(frozen=True, slots=True)
class Cost:
    """Terms and total, seconds, each of shape (n,).

    Source: US 12,393,974 B2, step 330; paper 2.3.2.
    """

    drive: Floats
    wait: Floats
    price: Floats
    retry: Floats
    load: Floats
    score: Floats
    ranker: Floats
    total: Floats
    crowd: Floats | float = 0.0  # the share of `load` that cars at the station make

    def terms(self) -> tuple[Floats, ...]:
        """The terms in the order of `TERMS`."""
        return (
            self.drive, self.wait, self.price, self.retry, self.load, self.score, self.ranker,
        )  # fmt: skip


def cost(
    level: NDArray[np.int64],
    drive_s: Floats,
    wait_s: Floats,
    price: Floats,
    p_unusable: Floats,
    equilibrium: Floats,
    traffic_grade: Floats | float,
    merged_score: Floats,
    ranker_share: Floats,
    rules: Rules = DEFAULT_RULES,
    valid: NDArray[np.bool_] | None = None,
    crowd_s: Floats | float = 0.0,
) -> Cost:
    """The cost of each candidate, seconds.

    drive + wait + price / value of time + P(unusable or breaks off) retry + load
    + tau (1 - merged / 100)
    + rho (1 - ranker share). An unknown price counts as the mean of the others. By `level`, the
    numbers of `WarningLevel`: price counts from level two of the chain, load at level three. Load
    includes `crowd_s`, what the car costs those who come after it.
    Padding that is not `valid` costs infinity.

    Source: US 12,393,974 B2, step 330; paper 2.3.2.3. Departs: the documents sort by one factor or
    by a model; here all are seconds of one sum, so that no factor counts twice.

    >>> one, low = np.ones(1), np.array([3])
    >>> made = cost(low, 600 * one, 0 * one, 30 * one, 0.1 * one, 0 * one, 3.0,
    ...             80 * one, 0.5 * one)
    >>> [float(term[0].round(3)) for term in made.terms()], float(made.total[0].round(3))
    ([600.0, 0.0, 3600.0, 90.0, 30.0, 60.0, 90.0], 4470.0)
    """
    price_s = fill_unknown(price, valid) * (3600.0 / rules.value_of_time_per_h) * (level > _HIGH)
    retry_s = p_unusable * rules.retry_s
    score_s = rules.score_s - merged_score * (rules.score_s / 100.0)
    ranker_s = rules.ranker_s - ranker_share * rules.ranker_s
    load_s = rules.load_s * (np.maximum(equilibrium, 0.0) + (traffic_grade - 1.0) / 4.0)
    load_s = load_s * (level == _LOW) + crowd_s
    total = drive_s + wait_s + price_s + retry_s + load_s + score_s + ranker_s
    if valid is not None:
        total = np.where(valid, total, np.inf)
    return Cost(drive_s, wait_s, price_s, retry_s, load_s, score_s, ranker_s, total, crowd_s)
