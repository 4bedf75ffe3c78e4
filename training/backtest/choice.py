"""Backtest: at which station does this user charge next?

A conditional logit over all stations, fitted to what lies before the test span; counts are updated
through it, weights are not. Source: paper 2.3.2, Eq. (3): c_ij alone is the baseline `visits`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.backtest import metrics
from training.backtest.fitting import fit_choice
from training.backtest.habits import DAY_S, habits
from training.sources import Sessions
from training.splits import by_time

L2 = 3.0
HALF_LIFE_DAYS = 90.0  # how old a choice is learned from with half the weight


class NothingToTest(Exception):
    """The split leaves nothing to learn from or to test on."""


def choice(sessions: Sessions, test_from_s: float, seed: int = 7) -> dict[str, Any]:
    """Figures of the model and the baselines on the sessions from this instant on.

    Rows are sessions of users who have one before the split. Raises `NothingToTest`.
    """
    seen = habits(sessions)
    begin_s = sessions.begin_s[seen.session]
    before, after = by_time(begin_s, [test_from_s])
    known = np.unique(sessions.user[by_time(sessions.begin_s, [test_from_s])[0]])
    user = sessions.user[seen.session]
    tested = after & np.isin(user, known)
    if before.sum() < 50 or not tested.any():
        raise NothingToTest(
            f"{int(before.sum())} sessions to learn from (50 are needed),"
            f" {int(tested.sum())} to test on"
        )
    chosen = sessions.station[seen.session]
    age_days = (test_from_s - begin_s[before]) / DAY_S
    weight = 0.5 ** (age_days / HALF_LIFE_DAYS)
    model = fit_choice(seen.columns[before], chosen[before], weight, L2)
    rank = metrics.ranks(model(seen.columns[tested]), chosen[tested])
    return {
        "rows": int(tested.sum()),
        **metrics.rounded(metrics.order(rank)),
        "baselines": {
            name: metrics.rounded(metrics.order(metrics.ranks(scores[tested], chosen[tested])))
            for name, scores in seen.baselines.items()
        },
        "ci": metrics.interval(lambda rows: metrics.order(rank[rows]), user[tested], seed),
        "learned_from": int(before.sum()),
        "weights": _weights(seen.names, model.weights),
        "data": sessions.report,
    }


def _weights(names: tuple[str, ...], weights: NDArray[np.float64]) -> dict[str, float]:
    """What a standard deviation of each column weighs, the heaviest first."""
    order = np.argsort(-np.abs(weights), kind="stable")
    return {names[i]: round(float(weights[i]), 3) for i in order}
