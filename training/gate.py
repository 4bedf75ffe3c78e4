"""Whether a candidate may take the place of what serves: only if it is surely better.

Both score the same later requests; what counts is the difference request by request, with an
interval by resampling whole drivers. The candidate passes when the lower bound of the difference is
above `MARGIN` both in ndcg10 and in mrr.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.backtest.metrics import interval, rounded
from training.evaluate import BASELINES, station_ranks
from training.from_store import OwnChoices

Float32 = NDArray[np.float32]
Floats = NDArray[np.float64]
Index = NDArray[np.intp]

MARGIN = 0.0  # the lower bound of 95 % must be above this
JUDGED_BY = ("ndcg10", "mrr")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What both came to on the same rows; `difference` is candidate less active."""

    passed: bool
    rows: int
    drivers: int
    candidate: dict[str, float]
    active: dict[str, float]
    difference: dict[str, float]
    ci: dict[str, list[float]]  # of the difference
    baselines: dict[str, dict[str, float]]

    def told(self) -> dict[str, Any]:
        """As plain values, with the word that a script looks for."""
        return {
            "gate": "passed" if self.passed else "failed",
            "rows": self.rows,
            "drivers": self.drivers,
            **self.candidate,
            "active": self.active,
            "difference": self.difference,
            "ci": self.ci,
            "margin": MARGIN,
            "baselines": self.baselines,
        }


def judge(test: OwnChoices, candidate: Float32, active: Float32, seed: int = 7) -> Verdict:
    """The verdict on two sets of scores (n, k), larger is better, over the same later requests.

    A request counts as much as its label weighs; a place is that of the chosen station among those
    shown, ties take their mean.
    """
    ranks = [station_ranks(scores, test.choices) for scores in (candidate, active)]
    gains = [_gains(rank) for rank in ranks]
    paired = {name: gains[0][name] - gains[1][name] for name in gains[0]}

    def difference(rows: Index) -> dict[str, float]:
        return {name: _mean(values, test.weight, rows) for name, values in paired.items()}

    everybody = np.arange(len(test), dtype=np.intp)
    ci = interval(difference, test.driver, seed)
    return Verdict(
        passed=all(ci[name][0] > MARGIN for name in JUDGED_BY),
        rows=len(test),
        drivers=len(np.unique(test.driver)),
        candidate=_figures(gains[0], test.weight),
        active=_figures(gains[1], test.weight),
        difference=rounded(difference(everybody)),
        ci=ci,
        baselines={
            name: _figures(_gains(station_ranks(score(test.choices), test.choices)), test.weight)
            for name, score in BASELINES.items()
        },
    )


def _gains(rank: Floats) -> dict[str, Floats]:
    """What each row adds to each figure."""
    return {
        "hit1": (rank < 1.5) * 1.0,
        "mrr": 1.0 / rank,
        "ndcg10": np.where(rank <= 10, 1.0 / np.log2(rank + 1.0), 0.0),
    }


def _figures(gains: dict[str, Floats], weight: Floats) -> dict[str, float]:
    rows = np.arange(len(weight), dtype=np.intp)
    return rounded({name: _mean(values, weight, rows) for name, values in gains.items()})


def _mean(values: Floats, weight: Floats, rows: Index) -> float:
    return float(np.sum(values[rows] * weight[rows]) / np.sum(weight[rows]))
