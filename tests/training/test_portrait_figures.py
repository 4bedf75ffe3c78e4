"""How portraits are judged: by later choices that own visits say nothing of."""

from dataclasses import replace

import numpy as np
from hand_journeys import camps

from coordinator.core.recommend.portrait import STATISTICS, StatisticsEncoder
from training.journeys import Journeys
from training.pairs import draw_pairs
from training.portrait_figures import agreement, figures, gain, later


class Words:
    """Sees models and habits only: in the camps, whom one is like."""

    def portraits(self, statistics: np.ndarray) -> np.ndarray:
        return statistics[:, len(STATISTICS) :]


class Blind:
    """Sees nothing."""

    def portraits(self, statistics: np.ndarray) -> np.ndarray:
        return np.random.default_rng(1).random((len(statistics), 3)).astype(np.float32)


def span_of(journeys: Journeys) -> tuple[float, float]:
    return journeys.time(0.1), float(journeys.at_s[-1])


def test_only_choices_that_own_visits_do_not_explain_are_judged() -> None:
    """Rows are new stations of known users, and all of those whose history is hidden."""
    journeys = camps()
    cut_s, until_s = span_of(journeys)

    tested = later(journeys, cut_s, until_s, seed=1)

    user, station = journeys.user[tested.rows], journeys.station[tested.rows]
    assert (journeys.at_s[tested.rows] > cut_s).all()
    assert (tested.counts[user, station] == 0).all()
    assert set(user[tested.new]) & set(user[~tested.new]) == set()
    assert not {journeys.users[u].user_id for u in user[tested.new]} & set(tested.visits)
    assert (
        sum(map(sum, (seen.values() for seen in tested.visits.values())))
        == ((journeys.at_s <= cut_s) & ~np.isin(journeys.user, user[tested.new])).sum()
    )


def test_figures_know_good_neighbours_from_none() -> None:
    """Who is told apart by the car's model finds the stations of the same camp, chance does not."""
    journeys = camps()
    asked = {"words": Words(), "blind": Blind()}

    # As if all had asked from one place, between the camps: nearness tells nothing.
    seen = figures(journeys, span_of(journeys), asked, seed=1, placed=False)

    assert seen["new_rows"] > 100
    assert seen["rows"] > 20
    assert seen["new_words_mrr"] > 1.2 * seen["new_blind_mrr"]
    assert seen["new_words_mrr"] > seen["new_popularity_mrr"]
    assert {"statistics_hit1", "popularity_mrr", "new_statistics_mrr"} <= set(seen)


def test_gain_is_over_the_statistics_and_says_how_sure_it_is() -> None:
    """The statistics gain nothing over themselves; a blind encoder loses for sure."""
    journeys = camps()
    spans = [(journeys, span_of(journeys))]

    same = gain(spans, StatisticsEncoder(), seed=1, placed=False)
    blind, low, high = gain([*spans, *spans], Blind(), seed=1, placed=False)

    assert same == (0.0, 0.0, 0.0)
    assert low < blind < high < 0.0


def test_agreement_is_of_nearness_with_likeness() -> None:
    """An encoder whose space is what was chosen agrees better than one that sees nothing."""
    journeys = camps()
    # All ask in one place: whose camp it is, is then no matter of where they stand.
    journeys = replace(journeys, north_km=0.1 * journeys.north_km)
    cut_s, until_s = span_of(journeys)
    pairs = draw_pairs(journeys, cut_s, until_s, np.random.default_rng(1))

    place, basics = agreement(pairs, Words())
    blind, _ = agreement(pairs, Blind())

    assert place > 0.4
    assert abs(blind) < 0.1
    assert basics == 0.0  # who is alike in all words cannot be told apart by them
