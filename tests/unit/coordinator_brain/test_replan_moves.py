"""From a plan to steps: no place is doubled, chains are short, nobody goes for nothing."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.core.areas.moves import LONGEST_CHAIN, Wish, chains
from coordinator.core.areas.places import TURNS, places, turns_ready_s


def wish(car: int, evse: int, to_evse: int, gain_s: float, told: bool = False) -> Wish:
    """A move between EVSEs of stations of their own, to the first turn."""
    return Wish(car, evse, 0, evse, to_evse, 0, to_evse, gain_s, told)


def test_a_circle_across_stations_is_never_begun() -> None:
    """Two cars that would swap stay where they are."""
    assert chains([wish(0, 1, 2, 300.0), wish(1, 2, 1, 300.0)], {1: 1, 2: 1}) == []


def test_a_chain_has_three_steps_at_most() -> None:
    """Of four cars that would follow each other, three go."""
    row = [wish(car, car, car + 1, 100.0) for car in range(4)]

    (chain,) = chains(row, {0: 1, 1: 1, 2: 1, 3: 1})

    assert [step.car for step in chain] == [3, 2, 1]


def test_who_would_make_room_for_nobody_stays() -> None:
    """The first car loses only if those who follow gain more; else nobody goes."""
    away, better = wish(0, 1, 2, -200.0), wish(1, 3, 1, 150.0)

    assert chains([away, better], {1: 1, 3: 1}) == []
    assert len(chains([away, wish(1, 3, 1, 250.0)], {1: 1, 3: 1})) == 1


def test_a_car_that_knows_its_pile_is_asked_even_inside_its_station() -> None:
    """Acceptance is needed across stations, and within one once the pile was told."""
    inside = Wish(0, 1, 0, 7, 2, 0, 7, 60.0)

    assert not inside.needs_word
    assert Wish(0, 1, 0, 7, 2, 0, 7, 60.0, told=True).needs_word
    assert wish(0, 1, 2, 60.0).needs_word


@given(st.permutations(range(6)), st.lists(st.integers(-200, 400), min_size=6, max_size=6))
@settings(max_examples=200, deadline=None)
def test_steps_never_put_two_cars_on_one_place(order: list[int], gains: list[int]) -> None:
    """Whatever the plan, carried out step by step in order, an EVSE never has two first turns."""
    wanted = [wish(car, car, to, float(gains[car])) for car, to in enumerate(order[:4])]
    there = {car: car for car in range(4)}

    for chain in chains(wanted, dict.fromkeys(range(4), 1)):
        assert len(chain) <= LONGEST_CHAIN
        assert sum(step.gain_s for step in chain) > 0.0
        for step in chain:
            assert step.to_evse not in there.values()
            there[step.car] = step.to_evse


def test_turns_of_an_evse_cost_a_stay_each_and_end_at_three() -> None:
    """The second car pays one mean stay, the third two; there is no fourth."""
    ready_s = turns_ready_s(np.array([60.0]), {}, 1_000.0, 30.0)
    made = places(np.array([0]), np.array([9]), ready_s, np.array([0]))

    assert made.turn.tolist() == list(range(TURNS))
    assert made.ready_s.tolist() == [60.0, 1_060.0, 2_060.0]
    assert made.of(9, 2) == 2
    assert made.of(9, 3) == -1


def test_turns_that_are_promised_are_places_even_at_a_large_station() -> None:
    """Of thirty EVSEs alike the first free are places, and those that somebody was promised."""
    ready_s = np.arange(30.0)
    promised = np.zeros(30, dtype=np.intp)
    promised[29] = 2

    by_turn_s = turns_ready_s(ready_s, {29: [500.0, 900.0]}, 5_000.0, 30.0)
    made = places(np.zeros(30, dtype=np.intp), np.arange(30), by_turn_s, promised)

    assert made.of(29, 1) >= 0
    assert made.of(0, 0) == 0
    assert made.of(28, 0) == -1
