"""Pilewise and the optimum on the paper's scenes: nobody beyond the slots, nothing beaten."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city_sim.paper.configurations import CONFIGURATIONS
from city_sim.paper.guided import Plans, costs_s, guided
from city_sim.paper.instance import Instance, draw
from city_sim.paper.optimum import optimum
from city_sim.paper.sizes import SIZES, Size, size_of

# Three cars on a street with two piles that have two slots each. All are nearest to the first; the
# one that comes last lives farthest from the second.
CROWD = Instance(
    size=Size("crowd", 3, 2, 1, 2),
    whole=False,
    cars_km=np.array([[0.0, 0.0], [0.9, 0.0], [-4.0, 0.0]]),
    stations_km=np.array([[0.5, 0.0], [2.0, 0.0]]),
    distance_km=np.array([[0.5, 2.0], [0.4, 1.1], [4.5, 7.0]]),
    counts=np.ones((3, 2)),
    load=np.ones((3, 2)),
    left_kwh=np.full(3, 30.0),
)


def km(scene: Instance, chosen: np.ndarray) -> float:
    return float(scene.distance_km[np.arange(scene.cars), chosen].sum())


def test_hold_alone_sends_whoever_comes_last_to_what_is_left() -> None:
    """Two cars hold the near slots; the third must drive on to the far pile."""
    assert guided(CROWD, Plans.NONE).station.tolist() == [0, 0, 1]


def test_joint_plan_moves_the_car_that_minds_least() -> None:
    """The second car gives way: it loses 0.7 km where the third gains 2.5."""
    told = guided(CROWD)

    assert told.station.tolist() == [0, 1, 0]
    assert told.station.tolist() == optimum(CROWD).tolist()
    assert told.switches == 2


def test_nobody_is_moved_for_less_than_a_switch_costs() -> None:
    """A plan that saves 0.8 km, less than two switches of 90 s, is left."""
    near = replace(CROWD, distance_km=np.array([[0.5, 2.0], [0.4, 1.1], [4.5, 6.0]]))

    assert guided(near).station.tolist() == [0, 0, 1]


def test_steps_need_a_free_slot() -> None:
    """On the road a car is sent only to where nobody is: an exchange of two cars is left out."""
    full = Instance(
        Size("full", 2, 2, 1, 1), False, np.zeros((2, 2)), np.zeros((2, 2)),
        np.array([[1.0, 1.5], [0.5, 4.0]]), np.ones((2, 2)), np.ones((2, 2)), np.zeros(2),
    )  # fmt: skip

    assert guided(full, Plans.NONE).station.tolist() == [0, 1]
    assert guided(full, Plans.WHOLE).station.tolist() == [1, 0]
    assert guided(full, Plans.STEPS).station.tolist() == [0, 1]


def test_cost_is_drive_and_load() -> None:
    """At 20 km/h a km is 180 s; grade 5 adds 60 s, and so does a station twice as busy as usual."""
    distance_km, load = np.array([[1.0, 2.0]]), np.array([[1.0, 5.0]])

    idle, busy = (costs_s(distance_km, load, np.array(sent))[0] for sent in ([0.0, 0.0], [2.0, 0]))

    assert idle[1] - idle[0] == 180.0 + 60.0
    assert (busy - idle).tolist() == [60.0, 0.0]


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10_000), st.sampled_from("ABCDEFGH"), st.integers(1, 24), st.integers(1, 6),
    st.integers(0, 2), st.sampled_from(list(Plans)),
)  # fmt: skip
def test_no_station_is_over_its_slots_and_the_optimum_is_least(
    seed: int, letter: str, cars: int, stations: int, spare: int, plans: Plans
) -> None:
    """Whatever the scene: all cars have a place, none too many, and no plan beats the optimum."""
    size = Size("any", cars, stations, 1, -(-cars // stations) + spare)
    scene = draw(CONFIGURATIONS[letter], size, seed)

    told, best = guided(scene, plans), optimum(scene)

    for chosen in (told.station, best):
        assert chosen.min() >= 0
        assert np.bincount(chosen, minlength=stations).max() <= size.slots_per_station
    assert km(scene, best) <= km(scene, told.station) + 1e-9


def test_plans_make_the_ways_shorter_and_are_the_same_twice() -> None:
    """A joint plan saves distance over holding alone; where slots are free, in steps too."""
    scene = draw(CONFIGURATIONS["D"], size_of("100x10", slots=12), 2)

    whole, steps, held = (guided(scene, plans) for plans in (Plans.WHOLE, Plans.STEPS, Plans.NONE))

    assert km(scene, whole.station) < km(scene, held.station)
    assert km(scene, steps.station) < km(scene, held.station)
    assert guided(scene).station.tolist() == whole.station.tolist()
    assert held.switches == 0


@pytest.mark.slow
def test_announced_scene_is_kept_within_its_slots() -> None:
    """500 cars share 40 stations of 7 plugs: at most 13 each, near the optimum."""
    scene = draw(CONFIGURATIONS["D"], SIZES["500x280"], 1)

    told = guided(scene)

    assert np.bincount(told.station, minlength=40).max() <= 13
    assert km(scene, told.station) < 1.3 * km(scene, optimum(scene))
