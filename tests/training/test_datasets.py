"""What models learn from: choices shown by the production pipeline, fleets with a known truth."""

import numpy as np
import pytest

from coordinator.core.recommend.features import COLUMN, FEATURES
from coordinator.core.reliability.evidence import (
    anchored_prior,
    fleet_factor,
    scaled_rate,
)
from coordinator.core.reliability.frailty import gamma_shape
from coordinator.core.reliability.knowledge_map import KnowledgeMap
from coordinator.core.reliability.map_settings import Algorithm, MapSettings
from coordinator.core.reliability.pile_vector import COLUMN as PILE_COLUMN
from coordinator.core.reliability.pile_vector import REFERENCE, fleet_scale, vectors
from coordinator.models.serving import open_models
from training.datasets import Choices, generate_choices, split
from training.evaluate import BASELINES, auc, ranking_metrics, rate_metrics
from training.fleet import generate_fleet


@pytest.fixture(scope="module")
def choices() -> Choices:
    return generate_choices(5, cities=3, days=5, requests_a_day=30, driver_count=20)


def test_choices_depend_on_the_seed_alone(choices: Choices) -> None:
    """The same seed gives the same columns, and so the same hash; another seed another."""
    again = generate_choices(5, cities=3, days=5, requests_a_day=30, driver_count=20)
    other = generate_choices(6, cities=1, days=1, requests_a_day=30, driver_count=20)

    assert again.sha256() == choices.sha256()
    assert other.sha256() != choices.sha256()


def test_choices_are_among_what_was_shown(choices: Choices) -> None:
    """Every chosen candidate is a real one; rows beyond are zero and masked; all is finite."""
    n = np.arange(len(choices))

    assert (choices.mask[n, choices.chosen] == 1).all()
    assert np.isfinite(choices.features).all()
    assert (choices.features[choices.mask == 0] == 0).all()
    assert choices.features.shape[2] == len(FEATURES)
    assert (choices.mask.sum(axis=1) >= 2).all()


def test_visits_add_up_and_only_from_the_past(choices: Choices) -> None:
    """A driver's first choice has no visits; later ones see what was chosen before."""
    first_day = choices.at_s < choices.at_s.min() + 3600 * 4
    last_day = choices.at_s > choices.at_s.max() - 86_400

    assert choices.visits[first_day].sum() < choices.visits[last_day].sum()
    shown = choices.features[:, :, COLUMN["visit_share"]]
    urgent = choices.features[:, :, COLUMN["level_high"]] > 0  # level one does not look at it
    visited = (choices.visits > 0) & (choices.mask > 0)
    assert ((shown > 0) == (visited & ~urgent)).all()


def test_split_is_by_time_and_keeps_a_city_apart(choices: Choices) -> None:
    """What is learned from is earlier than what is tested on; the last city is kept apart."""
    parts = split(choices)

    assert parts.train.at_s.max() < parts.validation.at_s.min()
    assert parts.validation.at_s.max() < parts.test.at_s.min()
    assert set(parts.elsewhere.city) == {2}
    assert 2 not in set(parts.train.city) | set(parts.validation.city) | set(parts.test.city)
    total = sum(len(part) for part in (parts.train, parts.validation, parts.test, parts.elsewhere))
    assert total == len(choices)


def test_metrics_of_perfect_and_of_blind_orders(choices: Choices) -> None:
    """Knowing the choice gives 1; equal scores for all give the mean of all ranks."""
    perfect = np.zeros_like(choices.mask)
    perfect[np.arange(len(choices)), choices.chosen] = 1.0

    best = ranking_metrics(perfect, choices)
    blind = ranking_metrics(np.zeros_like(choices.mask), choices)

    assert best == {"hit1": 1.0, "mrr": 1.0, "ndcg10": 1.0}
    assert blind["hit1"] < 0.1
    assert 0.0 < blind["mrr"] < 0.3


def test_baselines_beat_chance(choices: Choices) -> None:
    """Nearness, visits, the rules and the one cost each know something of what drivers take."""
    blind = ranking_metrics(np.zeros_like(choices.mask), choices)["mrr"]

    for name, baseline in BASELINES.items():
        assert ranking_metrics(baseline(choices), choices)["mrr"] > 1.5 * blind, name


def test_fleet_fails_as_its_truth_says() -> None:
    """Over many piles the outages that happen are those that the true rates promise."""
    fleet = generate_fleet(1, count=20_000, days=30.0)
    promised = -np.log1p(-fleet.rate).sum() * 30.0

    assert fleet.future.sum() == pytest.approx(promised, rel=0.05)
    assert auc(fleet.rate, fleet.future > 0) > 0.65


def test_fleet_ages_and_hides() -> None:
    """Older piles fail more often; half of the fault counts are hidden; makers mean nothing."""
    fleet = generate_fleet(2, count=20_000)
    age = fleet.vectors[:, PILE_COLUMN["age"]]
    known = fleet.vectors[:, PILE_COLUMN["age=missing"]] == 0

    old, young = fleet.rate[known & (age > 0.6)], fleet.rate[known & (age < 0.1)]
    assert old.mean() > 1.5 * young.mean()
    assert fleet.vectors[:, PILE_COLUMN["log1p_faults=missing"]].mean() == pytest.approx(
        0.5, abs=0.02
    )
    first, second = generate_fleet(10, 3000), generate_fleet(11, 3000)
    maker = PILE_COLUMN["maker=abb"]
    ratio = [f.rate[f.vectors[:, maker] == 1].mean() / f.rate.mean() for f in (first, second)]
    assert abs(ratio[0] - ratio[1]) > 0.05


def test_rate_metrics_know_the_truth_from_a_guess() -> None:
    """The true rates score better than one rate for all, and have no error."""
    fleet = generate_fleet(3, count=5000)
    flat = np.full(5000, fleet.rate.mean(), dtype=np.float32)

    truth, guess = rate_metrics(fleet.rate.astype(np.float32), fleet), rate_metrics(flat, fleet)

    assert truth["brier"] < guess["brier"]
    assert truth["rmsle"] < 1e-3 < guess["rmsle"]
    assert guess["auc"] == 0.5


@pytest.mark.slow
def test_settled_rates_are_nearer_the_truth_than_any_single_source() -> None:
    """Model, then evidence, then map: each beats raw counts, one rate for all, and the printed
    Eq. (1), on fleets with a known truth."""
    failure = open_models().failure
    assert failure is not None
    brier: dict[str, list[float]] = {}
    for seed in (100, 101, 102):
        fleet = generate_fleet(seed, 1500)
        counts, days = fleet.past, fleet.observed_days
        rows = vectors(fleet.facts, fleet_scale(fleet.facts))
        own = failure.rates(vectors(fleet.facts.without_faults(), REFERENCE)).astype(np.float64)
        kind = scaled_rate(own, fleet_factor(counts, days, own))
        prior = anchored_prior(counts, days, kind, gamma_shape(counts, days, kind))
        raw = -np.expm1(-counts / days)
        printed = KnowledgeMap(
            rows, raw, days, MapSettings(algorithm=Algorithm.EQUATION_1, order=1)
        )
        for name, rates in (
            ("raw", raw),
            ("global", np.full(len(raw), -np.expm1(-counts.sum() / days.sum()))),
            ("printed", printed.rates),
            ("settled", KnowledgeMap(rows, prior, days).rates),
        ):
            found = rate_metrics(rates.astype(np.float32), fleet)["brier"]
            brier.setdefault(name, []).append(found)

    mean = {name: float(np.mean(values)) for name, values in brier.items()}

    assert mean["settled"] < 0.97 * min(mean["raw"], mean["global"], mean["printed"])
