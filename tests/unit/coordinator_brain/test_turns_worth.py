"""What a joint plan asks of drivers: a turn to another station only where it is worth one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from coordinator.core.areas.assignment import SWITCH_S, Plan, Problem
from coordinator.core.areas.moves import Wish, chains
from coordinator.core.areas.places import Places
from coordinator.core.vehicle import WarningLevel
from coordinator.usecases.promises import Promise
from coordinator.usecases.replan import TURNS_WORTH, wishes
from coordinator.usecases.survey import Survey

HIGH, MEDIUM, LOW = map(int, (WarningLevel.HIGH, WarningLevel.MEDIUM, WarningLevel.LOW))


def seen(levels: list[int], costs_s: list[list[float]], station: list[int]) -> Survey:
    """Cars that have the places of their own number, and what each place would cost each."""
    cars, count = len(levels), len(station)
    every = np.arange(count)
    made = Problem(
        np.array(levels), np.arange(cars), np.full(cars, False),
        np.repeat(np.arange(cars), count), np.tile(every, cars),
        np.array(costs_s).ravel(), np.array(station),
    )  # fmt: skip
    on_the_way = cast(Promise, SimpleNamespace(arrived_link_s=float("-inf")))
    places = Places(every, np.zeros(count, dtype=int), np.zeros(count), np.zeros(count, dtype=int))
    turns = np.zeros(cars, dtype=np.intp)
    return Survey([on_the_way] * cars, [], np.arange(cars), turns, places, made)


def asked(view: Survey, to: list[int]) -> list[list[int]]:
    """The cars that are asked to move, by chain, if the plan gives them these places."""
    cost_s = view.problem.cost_s.reshape(len(to), -1)[np.arange(len(to)), to]
    plan = Plan(np.array(to), cost_s)
    found = chains(wishes(view, plan, SWITCH_S), dict.fromkeys(range(len(to)), 1))
    return [[wish.car for wish in chain] for chain in found]


@pytest.mark.parametrize(("saved_s", "turns"), [(314.0, False), (316.0, True)])
def test_a_turn_saves_more_than_a_switch_costs(saved_s: float, turns: bool) -> None:
    """A driver is not asked to turn round for less."""
    view = seen([LOW], [[600.0, 600.0 - saved_s]], station=[0, 1])

    assert TURNS_WORTH * SWITCH_S == 315.0
    assert asked(view, [1]) == ([[0]] if turns else [])


@pytest.mark.parametrize(("saved_s", "moved"), [(1e-4, False), (4.0, False), (10.0, True)])
def test_another_plug_of_the_station_costs_no_turn(saved_s: float, moved: bool) -> None:
    """Nobody drives elsewhere: what is taken there is any gain that estimates can tell."""
    view = seen([LOW], [[600.0, 600.0 - saved_s]], station=[0, 0])

    assert asked(view, [1]) == ([[0]] if moved else [])


@pytest.mark.parametrize(("level", "moved"), [(LOW, []), (MEDIUM, [[0, 1]]), (HIGH, [[0, 1]])])
def test_room_is_made_for_those_in_greater_need(level: int, moved: list[list[int]]) -> None:
    """The same minutes are worth two drivers' turns if a car in need saves them."""
    costs_s = [[300.0, 900.0, 360.0], [360.0, 600.0, 900.0]]
    view = seen([LOW, level], costs_s, station=[0, 1, 2])

    assert asked(view, [2, 0]) == moved


def test_a_wish_tells_what_the_car_itself_saves() -> None:
    """Its sentence is of its own gain, not of weights."""
    view = seen([HIGH], [[600.0, 300.0]], station=[0, 1])
    (wish,) = wishes(view, Plan(np.array([1]), np.array([300.0])), SWITCH_S)

    assert isinstance(wish, Wish)
    assert (wish.own_gain_s, wish.gain_s) == (300.0, 9.0 * 300.0 - 315.0)
