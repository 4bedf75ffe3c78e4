"""A candidate serves only if it is surely better than what serves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from coordinator.core.recommend.features import FEATURES
from training.datasets import Choices
from training.from_store import OwnChoices
from training.gate import judge

SHOWN = 6


def later_requests(requests: int = 200, drivers: int = 20, seed: int = 3) -> OwnChoices:
    """Requests with six stations each, of which a driver takes any."""
    rng = np.random.default_rng(seed)
    shape = requests, SHOWN
    choices = Choices(
        features=rng.random((*shape, len(FEATURES)), dtype=np.float32),
        mask=np.ones(shape, dtype=np.float32),
        chosen=rng.integers(0, SHOWN, requests),
        station=np.tile(np.arange(SHOWN), (requests, 1)),
        cost_s=rng.random(shape, dtype=np.float32),
        visits=np.zeros(shape, dtype=np.float32),
        at_s=np.arange(requests, dtype=np.float64),
        city=np.zeros(requests, dtype=np.int64),
    )
    driver = rng.integers(0, drivers, requests).astype(np.intp)
    return OwnChoices(choices, np.ones(requests), driver, {}, {})


def knowing(own: OwnChoices, share: float, seed: int = 1) -> NDArray[np.float32]:
    """Scores that put the chosen one first in so large a share of the requests."""
    rng = np.random.default_rng(seed)
    scores = rng.random((len(own), SHOWN), dtype=np.float32)
    known = np.flatnonzero(rng.random(len(own)) < share)
    scores[known, own.choices.chosen[known]] = 2.0
    return scores


def test_a_candidate_that_knows_more_passes() -> None:
    """Eight of ten against three of ten: the whole interval of the difference is above 0."""
    own = later_requests()

    verdict = judge(own, knowing(own, 0.8), knowing(own, 0.3, seed=2))

    assert verdict.passed
    assert verdict.told()["gate"] == "passed"
    assert verdict.candidate["ndcg10"] > verdict.active["ndcg10"]
    assert verdict.ci["ndcg10"][0] > 0.0
    assert verdict.ci["mrr"][0] > 0.0
    assert verdict.ci["mrr"][0] <= verdict.difference["mrr"] <= verdict.ci["mrr"][1]


@pytest.mark.parametrize("share", [0.3, 0.0])
def test_a_candidate_that_knows_no_more_fails(share: float) -> None:
    """The same scores, or worse ones, are no reason to change what serves."""
    own = later_requests()
    active = knowing(own, 0.3)

    verdict = judge(own, active if share else knowing(own, 0.0, seed=4), active)

    assert not verdict.passed
    assert verdict.told()["gate"] == "failed"
    assert verdict.ci["ndcg10"][0] <= 0.0


def test_a_gain_that_may_be_chance_fails() -> None:
    """Better on average, but not for so many drivers that one could be sure."""
    own = later_requests(requests=30, drivers=10)
    active = knowing(own, 0.0)
    candidate = active.copy()
    row = int(np.flatnonzero(active.argmax(axis=1) != own.choices.chosen)[0])
    candidate[row, own.choices.chosen[row]] = 2.0  # one request of one driver

    verdict = judge(own, candidate, active)

    assert verdict.difference["ndcg10"] > 0.0
    assert not verdict.passed


def test_a_label_counts_as_much_as_it_weighs() -> None:
    """Rows of no weight do not decide, however many they are."""
    own = later_requests()
    good, bad = knowing(own, 1.0), knowing(own, 0.0, seed=2)
    half = np.arange(len(own)) < len(own) // 2
    candidate = np.where(half[:, None], good, bad)
    active = np.where(half[:, None], bad, good)
    light = OwnChoices(own.choices, np.where(half, 1.0, 0.01), own.driver, {}, {})

    assert judge(light, candidate, active).passed
    assert not judge(own, candidate, active).passed


def test_baselines_stand_on_the_same_rows() -> None:
    """The nearest, the visits, the rules and the one cost are told beside both."""
    own = later_requests()
    told = judge(own, knowing(own, 0.8), knowing(own, 0.3)).told()

    assert set(told["baselines"]) == {"nearest", "visits", "rules", "cost"}
    assert all(set(one) == {"hit1", "mrr", "ndcg10"} for one in told["baselines"].values())
    assert told["rows"] == 200
