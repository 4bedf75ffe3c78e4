"""How good orders and probabilities are, and how sure that is.

Intervals are of 95 %, by resampling whole groups (users, connectors), because rows of one group
resemble each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Measured = dict[str, float]

LEAST = 1e-3  # probabilities are kept this far from 0 and 1 where a logarithm is taken
BINS = 10
RESAMPLES = 400


def ranks(scores: Floats, chosen: Index) -> Floats:
    """The rank of the chosen among its row (n, k), 1 the best; ties take their mean rank.

    >>> ranks(np.array([[3.0, 1.0, 1.0]]), np.array([2]))
    array([2.5])
    """
    own = scores[np.arange(len(chosen)), chosen][:, None]
    above, level = (scores > own).sum(axis=1), (scores == own).sum(axis=1)
    return np.asarray(1.0 + above + (level - 1) / 2.0)


def order(place: Floats) -> Measured:
    """hit1, hit3, mrr and ndcg10 of ranks."""
    gain = np.where(place <= 10.0, 1.0 / np.log2(place + 1.0), 0.0)
    return {
        "hit1": float(np.mean(place < 1.5)),
        "hit3": float(np.mean(place < 3.5)),
        "mrr": float(np.mean(1.0 / place)),
        "ndcg10": float(np.mean(gain)),
    }


def probability(p: Floats, happened: NDArray[np.bool_]) -> Measured:
    """brier, log_loss, ece (ten bins of equal count) and auc; `p` may lie outside 0-1."""
    return {
        "brier": float(np.mean((p - happened) ** 2)),
        "log_loss": log_loss(p, happened),
        "ece": calibration_error(p, happened),
        "auc": auc(p, happened),
    }


def log_loss(p: Floats, happened: NDArray[np.bool_], least: float = LEAST) -> float:
    """Mean negative logarithm of what was said of what happened."""
    inside = np.clip(p, least, 1.0 - least)
    return float(-np.mean(np.where(happened, np.log(inside), np.log(1.0 - inside))))


def calibration_error(p: Floats, happened: NDArray[np.bool_]) -> float:
    """Mean distance of said and seen share over bins of equal count.

    >>> calibration_error(np.full(20, 0.5), np.arange(20) % 2 == 0)
    0.0
    """
    bins = np.array_split(np.argsort(p, kind="stable"), BINS)
    return float(
        sum(len(b) * abs(p[b].mean() - happened[b].mean()) for b in bins if len(b)) / len(p)
    )


def auc(scores: Floats, happened: NDArray[np.bool_]) -> float:
    """Chance that one to which it happened has the higher score; ties count half.

    >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    by = np.argsort(scores, kind="stable")
    _, first, counts = np.unique(scores[by], return_index=True, return_counts=True)
    place = np.empty(len(scores))
    place[by] = np.repeat(first + (counts + 1) / 2.0, counts)
    positives = int(happened.sum())
    negatives = len(scores) - positives
    if not positives or not negatives:
        return float("nan")
    total = float(place[happened].sum()) - positives * (positives + 1) / 2.0
    return total / (positives * negatives)


def interval(
    measure: Callable[[Index], Mapping[str, float]], group: Index, seed: int
) -> dict[str, list[float]]:
    """[low, high] of each figure when groups are drawn anew; `measure` takes row numbers."""
    rng = np.random.default_rng(seed)
    by = np.argsort(group, kind="stable")
    parts = np.split(by, np.flatnonzero(np.diff(group[by])) + 1)
    drawn: dict[str, list[float]] = {}
    for _ in range(RESAMPLES):
        rows = np.concatenate([parts[i] for i in rng.integers(0, len(parts), len(parts))])
        for name, value in measure(rows).items():
            drawn.setdefault(name, []).append(value)
    return {
        name: [round(float(np.nanquantile(values, q)), 4) for q in (0.025, 0.975)]
        for name, values in drawn.items()
    }


def rounded(figures: Mapping[str, float]) -> Measured:
    """Figures as they are printed."""
    return {name: round(value, 4) for name, value in figures.items()}
