"""The shipped ranker and failure model: monotone, order-blind, finite, refusing what is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.core.ports import BatchRanker, ModelUnavailable
from coordinator.core.recommend.chain import FACTORS
from coordinator.core.recommend.features import COLUMN, FEATURES, MONOTONE
from coordinator.core.reliability.pile_vector import COLUMN as PILE_COLUMN
from coordinator.core.reliability.pile_vector import COLUMNS, REFERENCE, Facts, vectors
from coordinator.core.vehicle import WarningLevel
from coordinator.models.serving import open_models

MODELS = open_models()


def some_features(seed: int, n: int) -> np.ndarray:
    """Rows such as requests make them, and far beyond."""
    rng = np.random.default_rng(seed)
    rows = np.abs(rng.normal(0, 30, (n, len(FEATURES)))).astype(np.float32)
    rows[:, COLUMN["p_unusable"]] = rng.random(n)
    for name in ("dc", "status_free", "visit_share", "station_free_share", "distance_rank"):
        rows[:, COLUMN[name]] = rng.random(n)
    rows[:, COLUMN["level_high"] : COLUMN["level_low"] + 1] = np.eye(3)[rng.integers(3)]
    return rows


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 64),
    column=st.sampled_from(MONOTONE),
    more=st.floats(1e-3, 1e4),
    data=st.data(),
)
def test_ranker_never_rewards_wait_price_or_risk(
    seed: int, n: int, column: str, more: float, data: st.DataObject
) -> None:
    """More wait, price or P(unusable) never raises a candidate's score, nor moves the others'."""
    assert MODELS.ranker is not None
    rows = some_features(seed, n)
    which = data.draw(st.integers(0, n - 1))
    before = MODELS.ranker.scores(rows)

    rows[which, COLUMN[column]] += more
    after = MODELS.ranker.scores(rows)

    scale = 1e-5 * max(1.0, float(np.abs(before).max()), float(np.abs(after).max()))
    assert after[which] <= before[which] + scale
    others = np.arange(n) != which
    assert np.allclose(after[others], before[others], atol=scale)


@pytest.mark.parametrize("level", list(WarningLevel)[1:])
def test_ranker_is_blind_to_factors_above_the_level(level: WarningLevel) -> None:
    """Whatever stands in a column of a later level of the chain moves no score at all."""
    assert MODELS.ranker is not None
    rows = some_features(11, 20)
    rows[:, COLUMN["level_high"] : COLUMN["level_low"] + 1] = 0.0
    rows[:, COLUMN[f"level_{level.name.lower()}"]] = 1.0
    before = MODELS.ranker.scores(rows)

    for first, factors in FACTORS.items():
        for factor, columns in factors.items():
            other = rows.copy()
            for name in columns:
                other[:, COLUMN[name]] = np.linspace(0.0, 3.0, len(rows))[::-1]
            moved = not np.array_equal(MODELS.ranker.scores(other), before)
            assert moved == (level >= first and bool(columns)), factor


def test_ranker_avoids_where_neighbours_are_about_to_charge() -> None:
    """Of stations alike, the more cars may be on their way to one, the later it is taken."""
    assert MODELS.ranker is not None
    usual = {
        "wait_min": 2.0, "price_per_session": 30.0, "p_unusable": 0.03, "drive_min": 8.0,
        "distance_km": 3.0, "charge_min": 30.0, "expected_power_kw": 60.0, "dc": 1.0,
        "status_free": 1.0, "status_age_min": 0.5, "station_free_share": 0.5,
        "station_evse_count": 6.0, "traffic_grade": 2.0, "soc_pct": 30.0, "arrival_soc_pct": 28.0,
        "level_low": 1.0, "hour_cos": -1.0, "distance_rank": 0.5,
    }  # fmt: skip
    rows = np.zeros((4, len(FEATURES)), dtype=np.float32)
    for name, value in usual.items():
        rows[:, COLUMN[name]] = value
    rows[:, COLUMN["expected_arrivals"]] = [0.0, 0.5, 1.0, 2.0]

    scores = MODELS.ranker.scores(rows)

    assert (np.diff(scores) < -0.05).all()


def test_ranker_dislikes_an_hour_of_waiting() -> None:
    """Among candidates alike in all else, the one with an hour's wait comes last."""
    assert MODELS.ranker is not None
    rows = np.repeat(some_features(3, 1), 4, axis=0)
    rows[:, COLUMN["wait_min"]] = [0.0, 60.0, 5.0, 1.0]

    scores = MODELS.ranker.scores(rows)

    assert list(np.argsort(-scores)) == [0, 3, 2, 1]


@given(seed=st.integers(0, 2**32 - 1))
def test_ranker_ignores_the_order_of_candidates(seed: int) -> None:
    """Shuffled candidates get the same scores, shuffled."""
    assert MODELS.ranker is not None
    rows = some_features(seed, 12)
    order = np.random.default_rng(seed).permutation(12)

    assert np.allclose(MODELS.ranker.scores(rows)[order], MODELS.ranker.scores(rows[order]), 1e-4)


