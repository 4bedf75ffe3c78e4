"""Whose turn is next at a station: nobody waits beside a free plug, need goes before promise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.core.areas.assignment import GREATEST_LOSS_S
from coordinator.core.areas.station_turns import Guest, Turn, in_turn, promised

HIGH, LOW = 1, 3


def guest(plug: int, here_s: float = 0.0, level: int = LOW, promised_s: float = 0.0) -> Guest:
    return Guest(level, plug, here_s, promised_s, stay_s=1800.0)


def test_waiting_car_takes_the_plug_that_is_free_first() -> None:
    """A stranger charges at its plug, another one is free and is promised to nobody before long."""
    turns = in_turn([guest(0)], [1500.0, 0.0])

    assert turns == [Turn(1, 0.0)]


def test_greater_need_goes_first_however_late_it_was_promised() -> None:
    """Two cars wait; the one in need gets the next plug though the other was promised it."""
    low, high = guest(0, promised_s=0.0), guest(1, level=HIGH, promised_s=600.0)

    turns = in_turn([low, high], [100.0, 300.0])

    assert turns == [Turn(1, 300.0), Turn(0, 100.0)]


def test_nobody_is_put_off_for_longer_than_five_minutes() -> None:
    """The car in need waits where another one would lose more than it may."""
    low, high = guest(0), guest(1, level=HIGH, promised_s=600.0)

    assert in_turn([low, high], [100.0, 100.0 + GREATEST_LOSS_S + 1.0]) is None


def test_car_that_knows_its_plug_and_is_on_its_way_loses_nothing() -> None:
    """A car two minutes away keeps its free plug, though another one waits beside it."""
    waits = guest(0)
    comes = Guest(LOW, 1, here_s=100.0, promised_s=100.0, stay_s=1800.0, told=True)

    assert in_turn([waits, comes], [200.0, 0.0]) is None


def test_plug_of_no_use_is_nobodys_turn() -> None:
    """Where a plug has failed its car goes to one that works."""
    assert in_turn([guest(0)], [1e6, 400.0]) == [Turn(1, 400.0)]
    assert in_turn([guest(0)], [1e6, 1e6]) is None


cars = st.builds(
    Guest,
    level=st.integers(1, 3),
    plug=st.integers(0, 2),
    here_s=st.sampled_from([0.0, 0.0, 60.0, 400.0]),
    promised_s=st.floats(-900.0, 3600.0),
    stay_s=st.sampled_from([1200.0, 3600.0]),
    told=st.booleans(),
    fixed=st.booleans(),
)


@given(st.lists(cars, max_size=8), st.lists(st.floats(0.0, 4000.0), min_size=3, max_size=3))
def test_turns_overlap_nowhere_and_no_one_loses_more_than_allowed(
    guests: list[Guest], ready_s: list[float]
) -> None:
    """Each plug serves one car at a time, whoever has a fixed turn keeps it, losses are bounded."""
    before, turns = promised(guests, ready_s), in_turn(guests, ready_s)
    if turns is None:
        return

    for plug in range(3):
        free_s = ready_s[plug]
        here = [(turn, guests[n]) for n, turn in enumerate(turns) if turn.plug == plug]
        for turn, car in sorted(here, key=lambda pair: pair[0].begin_s):
            assert turn.begin_s >= max(free_s, car.here_s) - 1e-6
            free_s = turn.begin_s + car.stay_s
    for car, was, is_now in zip(guests, before, turns, strict=True):
        assert is_now.begin_s - was.begin_s <= car.loss_s + 1e-6
        assert not car.fixed or is_now == was


def test_level_that_loses_is_never_the_highest_that_changes() -> None:
    """A lower level does not gain at the cost of a higher one."""
    high, low = guest(0, level=HIGH), guest(1, here_s=0.0, promised_s=-600.0)

    turns = in_turn([high, low], [0.0, 250.0])

    assert turns is None or turns[0].begin_s <= 0.0
    assert promised([high, low], [0.0, 250.0])[1].begin_s == pytest.approx(250.0)
