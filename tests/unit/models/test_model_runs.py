"""Runs of a model: ended at their budget, bounded in memory, and told apart from the rules."""

import time

import model_files
import numpy as np
import pytest

from coordinator.core.ports import ModelUnavailable
from coordinator.core.recommend.features import FEATURES
from coordinator.core.recommend.rules_ranker import scores_or_rules
from coordinator.models import onnx
from coordinator.models.deadline import MOST_WALL, WATCH, Deadline
from coordinator.models.onnx import OnnxModel
from coordinator.models.ranker import OnnxRanker

BUDGET_S = 0.1


def a_request(most: float, candidates: int = 4) -> np.ndarray:
    """Features between 0 and 1, but for the largest."""
    rng = np.random.default_rng(1)
    features = rng.random((1, candidates, len(FEATURES)), dtype=np.float32)
    features[0, 0, 0] = most
    return features


def answered(model: OnnxModel, most: float) -> str:
    """Why the rules answered; empty if the model did."""
    features = a_request(most)
    return scores_or_rules(OnnxRanker(model), features, np.ones((1, 4), bool))[1]


@pytest.mark.slow
def test_slow_run_is_ended_and_the_model_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of minutes ends at its budget; then nobody waits for this model until it has rested."""
    model = OnnxModel("ranker", model_files.SLOW_LATER, budget_s=BUDGET_S)
    assert answered(model, 1.0) == ""

    started = time.monotonic()
    assert answered(model, 50.0) == "RANKER_UNAVAILABLE"
    assert time.monotonic() - started < 20 * BUDGET_S
    assert model.resting
    started = time.monotonic()
    assert answered(model, 1.0) == "RANKER_UNAVAILABLE"
    assert time.monotonic() - started < BUDGET_S

    monkeypatch.setattr(model, "_rests_until_s", 0.0)
    assert answered(model, 1.0) == ""
    assert (model.slow_runs, model.resting) == (1, False)


@pytest.mark.slow
def test_rest_is_longer_when_it_was_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is slow again after its rest rests twice as long."""
    monkeypatch.setattr(onnx, "REST_S", 1000.0)
    monkeypatch.setattr(onnx, "MOST_REST_S", 3000.0)
    model = OnnxModel("ranker", model_files.SLOW_LATER, budget_s=BUDGET_S)
    rests = []
    for _ in range(3):
        answered(model, 50.0)
        rests.append(model._rests_until_s - time.perf_counter())
        model._rests_until_s = 0.0

    assert [round(rest_s, -2) for rest_s in rests] == [1000.0, 2000.0, 3000.0]


def test_memory_bomb_of_some_requests_is_refused_and_the_model_goes_on() -> None:
    """64 GiB for one request are not given; the next request is answered."""
    model = OnnxModel("ranker", model_files.BOMB_LATER, budget_s=10.0)

    assert answered(model, 180.0) == "RANKER_UNAVAILABLE"
    assert answered(model, 1.0) == ""
    assert model.failures == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (model_files.NAN_LATER, "RANKER_UNAVAILABLE"),
        (model_files.CONSTANT_LATER, "RANKER_CONSTANT"),
        (model_files.HEALTHY, ""),
    ],
)
def test_output_that_says_nothing_is_not_used(content: bytes, why: str) -> None:
    """NaN and one value for all are answered by the rules; a value for each is the model's."""
    model = OnnxModel("ranker", content, budget_s=10.0)

    assert answered(model, 1.0) == ""
    assert answered(model, 50.0) == why


def test_candidates_all_alike_may_have_one_value() -> None:
    """One value for candidates that do not differ is no fault, nor is it for one alone."""
    ranker = OnnxRanker(OnnxModel("ranker", model_files.HEALTHY, budget_s=10.0))
    alike = np.repeat(a_request(3.0, 1), 5, axis=1)

    assert scores_or_rules(ranker, alike, np.ones((1, 5), bool))[1] == ""
    assert scores_or_rules(ranker, alike[:, :1], np.ones((1, 1), bool))[1] == ""


@pytest.mark.slow
def test_watch_sleeps_while_nothing_runs() -> None:
    """A second after the last run the watching thread takes no more time."""
    model = OnnxModel("ranker", model_files.HEALTHY, budget_s=BUDGET_S)
    model.run({"features": a_request(1.0), "mask": np.ones((1, 4), np.float32)})
    assert not WATCH.asleep

    deadline = time.monotonic() + 20
    while not WATCH.asleep:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_run_of_a_wrong_input_is_unavailable() -> None:
    """What the runtime refuses is told in the words of the port."""
    model = OnnxModel("ranker", model_files.HEALTHY)

    with pytest.raises(ModelUnavailable):
        model.run({"features": np.zeros((1, 2), np.float32)})


def test_run_that_waited_for_the_machine_is_not_slow() -> None:
    """Only its own processor time speaks against a model, up to five budgets of waiting."""
    deadline = Deadline(BUDGET_S)
    now_s = time.perf_counter()
    deadline.begin(now_s)

    assert not deadline.over(now_s + MOST_WALL * BUDGET_S)
    assert deadline.over(now_s + MOST_WALL * BUDGET_S + 0.01)
    until_s = time.thread_time() + BUDGET_S + 0.01
    while time.thread_time() < until_s:
        pass
    assert deadline.over(now_s + BUDGET_S + 0.01)
    deadline.running = False
