"""How good an order of candidates, or a rate, is; baselines on the same rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.features import COLUMN
from coordinator.core.recommend.rules_ranker import RULES_RANKER
from training.backtest.metrics import auc, calibration_error
from training.datasets import Choices
from training.fleet import Fleet

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


def ranking_metrics(scores: Float32, choices: Choices) -> dict[str, float]:
    """hit1, mrr, ndcg10 of the chosen *station* among the stations shown; ties take their mean.

    `scores` (n, k), larger is better; a station is as good as its best EVSE.
    """
    ranks = station_ranks(scores, choices)
    gains = np.where(ranks <= 10, 1.0 / np.log2(ranks + 1.0), 0.0)
    return {
        "hit1": float(np.mean(ranks < 1.5)),
        "mrr": float(np.mean(1.0 / ranks)),
        "ndcg10": float(np.mean(gains)),
    }


def station_ranks(scores: Float32, choices: Choices) -> Float64:
    """The place of the chosen station of each row among those shown, 1 the best."""
    return np.array([_rank(scores[i], choices, i) for i in range(len(choices))], dtype=np.float64)


def _rank(scores: Float32, choices: Choices, row: int) -> float:
    size = int(choices.mask[row].sum())
    names, place = np.unique(choices.station[row, :size], return_inverse=True)
    best = np.full(len(names), -np.inf)
    np.maximum.at(best, place, scores[:size].astype(np.float64))
    own = best[place[choices.chosen[row]]]
    return 1.0 + float(np.sum(best > own)) + (float(np.sum(best == own)) - 1.0) / 2.0


# Scores of the baselines, larger is better.
BASELINES: dict[str, Callable[[Choices], Float32]] = {
    "nearest": lambda c: -c.features[:, :, COLUMN["drive_min"]],
    "visits": lambda c: c.visits - 1e-3 * c.features[:, :, COLUMN["drive_min"]],
    "rules": lambda c: RULES_RANKER.scores(c.features),
    "cost": lambda c: -c.cost_s,
}


def rate_metrics(rates: Float32, fleet: Fleet) -> dict[str, float]:
    """Brier score, calibration (ece) and ranking (auc) of P(an outage within the fleet's days), and
    the error of the daily rate itself against the truth, as a ratio (rmsle)."""
    within = 1.0 - (1.0 - rates.astype(np.float64)) ** fleet.days
    happened = fleet.future > 0
    error = np.log(np.maximum(rates, 1e-9)) - np.log(fleet.rate)
    return {
        "brier": float(np.mean((within - happened) ** 2)),
        "ece": calibration_error(within, happened),
        "auc": auc(within, happened),
        "rmsle": float(np.sqrt(np.mean(error**2))),
    }
