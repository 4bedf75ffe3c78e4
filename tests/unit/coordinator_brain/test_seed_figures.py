"""The figures that the patent and the paper print, computed by the code that stands for them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from coordinator.core import energy
from coordinator.core.recommend import merge, preference, traffic, travel, waiting
from coordinator.core.recommend.intention import Intention, most_probable, probabilities
from coordinator.core.recommend.rules import DEFAULT_RULES
from coordinator.core.reliability.knowledge_map import Algorithm, KnowledgeMap, MapSettings
from coordinator.core.reliability.printed import equation_1, equation_2, second_order
from coordinator.core.vehicle import Vehicle

# FIG. 4 of the patent: pile M has edges to 3 only, 3 has edges to M and N.
PILE_3, PILE_M, PILE_N = 0, 1, 2
FIG_4 = sparse.csr_matrix(np.array([[0.0, 0.9, 0.85], [0.9, 0.0, 0.0], [0.85, 0.0, 0.0]]))


def test_remaining_power_counts_nine_tenths() -> None:
    """Step 320: the power that may be used up is the remaining power times 0.9."""
    car = Vehicle(battery_kwh=60.0)

    assert energy.SAFETY_FACTOR == 0.9
    assert energy.range_km(car, soc_pct=50.0, kwh_per_km=0.2) == pytest.approx(30.0 * 0.9 / 0.2)


def test_printed_month_means_no_intention() -> None:
    """Paper 2.1: 5 days on the way, 5 at a pile, 20 neither: S3."""
    chances = probabilities(5, 5, 20)

    assert probabilities(5, 5, 20, added=0) == pytest.approx((5 / 30, 5 / 30, 20 / 30))
    assert most_probable(chances) is Intention.NONE
    assert chances[0] == chances[1] < chances[2]
    assert sum(chances) == pytest.approx(1.0)


def test_failure_rates_of_30_and_below_5_per_cent_score_65_and_95() -> None:
    """Step 620: piles 1 and 2."""
    assert merge.second_score(np.array([0.30, 0.049])).tolist() == [65.0, 95.0]


def test_near_and_far_piles_score_90_and_70() -> None:
    """Step 610: pile 1 is near the place A, pile 2 is far from it."""
    near_km, far_km = DEFAULT_RULES.travel_near_km, DEFAULT_RULES.travel_far_km

    assert travel.first_score(np.array([near_km, far_km])).tolist() == [90.0, 70.0]


def test_weighted_scores_of_pile_2_are_exactly_77_5() -> None:
    """Step 630: 0.7 x 70 + 0.3 x 95, told as far and not prone to fail."""
    score = float(merge.merged(np.array([70.0]), np.array([95.0]), 0.3)[0])

    assert score == 77.5
    assert merge.situation(score) == "general"
    assert merge.proneness(0.049) == "not prone to fail"
    assert merge.nearness(10.0) == "far"


def test_summed_scores_of_pile_1_are_155() -> None:
    """Step 630: 90 + 65, told as very near and more likely to fail."""
    assert merge.plain_sum(np.array([90.0]), np.array([65.0])).tolist() == [155.0]
    assert merge.nearness(0.1) == "very near"
    assert merge.proneness(0.30) == "more likely to fail"


def test_neighbours_of_fig_4_are_one_and_two_edges_away() -> None:
    """Step 410: M and 3 are neighbours of size 1; M and N of size 2, by the weighted sum."""
    wide = second_order(FIG_4, weights=(0.6, 0.4))

    assert FIG_4[PILE_M, PILE_3] == 0.9
    assert FIG_4[PILE_M, PILE_N] == 0.0
    assert wide[PILE_M, PILE_3] == 0.9
    assert wide[PILE_M, PILE_N] == pytest.approx(0.6 * 0.9 + 0.4 * 0.85)
    assert wide[PILE_N, PILE_M] == pytest.approx(0.6 * 0.85 + 0.4 * 0.9)


def test_printed_equations_on_fig_4_by_hand() -> None:
    """Step 410, Eq. (1) and (2): own rate plus similarity times the neighbours' rates."""
    x = np.array([0.1, 0.2, 0.3])

    assert equation_1(x, FIG_4) == pytest.approx([0.1 + 0.18 + 0.255, 0.2 + 0.09, 0.3 + 0.085])
    assert equation_2(x, FIG_4, alpha=0.7, beta=0.1) == pytest.approx(
        [0.07 + 0.0435, 0.14 + 0.009, 0.21 + 0.0085]
    )


