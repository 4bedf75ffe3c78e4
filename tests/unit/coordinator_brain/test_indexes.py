"""The indexes of the paper and of the field: by hand, at their edges, and as properties."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from coordinator.core.indexes import (
    IdleGaps,
    gini,
    idle_gaps,
    point_demand_km,
    total_cost,
    traffic,
    variation,
)
from coordinator.core.indexes_field import (
    by_level,
    gap_to_optimum,
    mean,
    no_plug,
    quantile,
    saving,
)
from coordinator.core.passing import cars_passing, cell_loads, in_step, plane_km
from coordinator.core.vehicle import WarningLevel

SERVED = arrays(np.float64, st.integers(1, 40), elements=st.integers(0, 50).map(float))
# On a lattice beside the bounds of cells and radius, so that no last digit decides.
POINTS = arrays(np.float64, (6, 2), elements=st.integers(-20, 20).map(lambda n: n / 4 + 0.1))


def test_sums_leave_out_what_is_not_known() -> None:
    """Distances and prices add up; a car without one adds nothing."""
    assert point_demand_km(np.array([1.0, np.nan, 2.5])) == 3.5
    assert total_cost(np.array([np.nan, 7.0])) == 7.0
    assert point_demand_km(np.zeros(0)) == 0.0


@given(SERVED)
def test_balance_is_bounded_and_blind_to_order_and_scale(served: np.ndarray) -> None:
    """Gini lies in [0, 1), CV is not negative, and neither depends on who or on the unit."""
    assert -1e-12 <= gini(served) < 1.0
    assert variation(served) >= 0.0
    assert gini(served[::-1]) == pytest.approx(gini(served), abs=1e-9)
    assert gini(served * 7.0) == pytest.approx(gini(served), abs=1e-9)
    assert variation(served * 7.0) == pytest.approx(variation(served), abs=1e-9)


def test_balance_of_one_plug_that_serves_all() -> None:
    """One of four serves everybody: Gini 3/4, CV the root of three."""
    served = np.array([0.0, 8.0, 0.0, 0.0])

    assert gini(served) == pytest.approx(0.75)
    assert variation(served) == pytest.approx(math.sqrt(3.0))
    assert (gini(np.zeros(4)), variation(np.zeros(0))) == (0.0, 0.0)


def test_idle_gaps_are_those_between_sessions_of_one_plug() -> None:
    """Gaps of 5, 30 and 10 minutes beside sessions of 20: two are too short for another."""
    evse = np.array([3, 3, 1, 3, 1])
    from_s = np.array([0.0, 25.0, 0.0, 75.0, 30.0])
    to_s = from_s + 20.0

    gaps = idle_gaps(evse, from_s, to_s)

    assert gaps == IdleGaps(3, 2, 2 / 3, 15.0 / 45.0)


def test_sessions_that_touch_leave_no_gap() -> None:
    """Back to back, or with nothing at all, no time is lost."""
    nothing = IdleGaps(0, 0, 0.0, 0.0)

    assert idle_gaps(np.array([0, 0]), np.array([0.0, 9.0]), np.array([9.0, 12.0])) == nothing
    assert idle_gaps(np.zeros(0, np.intp), np.zeros(0), np.zeros(0)) == nothing


def test_traffic_counts_load_jam_and_change() -> None:
    """Loads 6, 2 and an empty road; the 6 are at grade 4; unguided it was 9 and 3."""
    told = traffic(np.array([6.0, 2.0, 0.0]), np.array([4.0, 3.9, 5.0]), np.array([9.0, 3.0, 0.0]))

    assert (told.mean_load, told.max_load) == (4.0, 6.0)
    assert told.jammed_share == 0.75
    assert told.mean_change == pytest.approx(-1 / 3, abs=1e-4)
    assert told.max_change == pytest.approx(-1 / 3, abs=1e-4)


def test_traffic_says_nothing_of_what_is_not_known() -> None:
    """Without grades there is no jam, without unguided loads no change; empty roads have none."""
    told = traffic(np.zeros(3))

    assert (told.mean_load, told.max_load) == (0.0, 0.0)
    assert math.isnan(told.jammed_share)
    assert math.isnan(told.mean_change)
    assert traffic(np.zeros(2), np.ones(2)).jammed_share == 0.0


def test_car_passes_a_pile_within_two_hundred_metres_of_its_way() -> None:
    """199 m beside the leg counts, 201 m does not, nor does what lies beyond its end."""
    start, end = np.array([[0.0, 0.0]]), np.array([[2.0, 0.0]])
    places = np.array([[1.0, 0.199], [1.0, 0.201], [2.19, 0.0], [2.21, 0.0]])

    assert cars_passing(start, end, np.array([4]), places).tolist() == [1, 0, 1, 0]


def test_car_that_passes_twice_is_one_car() -> None:
    """Two legs of one car by the same pile count once, two cars twice; nobody is nobody."""
    legs = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 0], [2.0, 0], [2.0, 0]])
    place = np.array([[1.0, 0.1]])

    assert cars_passing(*legs, np.array([7, 7, 7]), place).tolist() == [1]
    assert cars_passing(*legs, np.array([7, 7, 8]), place).tolist() == [2]
    assert cars_passing(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, int), place).tolist() == [0]


@given(POINTS, POINTS)
def test_passing_does_not_depend_on_direction(starts: np.ndarray, ends: np.ndarray) -> None:
    """There and back one passes the same piles, and the end of each leg is passed."""
    cars = np.arange(6)

    forth = cars_passing(starts, ends, cars, ends)

    assert (forth == cars_passing(ends, starts, cars, ends)).all()
    assert (forth >= 1).all()


@given(POINTS, POINTS)
def test_cells_hold_every_car_and_no_more(starts: np.ndarray, ends: np.ndarray) -> None:
    """No cell has more cars than there are, and start and end of every leg are in cells."""
    loads = cell_loads(starts, ends, np.arange(6), 0.5)

    assert max(loads.values()) <= 6
    for point in (*starts, *ends):
        assert tuple(np.floor(point / 0.5).astype(int).tolist()) in loads


@given(POINTS, POINTS)
def test_cells_do_not_depend_on_how_many_steps_are_held(
    starts: np.ndarray, ends: np.ndarray
) -> None:
    """Cars that take turns in little memory are counted as all at once, each once a cell."""
    cars = np.array([0, 1, 0, 2, 1, 0])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coordinator.core.passing._STEPS_AT_ONCE", 1)
        frugal = cell_loads(starts, ends, cars, 0.5)

    assert frugal == cell_loads(starts, ends, cars, 0.5)


def test_cells_of_two_counts_stand_side_by_side() -> None:
    """A cell that only one of both has is empty in the other."""
    guided, unguided = in_step({(0, 0): 2, (1, 0): 1}, {(1, 0): 4})

    assert (guided.tolist(), unguided.tolist()) == ([2.0, 1.0], [0.0, 4.0])
    assert cell_loads(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, int)) == {}


def test_plane_is_true_to_scale_off_the_equator() -> None:
    """At 60 degrees north a degree of longitude is half as long as one of latitude."""
    east, north = plane_km(np.array([[60.0, 1.0], [61.0, 0.0]]), (60.0, 0.0))

    assert east[0] == pytest.approx(north[1] / 2, rel=1e-6)


def test_no_plug_has_one_reason_each() -> None:
    """Occupied goes before blocked, blocked before out of service; a free plug is no problem."""
    told = no_plug(np.array([2, 0, 0, 0, 0]), np.array([0, 1, 0, 0, 3]), np.array([1, 1, 1, 0, 0]))

    assert told.share == 0.8
    assert (told.occupied, told.blocked, told.out_of_service) == (0.4, 0.2, 0.2)


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), max_size=30))
def test_reasons_add_up(arrivals: list[tuple[int, int, int]]) -> None:
    """The three reasons are all there are."""
    columns = np.array(arrivals, dtype=np.intp).reshape(-1, 3).T

    told = no_plug(*columns)

    assert told.occupied + told.out_of_service + told.blocked == pytest.approx(told.share)


def test_means_leave_out_what_is_not_known() -> None:
    """Unknown counts nowhere; of nothing there is no figure."""
    assert mean(np.array([2.0, np.nan, 4.0])) == 3.0
    assert math.isnan(mean(np.array([np.nan])))
    assert quantile(np.array([np.nan, 5.0])) == 5.0
    assert math.isnan(quantile(np.zeros(0)))


def test_waits_go_by_warning_level() -> None:
    """Each level has the mean of its own cars."""
    told = by_level(np.array([1.0, 5.0, 7.0]), np.array([1, 2, 2]))

    assert told[WarningLevel.HIGH] == 1.0
    assert told[WarningLevel.MEDIUM] == 6.0
    assert math.isnan(told[WarningLevel.LOW])


def test_saving_compares_the_same_cars() -> None:
    """Only cars with both prices count; without any there is no saving."""
    paid, otherwise = np.array([8.0, np.nan, 4.0]), np.array([10.0, 99.0, 6.0])

    assert saving(paid, otherwise) == 0.25
    assert math.isnan(saving(np.array([np.nan]), np.array([1.0])))


def test_gap_to_optimum_is_a_share_of_the_bound() -> None:
    """At the bound it is 0; without a bound there is none."""
    assert gap_to_optimum(10.0, 10.0) == 0.0
    assert gap_to_optimum(15.0, 10.0) == 0.5
    assert math.isnan(gap_to_optimum(15.0, 0.0))
