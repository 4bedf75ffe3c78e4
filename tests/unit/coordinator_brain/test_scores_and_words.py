"""Scores, weights and words of steps 610-630, each bound on both sides."""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.core.recommend import merge
from coordinator.core.recommend.rules import Rules
from coordinator.core.recommend.situation import WORDS, situation_text
from coordinator.core.recommend.travel import first_score

LEAST = 1e-6


@pytest.mark.parametrize(
    ("measure", "score"),
    [
        (0.0, 90.0), (0.3, 90.0), (0.3 + 0.17, 88.0), (2.0, 70.0), (2.0 + 0.08, 69.3),
        (10.0, 0.0), (10.1, 0.0),
    ],
)  # fmt: skip
def test_first_score_bends_at_each_bound(measure: float, score: float) -> None:
    """90 up to 0.3, 70 at 2, 0 from 10 on; straight in between."""
    assert first_score(np.array([measure]))[0] == pytest.approx(score)


@pytest.mark.parametrize(
    ("late_min", "score"), [(0.0, 70.0), (1.0, 68.0), (35.0, 0.0), (36.0, 0.0)]
)
def test_each_minute_late_costs_two_points_and_never_below_zero(
    late_min: float, score: float
) -> None:
    """Beyond arrive-by the score falls, down to 0."""
    assert first_score(np.array([2.0]), late_min)[0] == pytest.approx(score)


@pytest.mark.parametrize(
    ("p_unusable", "score"),
    [(0.0, 95.0), (0.05, 95.0), (0.06, 93.8), (0.29, 66.2), (0.3, 65.0), (0.37, 58.5), (1.0, 0.0)],
)
def test_second_score_bends_at_each_bound(p_unusable: float, score: float) -> None:
    """95 below 5 %, 65 at 30 %, 0 at 100 %; straight in between."""
    assert merge.second_score(np.array([p_unusable]))[0] == pytest.approx(score)


@pytest.mark.parametrize(
    ("score", "word"),
    [
        (100.0, merge.RECOMMENDED), (80.0, merge.RECOMMENDED), (80.0 - LEAST, merge.GENERAL),
        (60.0, merge.GENERAL), (60.0 - LEAST, merge.NOT_RECOMMENDED), (0.0, merge.NOT_RECOMMENDED),
    ],
)  # fmt: skip
def test_situation_changes_at_60_and_80(score: float, word: str) -> None:
    """A bound belongs to the better side."""
    assert merge.situation(score) == word


@pytest.mark.parametrize(
    ("km", "word"),
    [(0.3, "very near"), (0.3 + LEAST, "near"), (2.0, "near"), (2.0 + LEAST, "far")],
)
def test_nearness_changes_at_the_bounds_of_the_first_score(km: float, word: str) -> None:
    """Very near up to 0.3 km, near up to 2 km."""
    assert merge.nearness(km) == word


@pytest.mark.parametrize(
    ("p_unusable", "word"),
    [
        (0.05 - LEAST, "not prone to fail"), (0.05, ""), (0.3 - LEAST, ""),
        (0.3, "more likely to fail"),
    ],
)  # fmt: skip
def test_proneness_changes_at_5_and_30_per_cent(p_unusable: float, word: str) -> None:
    """In between nothing is said."""
    assert merge.proneness(p_unusable) == word


@pytest.mark.parametrize(
    ("way", "before", "after"),
    [("evidence", 0.3, 0.45), ("iterations", 0.3, 0.45), ("sum", 1.0, 1.0)],
)
def test_second_weight_grows_with_what_the_rules_name(
    way: str, before: float, after: float
) -> None:
    """From 0.3 towards 0.6, half way at 30 days or at 10 iterations; 1 where scores are added."""
    rules = Rules(weights_by=way)

    assert merge.second_weight(np.zeros(1), 0, rules)[0] == pytest.approx(before)
    assert merge.second_weight(np.full(1, 30.0), 10, rules)[0] == pytest.approx(after)
    assert merge.second_weight(np.full(1, 1e9), 10**9, rules)[0] <= max(0.6, before)


def test_scores_are_added_where_the_rules_want_the_plain_sum() -> None:
    """Pile 1 of the patent, 90 + 65; without a destination the second score stands alone."""
    rules, ones = Rules(weights_by="sum"), np.ones(2)
    first, second = np.array([90.0, np.nan]), np.array([65.0, 65.0])
    score = merge.combined(first, second, ones, rules)

    assert score.tolist() == [155.0, 65.0]
    assert merge.percent(score, first, ones).tolist() == [77.5, 65.0]


def test_pile_2_of_the_patent_is_told_in_its_words() -> None:
    """0.7 x 70 + 0.3 x 95 = 77.5, far, not prone to fail; the same in Chinese."""
    score = float(merge.merged(np.array([70.0]), np.array([95.0]), 0.3)[0])

    assert score == 77.5
    assert situation_text(score, score, 2.1, 0.049, "en") == (
        "general recommendation, 77.5 points, far from the destination, not prone to fail"
    )
    assert situation_text(score, score, 2.1, 0.049, "zh") == (
        "一般推荐，77.5 分，距目的地较远，不易发生故障"
    )


def test_what_is_unknown_or_in_between_is_not_said() -> None:
    """No destination, no nearness; a middling risk, no word on it."""
    assert situation_text(90.0, 90.0, float("nan"), 0.1, "en") == "recommended, 90 points"


def test_both_languages_have_the_same_words() -> None:
    """No word is missing in either."""
    assert WORDS["en"].keys() == WORDS["zh"].keys()
