"""The joint plan: no car and no place twice, levels in order, nobody who has a place loses it."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from coordinator.core.areas.assignment import (
    LEVELS,
    NOWHERE,
    Plan,
    Problem,
    Settings,
    assign,
    keep,
)


def problem_of(
    costs: list[list[float]],
    levels: list[int] | None = None,
    now: list[int] | None = None,
    told: list[bool] | None = None,
    stations: list[int] | None = None,
    distinct: bool = False,
) -> Problem:
    """A problem from a table of costs, inf where a car cannot have a place."""
    table = np.array(costs, dtype=np.float64)
    if distinct:
        table = 9.0 * table + np.random.default_rng(4).uniform(0.0, 900.0, table.shape)
    car, place = np.nonzero(np.isfinite(table))
    n = len(table)
    return Problem(
        np.array(levels or [3] * n),
        np.array(now or [NOWHERE] * n, dtype=np.intp),
        np.array(told or [False] * n),
        car,
        place,
        table[car, place],
        np.array(stations if stations is not None else range(table.shape[1])),
    )


@st.composite
def problems(draw: st.DrawFn, most: int = 9, distinct: bool = False) -> Problem:
    """Any problem, some cars with a place; with `distinct` costs no two plans are equally good."""
    n, places = draw(st.integers(1, most)), draw(st.integers(1, most))
    cost = st.one_of(st.integers(0, 900).map(float), st.just(np.inf))
    costs = draw(st.lists(st.lists(cost, min_size=places, max_size=places), min_size=n, max_size=n))
    levels = draw(st.lists(st.sampled_from(LEVELS), min_size=n, max_size=n))
    told = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    stations = sorted(draw(st.lists(st.integers(0, 3), min_size=places, max_size=places)))
    held = draw(st.permutations(range(places)))
    now = [NOWHERE] * n
    for car, place in zip(range(n), held, strict=False):
        if np.isfinite(costs[car][place]) and draw(st.booleans()):
            now[car] = place
    return problem_of(costs, levels, now, told, stations, distinct)


def cost_of(problem: Problem, car: int, place: int) -> float:
    at = (problem.car == car) & (problem.place == place)
    return float(problem.cost_s[at][0])


def price(problem: Problem, places: tuple[int, ...], level: int) -> tuple[int, float]:
    """Cars of a level without a place, and the seconds of the others with their switches."""
    out, total = 0, 0.0
    for car, place in enumerate(places):
        if problem.level[car] != level:
            continue
        if place == NOWHERE:
            out += 1
            continue
        now = problem.now[car]
        moved = now != NOWHERE and problem.station[now] != problem.station[place]
        total += cost_of(problem, car, place) + 90.0 * moved
    return out, total


def allowed(problem: Problem, places: tuple[int, ...]) -> bool:
    """Whether no place is given twice and nobody who had one loses more than may be."""
    used = [place for place in places if place != NOWHERE]
    if len(used) != len(set(used)):
        return False
    for car, place in enumerate(places):
        now = int(problem.now[car])
        if now == NOWHERE:
            continue
        most = cost_of(problem, car, now) + (0.0 if problem.told[car] else 300.0)
        if place == NOWHERE or cost_of(problem, car, place) > most:
            return False
    return True


@pytest.mark.slow
@given(problems(4, distinct=True))
@settings(max_examples=150, deadline=None)
def test_plan_is_the_best_of_all_levels_in_order(problem: Problem) -> None:
    """No other plan serves more of a level, or that many at less cost, without harm to a higher."""
    choices = [
        [NOWHERE, *problem.place[problem.car == car].tolist()] for car in range(problem.count)
    ]
    every = [places for places in itertools.product(*choices) if allowed(problem, places)]
    best = min([price(problem, places, level) for level in LEVELS] for places in every)

    found = tuple(assign(problem).place.tolist())

    assert found in every
    made = [price(problem, found, level) for level in LEVELS]
    assert [out for out, _ in made] == [out for out, _ in best]
    np.testing.assert_allclose([s for _, s in made], [s for _, s in best], atol=0.2)


@pytest.mark.slow
@given(problems(), st.booleans(), st.booleans(), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_nobody_has_two_places_and_nobody_loses(
    problem: Problem, weighted: bool, repair: bool, block_cars: int
) -> None:
    """However a plan is made, a place is given once and who has one keeps one within the bound."""
    how = Settings(weighted=weighted, block_cars=block_cars)

    plan = keep(problem, how) if repair else assign(problem, how)

    assert allowed(problem, tuple(plan.place.tolist()))


@pytest.mark.slow
@given(problems())
@settings(max_examples=50, deadline=None)
def test_same_problem_has_the_same_plan(problem: Problem) -> None:
    """Two solutions of one problem are equal in every place."""
    first, second = assign(problem), assign(problem)

    assert first.place.tolist() == second.place.tolist()
    assert first.cost_s.tolist() == second.cost_s.tolist()


def test_higher_level_gets_the_place_whatever_it_costs_the_lower() -> None:
    """One second of a high level counts more than ten minutes of a low one, as long as both go."""
    problem = problem_of([[100.0, 700.0], [100.0, 101.0]], levels=[3, 1])

    assert assign(problem).place.tolist() == [1, 0]
    assert assign(problem, Settings(weighted=True)).place.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("urgent", "low_s", "places"), [(1, 180.0, [1, 0]), (1, 320.0, [0, 1]), (2, 180.0, [1, 0])]
)
def test_levels_that_are_weighed_count_four_two_and_one(
    urgent: int, low_s: float, places: list[int]
) -> None:
    """Fifty seconds of a more urgent car go before eighty of a low one, and not before 220."""
    problem = problem_of([[100.0, low_s], [100.0, 150.0]], levels=[3, urgent])

    assert assign(problem, Settings(weighted=True)).place.tolist() == places


def test_move_must_gain_more_than_a_switch_costs() -> None:
    """A car goes to another station for 91 s, not for 90; inside its station for a second."""
    for gain_s, place in ((89.0, 0), (91.0, 1)):
        across = problem_of([[500.0, 500.0 - gain_s]], now=[0])
        assert assign(across).place.tolist() == [place]

    inside = problem_of([[500.0, 499.0]], now=[0], stations=[4, 4])
    assert assign(inside).place.tolist() == [1]


@pytest.mark.parametrize(("told", "place"), [(False, 1), (True, 0)])
def test_car_that_knows_its_pile_is_moved_only_to_gain(told: bool, place: int) -> None:
    """A place is given up for a more urgent car within five minutes, unless the pile was told."""
    problem = problem_of([[100.0, 380.0], [50.0, np.inf]], [3, 1], [0, NOWHERE], [told, False])

    assert assign(problem).place.tolist()[0] == place


def test_holder_is_not_pushed_out_beyond_five_minutes() -> None:
    """A high level goes without rather than that a low one loses 301 s."""
    problem = problem_of([[100.0, 401.0], [50.0, np.inf]], [3, 1], [0, NOWHERE])

    assert assign(problem).place.tolist() == [0, NOWHERE]


def test_chain_of_three_frees_a_place() -> None:
    """Two cars move over so that a third, which can have only one place, gets it."""
    inf = np.inf
    costs = [[100.0, 150.0, inf], [inf, 100.0, 150.0], [80.0, inf, inf]]

    plan = assign(problem_of(costs, now=[0, 1, NOWHERE]))

    assert plan.place.tolist() == [1, 2, 0]


def test_no_time_left_means_that_everybody_keeps_its_place() -> None:
    """Without time nobody moves; a car without a place gets the cheapest that is left."""
    problem = problem_of([[500.0, 10.0, 900.0], [400.0, 5.0, 300.0]], now=[0, NOWHERE])

    plan = assign(problem, Settings(), lambda: 0.0)

    assert plan.place.tolist() == [0, 1]
    assert plan.repaired == 2


def test_car_whose_place_nobody_judged_stays_there() -> None:
    """A car that holds a place which is not among its candidates is left alone, and so is that."""
    problem = problem_of([[np.inf, 10.0], [5.0, 50.0]], now=[0, NOWHERE])

    assert assign(problem).place.tolist() == [0, 1]


def test_no_cars_is_no_plan() -> None:
    """Nobody on the way: nothing to do."""
    none = np.zeros(0, dtype=np.intp)
    empty = Problem(
        none.astype(np.int64), none, none.astype(bool), none, none, none.astype(np.float64), none
    )

    plan = assign(empty)

    assert isinstance(plan, Plan)
    assert plan.served == 0


@given(problems(), st.data())
@settings(max_examples=200, deadline=None)
def test_of_cars_without_a_place_those_with_less_drive_left_are_served_first(
    drawn: Problem, data: st.DataObject
) -> None:
    """Of a level: no other choice serves the first of them, then the next, ...; and as many."""
    n = drawn.count
    nobody = np.full(n, NOWHERE, dtype=np.intp)
    left_min = np.array(data.draw(st.permutations([3.0 * car for car in range(n)])))
    problem = replace(drawn, now=nobody, level=np.full(n, LEVELS[0]), left_min=left_min)

    served = set(np.flatnonzero(assign(problem).place != NOWHERE).tolist())

    first: set[int] = set()
    for car in np.argsort(left_min).tolist():
        if _can_all_be_served(problem, first | {car}):
            first.add(car)
    assert served == first


def _can_all_be_served(problem: Problem, cars: set[int]) -> bool:
    """Whether these cars can all have a place at once."""
    some = np.isin(problem.car, list(cars))
    shape = problem.count, len(problem.station)
    # Older matchers take no wider ones.
    ends = problem.car[some].astype(np.int32), problem.place[some].astype(np.int32)
    graph = csr_array((np.ones(int(some.sum()), dtype=np.int8), ends), shape=shape)
    found = maximum_bipartite_matching(graph, perm_type="column")
    return int(np.count_nonzero(found != NOWHERE)) == len(cars)


@pytest.mark.parametrize("left_min", [[30.0, 10.0], [10.0, 30.0]])
def test_need_goes_before_cost_and_cost_decides_within_a_minute(left_min: list[float]) -> None:
    """One place: the car with less drive left has it though it is further away."""
    made = problem_of([[100.0], [500.0]])

    plan = assign(replace(made, left_min=np.array(left_min)))
    alike = assign(replace(made, left_min=np.array([10.2, 10.1])))

    assert plan.place.tolist() == [NOWHERE if left == 30.0 else 0 for left in left_min]
    assert keep(replace(made, left_min=np.array(left_min))).place.tolist() == plan.place.tolist()
    assert alike.place.tolist() == [0, NOWHERE]


def test_need_takes_no_place_from_a_car_that_has_one() -> None:
    """Who has nothing left gets nothing where everybody keeps what is held."""
    made = problem_of([[100.0], [100.0]], now=[0, NOWHERE])

    assert assign(replace(made, left_min=np.array([90.0, 0.0]))).place.tolist() == [0, NOWHERE]


def test_weighed_levels_do_not_go_by_need() -> None:
    """Where levels are weighed, what a place costs decides, as before."""
    made = replace(problem_of([[100.0], [500.0]]), left_min=np.array([30.0, 10.0]))

    assert assign(made, Settings(weighted=True)).place.tolist() == [0, NOWHERE]