def test_printed_equation_1_grows_without_end_where_the_anchored_form_settles() -> None:
    """Step 410: twenty passes of Eq. (1) leave [0, 1]; the map that runs by default does not."""
    x = np.full(3, 0.1)
    for _ in range(20):
        x = equation_1(x, FIG_4)
    rows = np.array([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2]], dtype=np.float32)
    settled = KnowledgeMap(rows, np.full(3, 0.1), np.zeros(3), MapSettings(threshold=0.5))

    assert x.min() > 1.0
    assert settled.settings.algorithm is Algorithm.ANCHORED
    assert settled.rates == pytest.approx([0.1, 0.1, 0.1])


def test_preference_is_visits_over_distance_and_the_greatest_wins() -> None:
    """Paper Eq. (3), (4): six charges at 3 km are worth less than two at 500 m."""
    scores = preference.preference(np.array([6.0, 2.0]), np.array([3.0, 0.5]))

    assert scores.tolist() == [2.0, 4.0]
    assert preference.preferred(scores) == 1


def test_total_time_is_charging_and_way_and_queue() -> None:
    """Paper Eq. (5)-(7): T = Tc + To + Tl with To = d / v and Tc = (Eo - Ep) / p."""
    charging_h = waiting.charging_time_h(rated_kwh=60.0, remaining_kwh=15.0, power_kw=60.0)
    way_h = waiting.time_on_the_way_h(distance_km=10.0, speed_kmh=40.0)

    assert (charging_h, way_h) == (0.75, 0.25)
    assert waiting.total_time_h(charging_h, way_h) == 1.0
    assert waiting.total_time_h(charging_h, way_h, queuing_h=0.5) == 1.5


def test_integrated_factor_of_three_cars_and_three_piles_by_hand() -> None:
    """Paper Eq. (8): each car's preference and reciprocal load, scaled over its piles, added."""
    score = np.array([[0.0, 5.0, 10.0], [2.0, 4.0, 3.0], [1.0, 1.0, 1.0]])
    load = np.array([[1.0, 2.0, 4.0], [5.0, 1.0, 2.5], [1.0, 2.0, 4.0]])

    factor = traffic.integrated_factor(score, load)

    assert factor == pytest.approx(
        np.array([[1.0, 0.5 + 1 / 3, 1.0], [0.0, 2.0, 0.75], [1.0, 1 / 3, 0.0]])
    )
    assert factor.argmax(axis=1).tolist() == [0, 1, 0]


def test_more_load_never_makes_a_pile_more_recommended() -> None:
    """Paper 3: one sentence recommends the greatest load, its figure the least; the least it is."""
    equal = np.ones(3)

    factor = traffic.integrated_factor(equal, np.array([1.0, 3.0, 5.0]))

    assert factor.argmax() == 0
    assert (np.diff(factor) < 0).all()


def test_a_new_user_and_a_pile_at_hand_are_defined() -> None:
    """Paper Eq. (1) asks for N > 0, Eq. (3) for c > 0, and neither for a distance of 0."""
    nobody = probabilities(0, 0, 0)
    unknown = preference.preference(np.array([0.0, 4.0]), np.array([1.0, 0.0]))

    assert nobody == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert most_probable(nobody) is Intention.NONE
    assert unknown.tolist() == [0.0, 80.0]


def test_second_weight_starts_as_printed_and_grows_with_iterations_or_evidence() -> None:
    """Step 630: w2 is 0.3 as printed and rises with the iterations; by default with exposure."""
    by_iterations = [merge.failure_weight_by_iterations(n) for n in (0, 1, 10, 1000)]
    by_evidence = merge.failure_weight(np.array([0.0, 1.0, 30.0, 1e6]))

    assert by_iterations[0] == by_evidence[0] == 0.3
    assert (np.diff(by_iterations) > 0).all()
    assert (np.diff(by_evidence) > 0).all()
    assert max(by_iterations[-1], by_evidence[-1]) <= 0.6


def test_national_ratio_is_7_6_cars_a_pile() -> None:
    """Paper 1: public piles to cars as 1 to 7.6, January 2019."""
    assert DEFAULT_RULES.cars_per_pile == 7.6
