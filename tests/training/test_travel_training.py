"""The travel-demand model is trained jointly and separately, and stops for three reasons."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs torch: pip install "pilewise[train]"')

from coordinator.core.recommend.travel_columns import LOCATION, TRAVEL  # noqa: E402
from coordinator.models.bundle import load  # noqa: E402
from training.__main__ import main  # noqa: E402
from training.everything import Effort  # noqa: E402
from training.travel import (  # noqa: E402
    EPOCH_LIMIT,
    LOSS_BOUND,
    NO_GAIN,
    SEPARATE,
    TravelNet,
    TravelSettings,
    tensors,
    train_travel,
)
from training.travel_data import RatingsSplit, generate_ratings, split_ratings  # noqa: E402
from training.travel_part import score_metrics, training_metrics  # noqa: E402

pytestmark = pytest.mark.slow
QUICK = TravelSettings(epochs=8, loss_bound=0.0)


@pytest.fixture(scope="module")
def parts() -> RatingsSplit:
    return split_ratings(generate_ratings(3, cities=2, days=4, requests_a_day=30))


def test_ratings_depend_on_the_seed_alone_and_are_cut_by_time(parts: RatingsSplit) -> None:
    """The same seed gives the same ratings; what is tested on is later; the last city is apart."""
    again = split_ratings(generate_ratings(3, cities=2, days=4, requests_a_day=30))

    assert again.train.sha256() == parts.train.sha256()
    assert parts.train.at_s.max() < parts.validation.at_s.min()
    assert parts.validation.at_s.max() < parts.test.at_s.min()
    assert set(parts.elsewhere.city) == {1}
    assert ((parts.train.said >= 0) & (parts.train.said <= 100)).all()


@pytest.mark.parametrize("layers", ["joint", SEPARATE])
def test_model_knows_more_than_the_rule_and_than_one_score_for_all(
    parts: RatingsSplit, layers: str
) -> None:
    """Both ways come nearer to what drivers say than the rule; learned together, in order too.

    Apart, so little data does not teach the layers enough for the rule's own order.
    """
    settings = TravelSettings(layers=layers, epochs=60, batch=32)
    model, ended = train_travel(parts.train, parts.validation, 3, settings)
    feed = tensors(parts.elsewhere)
    with torch.no_grad():
        scores = model(feed["travel"], feed["location"], feed["environment"]).numpy()

    learned = score_metrics(scores, parts.elsewhere)
    rule = score_metrics(parts.elsewhere.rule, parts.elsewhere)
    flat = score_metrics(np.full_like(scores, parts.train.said.mean()), parts.elsewhere)

    assert learned["pairs"] > (rule if layers == "joint" else flat)["pairs"]
    assert rule["pairs"] > flat["pairs"] == 0.5
    assert learned["mae"] < min(rule["mae"], flat["mae"])
    names = {"all"} if layers == "joint" else {"travel", "location", "environment", "output"}
    assert set(ended) == names


def test_separate_layers_stay_as_they_were_learned_alone(parts: RatingsSplit) -> None:
    """The output layer learns over input layers that no longer change."""
    settings = replace(QUICK, layers=SEPARATE, epochs=2)
    whole, _ = train_travel(parts.train, parts.validation, 3, settings)

    frozen = [p for layer in (whole.travel, whole.location, whole.environment)
              for p in layer.parameters()]  # fmt: skip
    assert frozen
    assert not any(parameter.requires_grad for parameter in frozen)
    assert all(parameter.requires_grad for parameter in whole.output.parameters())


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (replace(QUICK, loss_bound=1.0), LOSS_BOUND),
        (replace(QUICK, epochs=60, patience=2, learning_rate=0.0), NO_GAIN),
        (replace(QUICK, epochs=2), EPOCH_LIMIT),
    ],
)
def test_training_ends_for_the_reason_it_tells(
    parts: RatingsSplit, settings: TravelSettings, why: str
) -> None:
    """Loss below its bound, no gain, or the epochs are over; the metrics say which one."""
    _, ended = train_travel(parts.train, parts.validation, 3, settings)
    metrics = training_metrics(settings, ended)

    assert ended["all"].why == why
    flags = {name: value for name, value in metrics.items() if name.startswith("stopped_by_")}
    assert sorted(flags.values()) == [0.0, 0.0, 1.0]
    assert flags["stopped_by_" + why.replace(" ", "_")] == 1.0
    assert metrics["layers_joint"] == 1.0


def test_unknown_way_of_training_is_refused(parts: RatingsSplit) -> None:
    """Only joint and separate are ways."""
    with pytest.raises(ValueError, match="joint or separate"):
        train_travel(parts.train, parts.validation, 3, replace(QUICK, layers="both"))


def test_random_weights_never_reward_distance() -> None:
    """With weights from nowhere a farther, later pile still scores no more."""
    torch.manual_seed(4)
    model = TravelNet(np.zeros(5, np.float32), np.ones(5, np.float32))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 1.0)
    travel, environment = torch.rand(50, len(TRAVEL)), torch.randn(50, 5)
    location = torch.rand(50, len(LOCATION))
    before = model(travel, location, environment)

    for column in range(len(LOCATION)):
        farther = location.clone()
        farther[:, column] += 0.5
        assert (model(travel, farther, environment) <= before).all()


def test_command_trains_the_part_either_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--only travel --layers separate` writes a bundle whose metrics say how it was made."""
    tiny = Effort(travel_cities=2, travel_days=2, travel=QUICK)
    monkeypatch.setattr("training.everything.Effort", lambda: tiny)

    folder = tmp_path / "b"
    code = main(["all", "--only", "travel", "--layers", "separate", "--out", str(folder), "--json"])

    metrics = json.loads(capsys.readouterr().out)["parts"]["travel"]
    assert code == 0
    assert metrics["layers_joint"] == 0.0
    assert metrics["environment_epochs"] >= 1.0
    assert load(folder).models["travel"] is not None