@pytest.mark.parametrize("n", [1, 2, 64, 300])
def test_ranker_takes_any_number_of_candidates(n: int) -> None:
    """One score a candidate, finite, float32."""
    assert MODELS.ranker is not None
    scores = MODELS.ranker.scores(some_features(0, n))

    assert scores.shape == (n,)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    "features",
    [
        np.full((3, len(FEATURES)), np.nan, dtype=np.float32),
        np.zeros((0, len(FEATURES)), dtype=np.float32),
        np.zeros((3, len(FEATURES) - 1), dtype=np.float32),
        np.zeros((3, len(FEATURES)), dtype=np.float64),
    ],
)
def test_ranker_is_unavailable_for_what_it_cannot_score(features: np.ndarray) -> None:
    """NaN, nobody, the wrong width and the wrong dtype raise `ModelUnavailable`, nothing else."""
    assert MODELS.ranker is not None
    with pytest.raises(ModelUnavailable, match="ranker"):
        MODELS.ranker.scores(features)


@given(seed=st.integers(0, 2**32 - 1), counts=st.lists(st.integers(1, 20), min_size=1, max_size=8))
def test_ranker_judges_several_requests_as_it_judges_each(seed: int, counts: list[int]) -> None:
    """Together, padded with NaN, every request gets the scores that it gets alone."""
    ranker = MODELS.ranker
    assert isinstance(ranker, BatchRanker)
    widest = max(counts)
    features = np.full((len(counts), widest, len(FEATURES)), np.nan, dtype=np.float32)
    for row, count in enumerate(counts):
        features[row, :count] = some_features(seed + row, count)
    valid = np.arange(widest)[None] < np.array(counts)[:, None]

    together = ranker.scores_of_each(features, valid)

    assert together.shape == valid.shape
    for row, count in enumerate(counts):
        alone = ranker.scores(features[row, :count])
        scale = max(1.0, float(np.abs(alone).max()))
        assert np.allclose(together[row, :count], alone, atol=1e-4 * scale)


def test_ranker_refuses_a_batch_of_the_wrong_width() -> None:
    """A batch with other columns, or of nobody, is unavailable by name."""
    assert isinstance(MODELS.ranker, BatchRanker)
    for shape in ((2, 3, len(FEATURES) - 1), (0, 3, len(FEATURES)), (2, 0, len(FEATURES))):
        rows = np.zeros(shape, dtype=np.float32)
        with pytest.raises(ModelUnavailable, match="ranker"):
            MODELS.ranker.scores_of_each(rows, np.ones(shape[:2], dtype=bool))


def pile(**changes: object) -> Facts:
    known = {
        "kind": ["dc"],
        "maker": ["ABB"],
        "model": [""],
        "age_years": np.array([3.0]),
        "hours_used": np.array([1000.0]),
        "mean_charge_min": np.array([32.0]),
        "faults": np.array([np.nan]),
        "uses": np.array([1900.0]),
    }
    return Facts(**{**known, **changes})  # type: ignore[arg-type]


def rate(**changes: object) -> float:
    assert MODELS.failure is not None
    return float(MODELS.failure.rates(vectors(pile(**changes), REFERENCE))[0])


def test_failure_model_knows_ageing_use_current_and_history() -> None:
    """Old piles, direct current and piles that failed before have higher rates."""
    assert rate(age_years=np.array([9.0])) > 1.3 * rate(age_years=np.array([0.5]))
    assert rate() > 1.2 * rate(kind=["ac"], mean_charge_min=np.array([92.0]))
    assert rate(faults=np.array([5.0])) > 1.5 * rate(faults=np.array([0.0]))


def test_failure_model_has_no_opinion_on_makers() -> None:
    """No maker is rated much better than another: nobody measured it."""
    rates = [rate(maker=[name]) for name in ("ABB", "Keba", "Tritium", "Wallbox", "Acme")]

    assert max(rates) < 1.25 * min(rates)


@given(st.integers(0, 2**32 - 1))
def test_failure_rates_are_probabilities(seed: int) -> None:
    """Any vector within the unit cube gives a rate between 0 and 1."""
    assert MODELS.failure is not None
    rows = np.random.default_rng(seed).random((20, len(COLUMNS))).astype(np.float32)

    rates = MODELS.failure.rates(rows)

    assert rates.shape == (20,)
    assert ((rates >= 0) & (rates <= 1)).all()


def test_failure_model_takes_no_pile_at_all() -> None:
    """An empty district has no rates, and no error."""
    assert MODELS.failure is not None
    assert MODELS.failure.rates(np.zeros((0, len(COLUMNS)), np.float32)).shape == (0,)


def test_failure_model_is_unavailable_for_nan_and_wrong_width() -> None:
    """What cannot be rated raises `ModelUnavailable`."""
    assert MODELS.failure is not None
    bad = np.zeros((2, len(COLUMNS)), np.float32)
    bad[1, PILE_COLUMN["age"]] = np.nan
    for rows in (bad, bad[:, :3]):
        with pytest.raises(ModelUnavailable, match="failure"):
            MODELS.failure.rates(rows)
