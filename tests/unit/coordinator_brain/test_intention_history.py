"""What drivers did at each half-hour of the last 30 days."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.core.recommend.intention import Intention, most_probable, probabilities
from coordinator.core.recommend.intention_history import (
    BEFORE_PLUG_IN_S,
    DAY_S,
    SLOT_S,
    IntentionHistory,
    days_alike,
    half_hours,
    is_weekend,
)
from coordinator.core.recommend.rules import DEFAULT_RULES

MONDAY = 20_745 * DAY_S  # days since 1970-01-01; checked below
NOON = 12 * 3600.0


def monday(week: int = 0) -> float:
    """Local midnight of a Monday, so many weeks from the first."""
    return MONDAY + week * 7 * DAY_S


def test_the_monday_of_these_tests_is_one() -> None:
    """Days 0 to 4 are working days, 5 and 6 are a weekend."""
    day = int(MONDAY // DAY_S)

    assert [is_weekend(day + n) for n in range(7)] == [False] * 5 + [True] * 2


def test_stay_is_on_the_way_before_and_at_the_pile_until_plug_out() -> None:
    """From 20 min before plug-in S1, then S2; the half-hour of the plug-in counts as S2."""
    history = IntentionHistory()
    history.learn("u", monday() + NOON + 600.0, monday() + NOON + 3_600.0)
    later = monday(1) + NOON

    counted = {n: history.days("u", later + n * SLOT_S) for n in range(-2, 4)}

    whole = len(days_alike(int(later // DAY_S)))
    none, on_the_way, at_pile = (0, 0, whole), (1, 0, whole - 1), (0, 1, whole - 1)
    assert counted == {
        -2: none, -1: on_the_way, 0: at_pile, 1: at_pile, 2: none, 3: none,
    }  # fmt: skip


def test_promise_makes_the_way_longer_than_twenty_minutes() -> None:
    """Who was promised a pile an hour before plug-in was on the way all that hour."""
    history = IntentionHistory()
    plugged_at_s = monday() + NOON
    history.learn("u", plugged_at_s, plugged_at_s + 60.0, plugged_at_s - 3_600.0)
    later = monday(1) + NOON

    on_the_way = [history.days("u", later - n * SLOT_S) for n in (1, 2, 3)]

    assert [days and days[0] for days in on_the_way] == [1, 1, 0]


@pytest.mark.parametrize(("before_s", "slots"), [(1_199.0, 1), (1_201.0, 2)])
def test_way_without_a_promise_begins_twenty_minutes_before_plug_in(
    before_s: float, slots: int
) -> None:
    """The half-hour boundary lies before or after the begin of the way."""
    assert BEFORE_PLUG_IN_S == 1_200.0
    history = IntentionHistory()
    plugged_at_s = monday() + NOON + before_s
    history.learn("u", plugged_at_s, plugged_at_s + 60.0)
    later = monday(1) + NOON

    counted = [history.days("u", later + n * SLOT_S) for n in (-1, 0)]

    assert sum(1 for days in counted if days and days[0] + days[1]) == 3 - slots
    assert (counted[0] is not None and counted[0][0] == 1) is (slots == 1)


def test_half_hour_counts_once_a_day() -> None:
    """Two short stays in one half-hour are one day at a pile."""
    history = IntentionHistory()
    for start_s in (60.0, 900.0):
        history.learn("u", monday() + NOON + start_s, monday() + NOON + start_s + 120.0)

    whole = len(days_alike(int(monday(1) // DAY_S)))
    assert history.days("u", monday(1) + NOON) == (0, 1, whole - 1)


def test_being_at_a_pile_comes_before_being_on_the_way() -> None:
    """A way to a second pile in the half-hour of a stay does not undo the stay, in either order."""
    for order in (1, -1):
        history = IntentionHistory()
        stays = [(monday() + NOON, monday() + NOON + 600.0), (monday() + NOON + 1_900.0,) * 2]
        for plugged_at_s, left_at_s in stays[::order]:
            history.learn("u", plugged_at_s, left_at_s)

        days = history.days("u", monday(1) + NOON)
        assert days is not None
        assert days[:2] == (0, 1)


def test_weekdays_and_weekends_are_counted_apart() -> None:
    """A habit of Mondays says nothing of a Saturday."""
    history = IntentionHistory()
    for week in range(4):
        history.learn("u", monday(week) + NOON, monday(week) + NOON + 3_600.0)

    workday = history.days("u", monday(4) + NOON)
    weekend = history.days("u", monday(4) - DAY_S + NOON)

    assert workday is not None
    assert workday[1] == 4
    assert weekend is not None
    assert weekend[:2] == (0, 0)


def test_history_reaches_thirty_days_back() -> None:
    """A stay of 30 days ago counts; a day later the driver has no history any more."""
    history = IntentionHistory()
    start_s = monday() + NOON
    history.learn("u", start_s, start_s + 600.0)

    last, over = (history.days("u", start_s + days * DAY_S) for days in (30, 31))

    assert last is not None
    assert last[1] == 1  # a Monday, seen from the Wednesday after four weeks
    assert over is None


def test_today_is_not_counted() -> None:
    """A half-hour that is not over says nothing of itself; history is the days before."""
    history = IntentionHistory()
    history.learn("u", monday() + NOON, monday() + NOON + 600.0)

    days = history.days("u", monday() + NOON + 60.0)

    assert days is not None
    assert days[:2] == (0, 0)


def test_old_stay_learnt_late_does_not_undo_newer_ones() -> None:
    """A stay of before the 30 days is passed over, although its day shares a place with a newer."""
    history = IntentionHistory()
    history.learn("u", monday(5) + NOON, monday(5) + NOON + 600.0)
    history.learn("u", monday(5) + NOON - 31 * DAY_S, monday(5) + NOON - 31 * DAY_S + 600.0)

    days = history.days("u", monday(6) + NOON)

    assert days is not None
    assert days[1] == 1


def test_days_are_local() -> None:
    """20:30 UTC is half past four in the morning of the next day in Shenzhen."""
    assert half_hours(20.5 * 3600.0, 20.5 * 3600.0, 8.0) == [(1, 9)]


def test_driver_without_history_is_taken_for_one_of_the_district() -> None:
    """The counts of all drivers at this half-hour stand in; without any, 30 days of S3."""
    history = IntentionHistory(least_drivers=2)
    now_s = monday(4) + NOON
    assert history.district_days(now_s) == (0, 0, 30)
    for week in range(4):
        history.learn("often", monday(week) + NOON, monday(week) + NOON + 600.0)
    history.learn("seldom", monday(3) + DAY_S, monday(3) + DAY_S + 600.0)
    history.district_days(now_s + SLOT_S)  # another half-hour: what was counted is not kept

    assert history.days("nobody", now_s) is None
    s1, s2, s3 = history.district_days(now_s)
    whole = len(days_alike(int(now_s // DAY_S)))
    assert (s1, s2, s3) == (0, 4, 2 * whole - 4)
    assert history.p_on_the_way(["nobody"], now_s)[0] == probabilities(s1, s2, s3)[0]


def test_too_few_drivers_are_not_the_district() -> None:
    """Four regular drivers say nothing of a stranger, five do; the setting says how many."""
    now_s = monday(4) + NOON
    told = {}
    for drivers in (4, 5):
        history = IntentionHistory()
        for number in range(drivers):
            for week in range(4):
                history.learn(f"u{number}", monday(week) + NOON, monday(week) + NOON + 600.0)
        told[drivers] = history.district_days(now_s)

    whole = len(days_alike(int(now_s // DAY_S)))
    assert DEFAULT_RULES.least_drivers == 5
    assert told == {4: (0, 0, 30), 5: (0, 20, 5 * whole - 20)}


def test_holiday_counts_with_the_weekends() -> None:
    """What a driver does on a public holiday says nothing of working days, but of Sundays."""
    history = IntentionHistory()
    history.holidays = frozenset({int(monday(3) // DAY_S)})
    history.learn("u", monday(3) + NOON, monday(3) + NOON + 600.0)
    working, sunday = monday(4) + NOON, monday(4) - DAY_S + NOON

    found = [history.days("u", at_s) for at_s in (working, sunday)]

    assert [days is not None and days[1] for days in found] == [0, 1]
    assert found[0] is not None
    assert sum(found[0]) == len(days_alike(int(monday(4) // DAY_S))) - 1


def test_column_of_chances_equals_the_chances_of_each() -> None:
    """Summing over the neighbours gives what asking for each would."""
    history = IntentionHistory()
    for number in range(150):  # more than the table begins with
        start_s = monday(number % 4) + (number % 48) * SLOT_S
        history.learn(f"u{number}", start_s, start_s + 2_400.0)
    now_s = monday(4) + NOON
    drivers = [*(f"u{number}" for number in range(150)), "new"]

    column = history.p_on_the_way(drivers, now_s)

    each = [
        probabilities(*(history.days(driver, now_s) or history.district_days(now_s)))[0]
        for driver in drivers
    ]
    assert column.tolist() == pytest.approx(each)


def test_forgotten_driver_leaves_nothing() -> None:
    """Nothing of a driver who is forgotten is left, not even to who takes the place."""
    history = IntentionHistory()
    history.learn("u", monday() + NOON, monday() + NOON + 600.0)

    history.forget("u")
    history.learn("v", monday() + DAY_S, monday() + DAY_S + 60.0)

    assert history.days("u", monday(1) + NOON) is None
    found = history.days("v", monday(1) + NOON)
    assert found is not None
    assert found[:2] == (0, 0)


def test_drivers_of_long_ago_are_pruned() -> None:
    """Who was not seen for 30 days takes no place any more."""
    history = IntentionHistory()
    history.learn("u", monday() + NOON, monday() + NOON + 600.0)

    history.prune(monday(1))
    assert len(history) == 1
    history.prune(monday(5))
    assert len(history) == 0


def test_regular_driver_is_at_the_pile_at_the_usual_hour() -> None:
    """Who charged on every working day of a month at noon is taken to be at a pile at noon."""
    history = IntentionHistory()
    for day in range(35):
        start_s = monday() + day * DAY_S + NOON
        history.learn("u", start_s, start_s + 1_800.0)
    days = history.days("u", monday(5) + NOON)

    assert days is not None
    assert most_probable(probabilities(*days)) is Intention.AT_PILE


@given(
    st.lists(
        st.tuples(st.floats(0, 60 * DAY_S), st.floats(0, 3 * DAY_S), st.floats(0, 4 * 3600.0)),
        max_size=12,
    ),
    st.floats(0, 65 * DAY_S),
)
def test_counts_are_days_whatever_was_learnt(
    stays: list[tuple[float, float, float]], at_s: float
) -> None:
    """The three counts are never negative and sum to the days alike; P sums to 1."""
    history = IntentionHistory(8.0)
    for start_s, stay_s, way_s in stays:
        start_s += MONDAY
        history.learn("u", start_s, start_s + stay_s, start_s - way_s)
    now_s = MONDAY + at_s
    today = half_hours(now_s, now_s, 8.0)[0][0]

    for days in (history.days("u", now_s), history.district_days(now_s)):
        if days is not None:
            assert min(days) >= 0
            assert sum(days) in (len(days_alike(today)), 30)
            assert math.isclose(sum(probabilities(*days)), 1.0)
