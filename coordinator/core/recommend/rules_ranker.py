"""The ranker that needs no model: a fixed, readable utility over the feature rows.

It answers when the trained ranker is missing, late, or gives a value that is not finite.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.ports import BatchRanker, ModelUnavailable, Ranker
from coordinator.core.recommend.features import COLUMN, FEATURES

Float32 = NDArray[np.float32]

# Utility of one unit of a column; a minute of driving is worth -0.1.
WEIGHTS: dict[str, float] = {
    "drive_min": -0.10,
    "wait_min": -0.15,
    "charge_min": -0.02,
    "price_per_session": -0.05,
    "p_unusable": -4.0,
    "detour_km": -0.05,
    "destination_km": -0.2,
    "visit_share": 1.5,
    "status_free": 0.2,
    "station_free_share": 0.3,
    "equilibrium": -0.1,
}

_VECTOR: Float32 = np.zeros(len(FEATURES), dtype=np.float32)
for _name, _weight in WEIGHTS.items():
    _VECTOR[COLUMN[_name]] = _weight


class RulesRanker:
    """Implements `ports.Ranker` without a model. Source: US 12,393,974 B2, step 520."""

    def scores(self, features: Float32) -> Float32:
        """Utilities, shape (n,), larger is better; falls in wait, price and P(unusable)."""
        utilities: Float32 = features @ _VECTOR
        return utilities


RULES_RANKER = RulesRanker()


def scores_or_rules(
    ranker: Ranker | None, features: Float32, valid: NDArray[np.bool_]
) -> tuple[Float32, str]:
    """Utilities (r, n), and why the rules answered; the reason is empty when the model did.

    A ranker that can judge several requests at once does so in one call.

    Source: US 12,393,974 B2, step 520 (sorting model).
    """
    if ranker is None:
        return RULES_RANKER.scores(features), "RANKER_MISSING"
    try:
        utilities = _ask(ranker, features, valid)
    except ModelUnavailable:
        return RULES_RANKER.scores(features), "RANKER_UNAVAILABLE"
    # One sum finds any NaN and any infinity of one sign; two of both signs give NaN.
    if not np.isfinite(utilities.sum()):
        return RULES_RANKER.scores(features), "RANKER_NOT_FINITE"
    # The first and the last are compared first: it is quick, and nearly always enough.
    if utilities[0, 0] == utilities[-1, -1] and _constant(utilities, features, valid):
        return RULES_RANKER.scores(features), "RANKER_CONSTANT"
    return utilities, ""


def _constant(utilities: Float32, features: Float32, valid: NDArray[np.bool_]) -> bool:
    """Whether candidates that differ got one value all together."""
    told, seen = utilities[valid], features[valid]
    return len(told) > 1 and bool((told == told[0]).all() and (seen != seen[0]).any())


def _ask(ranker: Ranker, features: Float32, valid: NDArray[np.bool_]) -> Float32:
    """The ranker's utilities of all requests; 0 where padding."""
    if isinstance(ranker, BatchRanker):
        return ranker.scores_of_each(features, valid)
    utilities = np.zeros(valid.shape, dtype=np.float32)
    for number, count in enumerate(valid.sum(axis=1).tolist()):
        if count:
            utilities[number, :count] = ranker.scores(features[number, :count])
    return utilities


def shares(utilities: Float32, valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Softmax over the candidates of each request, (r, n), rows sum to 1; 0 where padding.

    Source: US 12,393,974 B2, step 520 (sorting result).
    """
    usable = np.where(valid, utilities.astype(np.float64), -np.inf)
    peak = np.maximum(usable.max(axis=1, keepdims=True), -1e30)  # a row may be all padding
    powers = np.exp(usable - peak)
    share: NDArray[np.float64] = powers / np.maximum(powers.sum(axis=1, keepdims=True), 1e-300)
    return share
