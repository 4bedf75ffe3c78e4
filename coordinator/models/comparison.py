"""How the outputs of two models differ over the same inputs, as sums that can be kept and resumed.

Where inputs come with a `mask`, rows are requests and columns their candidates: then orders are
compared, and values only within a request, because utilities have no zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

_KEPT_TIMES = 512
_MASK = "mask"

Array = NDArray[Any]


class Comparison(msgspec.Struct):
    """One model against another; all figures are of runs that both answered."""

    runs: int = 0
    requests: int = 0
    dropped: int = 0
    failed: int = 0
    ranked: int = 0
    same_first: int = 0
    rank_sum: float = 0.0
    values: int = 0
    # Sums of a, b, a², b², ab, |a - b|.
    sums: list[float] = msgspec.field(default_factory=lambda: [0.0] * 6)
    active_s: list[float] = msgspec.field(default_factory=list)
    shadow_s: list[float] = msgspec.field(default_factory=list)

    def add(
        self,
        feed: Mapping[str, Array],
        active: Array,
        shadow: Array,
        active_s: float,
        shadow_s: float,
    ) -> None:
        """Takes one run in."""
        if _MASK in feed and active.ndim == 2:
            for mask, one, other in zip(feed[_MASK] > 0, active, shadow, strict=True):
                if mask.any():
                    self._request(one[mask].astype(float), other[mask].astype(float))
        else:
            self.requests += len(active)
            self._values(active.astype(float).ravel(), shadow.astype(float).ravel())
        for times, took_s in ((self.active_s, active_s), (self.shadow_s, shadow_s)):
            if len(times) < _KEPT_TIMES:
                times.append(took_s)
            else:
                times[self.runs % _KEPT_TIMES] = took_s
        self.runs += 1

    def _request(self, one: Array, other: Array) -> None:
        self.requests += 1
        self._values(one - one.mean(), other - other.mean())
        if len(one) > 1:
            self.ranked += 1
            self.same_first += int(one.argmax() == other.argmax())
            self.rank_sum += _rank_correlation(one, other)

    def _values(self, a: Array, b: Array) -> None:
        self.values += len(a)
        terms = (a, b, a * a, b * b, a * b, np.abs(a - b))
        self.sums = [kept + float(term.sum()) for kept, term in zip(self.sums, terms, strict=True)]

    @property
    def top1_agreement(self) -> float | None:
        """Share of requests, 0-1, in which both put the same candidate first."""
        return self.same_first / self.ranked if self.ranked else None

    @property
    def rank_agreement(self) -> float | None:
        """Mean rank correlation within a request, -1 to 1."""
        return self.rank_sum / self.ranked if self.ranked else None

    @property
    def score_correlation(self) -> float | None:
        """Correlation of all values, -1 to 1; None while one of both is constant."""
        n, (a, b, aa, bb, ab, _) = self.values, self.sums
        spread = (n * aa - a * a) * (n * bb - b * b)
        if spread <= 1e-12 * max(1.0, n * n * aa * bb):
            return None
        return float(np.clip((n * ab - a * b) / spread**0.5, -1.0, 1.0))

    @property
    def mean_difference(self) -> float:
        """Mean absolute difference of all values."""
        return self.sums[5] / self.values if self.values else 0.0


def quantile(times: list[float], share: float) -> float:
    """The time that so large a share of runs did not exceed; 0 without runs."""
    return float(np.quantile(times, share)) if times else 0.0


def _rank_correlation(one: Array, other: Array) -> float:
    """Spearman's, ties at their mean rank; 1 if neither distinguishes anything, else 0."""
    a, b = _ranks(one), _ranks(other)
    spread = float(np.sqrt(a.var() * b.var()))
    if spread == 0.0:
        return float(a.var() == b.var())
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread)


def _ranks(values: Array) -> Array:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    ranks: Array = (last - (count - 1) / 2.0)[place]
    return ranks
