"""Two small models fitted by damped Newton steps: a choice among candidates, and a probability.

Both standardise their columns, pull weights to zero (`l2`), and give the same weights every time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

_STEPS = 60
_CLOSE = 1e-7


@dataclass(frozen=True, slots=True)
class Linear:
    """Scores (...) of rows (..., d)."""

    mean: Floats
    scale: Floats
    weights: Floats
    level: float = 0.0

    def __call__(self, rows: Floats) -> Floats:
        """Larger is more probable; differences are log odds."""
        return np.asarray((rows - self.mean) / self.scale @ self.weights + self.level)


def fit_choice(rows: Floats, chosen: Index, weight: Floats, l2: float) -> Linear:
    """The conditional logit of choices: `rows` (n, k, d), `chosen` (n,) among k, `weight` (n,)."""
    mean, scale = _standard(rows.reshape(-1, rows.shape[-1]))
    z = (rows - mean) / scale
    at = np.arange(len(chosen))

    def shares(b: Floats) -> Floats:
        scores = z @ b
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))

    def gain(b: Floats) -> float:
        scores = z @ b
        top = scores.max(axis=1, keepdims=True)
        logs = scores[at, chosen] - top[:, 0] - np.log(np.exp(scores - top).sum(axis=1))
        return float(weight @ logs - l2 / 2.0 * b @ b)

    def step(b: Floats) -> tuple[Floats, Floats]:
        p = shares(b)
        expected = np.einsum("nk,nkd->nd", p, z)
        slope = weight @ (z[at, chosen] - expected) - l2 * b
        flat = z.reshape(-1, z.shape[-1])
        bend = (flat * (p * weight[:, None]).reshape(-1, 1)).T @ flat
        bend -= (expected * weight[:, None]).T @ expected
        return slope, bend + l2 * np.eye(len(b))

    return Linear(mean, scale, _newton(np.zeros(z.shape[-1]), gain, step))


def fit_probability(
    rows: Floats, happened: NDArray[np.bool_], offset: Floats, weight: Floats, l2: float
) -> Linear:
    """A logistic model of `rows` (n, d) on top of log odds that are given (`offset`)."""
    mean, scale = _standard(rows)
    z = np.column_stack([(rows - mean) / scale, np.ones(len(rows))])
    y = happened.astype(np.float64)
    pull = np.full(z.shape[1], l2)
    pull[-1] = 1e-6

    def gain(b: Floats) -> float:
        odds = z @ b + offset
        return float(weight @ (y * odds - np.logaddexp(0.0, odds)) - (pull * b) @ b / 2.0)

    def step(b: Floats) -> tuple[Floats, Floats]:
        p = logistic(z @ b + offset)
        slope = z.T @ (weight * (y - p)) - pull * b
        return slope, (z * (weight * p * (1.0 - p))[:, None]).T @ z + np.diag(pull)

    b = _newton(np.zeros(z.shape[1]), gain, step)
    return Linear(mean, scale, b[:-1], float(b[-1]))


def levelled(odds: Floats, share: float) -> Floats:
    """The probabilities of these log odds, moved together so that their mean is `share`."""
    low, high = -12.0, 12.0
    for _ in range(60):
        middle = (low + high) / 2.0
        if float(logistic(odds + middle).mean()) < share:
            low = middle
        else:
            high = middle
    return logistic(odds + (low + high) / 2.0)


def logistic(odds: Floats) -> Floats:
    """Probabilities of log odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(odds, -40.0, 40.0))))


def log_odds(p: Floats, least: float = 1e-3) -> Floats:
    """Log odds of probabilities, kept away from certainty."""
    inside = np.clip(p, least, 1.0 - least)
    return np.asarray(np.log(inside / (1.0 - inside)))


def _standard(rows: Floats) -> tuple[Floats, Floats]:
    scale = rows.std(axis=0)
    return rows.mean(axis=0), np.where(scale > 1e-9, scale, 1.0)


def _newton(
    b: Floats, gain: Callable[[Floats], float], step: Callable[[Floats], tuple[Floats, Floats]]
) -> Floats:
    """Where `gain` is largest; each step is halved until it gains."""
    value = gain(b)
    for _ in range(_STEPS):
        slope, bend = step(b)
        way = np.linalg.solve(bend, slope)
        part = 1.0
        while part > 1e-4 and gain(b + part * way) < value:
            part /= 2.0
        b = b + part * way
        value = gain(b)
        if float(np.abs(part * way).max()) < _CLOSE:
            break
    return b
