"""The five indexes of a choice, worked out by hand, and what many seeds are summed up to."""

import numpy as np
import pytest

from city_sim.paper.instance import Instance
from city_sim.paper.judging import judged, unguided
from city_sim.paper.queues import queued
from city_sim.paper.runs import Run, outcome, played
from city_sim.paper.sizes import SIZES, Size
from city_sim.paper.summary import interval, reductions, spread, summed

# Three cars on a street; 60 kWh batteries with half left, piles of 60 kW: half an hour each.
STREET = Instance(
    size=Size("street", 3, 2, 1, 2),
    whole=False,
    cars_km=np.array([[0.0, 0.0], [0.0, 0.0], [4.0, 0.0]]),
    stations_km=np.array([[1.0, 0.0], [3.0, 0.0]]),
    distance_km=np.array([[1.0, 3.0], [1.0, 3.0], [3.0, 1.0]]),
    counts=np.ones((3, 2)),
    load=np.array([[1.0, 4.0], [1.0, 9.0], [5.0, 2.0]]),
    left_kwh=np.full(3, 30.0),
)
ALL_FAR = np.array([1, 1, 1])
NEAREST = np.array([0, 0, 1])


def test_five_indexes_of_a_choice_by_hand() -> None:
    """All three cars at the second pile, which has two slots."""
    found = judged(STREET, ALL_FAR, unguided(STREET))

    assert found.total_km == 7.0
    assert (found.served, found.over, found.stations_over) == (2, 1, 1)
    assert found.passing == 2  # two drive by the first pile
    assert found.cost == pytest.approx((3 * 30.0 + 7 * 0.15) * 1.2)
    assert (found.gini, found.cv) == (0.5, 1.0)  # three cars and none
    assert found.mean_grade == pytest.approx((4 + 5 + 2) / 3)  # a load of 9 is grade 5
    assert found.jammed_share == pytest.approx(2 / 3)
    assert found.max_load == 3.0


def test_traffic_is_against_cars_that_go_to_their_nearest() -> None:
    """The nearest choice changes nothing; longer ways load more cells."""
    assert judged(STREET, NEAREST, unguided(STREET)).mean_load_change == 0.0
    assert judged(STREET, ALL_FAR, unguided(STREET)).mean_load_change > 0.0
    assert judged(STREET, ALL_FAR, unguided(STREET)).max_load_change == 0.5


def test_cars_queue_in_the_order_in_which_they_arrive() -> None:
    """T = charge + way + queue: 0.5 h and 1 km or 3 km at 20 km/h, and whoever is ahead."""
    totals_h, plugs = queued(STREET, ALL_FAR)

    # The third arrives after 0.05 h and leaves at 0.55; the first at 1.05; the second at 1.55.
    assert totals_h.round(9).tolist() == [1.05, 1.55, 0.55]
    assert plugs.tolist() == [0, 3]


def test_plugs_of_a_station_share_its_cars() -> None:
    """Equilibrium is counted by plug: two cars at a station of two plugs are one each."""
    size = Size("two plugs", 3, 2, 2, 2)
    scene = Instance(
        size, False, STREET.cars_km, STREET.stations_km, STREET.distance_km, STREET.counts,
        STREET.load, STREET.left_kwh,
    )  # fmt: skip

    totals_h, plugs = queued(scene, NEAREST)

    assert sorted(plugs.tolist()) == [0, 1, 1, 1]
    assert totals_h.round(9).tolist() == [0.55, 0.55, 0.55]


@pytest.mark.slow
def test_outcome_is_the_same_twice_and_in_two_processes() -> None:
    """A seed gives one outcome, whoever computes it, in the order of the runs."""
    runs = [Run("D", SIZES["100x10"], seed) for seed in (1, 2)]
    told: list[None] = []

    together = played(runs, 2, lambda: told.append(None))

    assert together == [outcome(run) for run in runs]
    assert together[0] != together[1]
    assert len(told) == 2


def test_reduction_is_paired_by_scene() -> None:
    """Half the distance of preference in one scene and all of it in another: a quarter less."""
    rows = [
        {"preference": {"total_km": 10.0}, "integrated": {"total_km": 5.0}},
        {"preference": {"total_km": 30.0}, "integrated": {"total_km": 30.0}},
    ]

    less = reductions(rows, "integrated")

    assert less.tolist() == [0.5, 0.0]
    assert spread(less) == pytest.approx(0.5 / 2**0.5)
    low, high = interval(less)
    assert low <= 0.25 <= high


@pytest.mark.slow
def test_configuration_d_lies_where_it_was_found() -> None:
    """The integrated factor saves about 28 % against preference, Pilewise more, in balance."""
    told = summed(played([Run("D", SIZES["100x10"], seed) for seed in range(1, 31)], jobs=1))

    assert 0.22 <= told["integrated_reduction"] <= 0.34
    assert told["pilewise_reduction"] >= 0.40
    assert told["pilewise_over_capacity"] == told["optimum_over_capacity"] == 0
    assert told["pilewise_gini"] <= 0.05
    assert told["optimum_reduction"] >= told["pilewise_reduction"]
    assert told["pilewise_reduction"] > told["pilewise_in_steps_reduction"]
    assert told["methods"]["traffic"]["gini"] > told["methods"]["integrated"]["gini"]
    assert told["methods"]["integrated"]["gini"] > told["methods"]["preference"]["gini"]


@pytest.mark.slow
def test_independent_loads_make_the_ways_longer() -> None:
    """With loads that do not follow the way (A) the integrated factor doubles the distance."""
    told = summed(played([Run("A", SIZES["100x10"], seed) for seed in range(1, 9)], jobs=1))

    assert told["integrated_reduction"] < -0.5
    assert told["methods"]["integrated"]["gini"] < told["methods"]["preference"]["gini"]
