"""Waiting on the bench's clock, without a simulator: deadlines, conditions, messages."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_pilewise import BenchClock, NotMet, PileState
from pytest_pilewise.clock import clock_of
from pytest_pilewise.expectation import wait_until

IDLE = PileState("A-01*1", "Available", "A", power_kw=0.0)
BROKEN = PileState("A-01*1", "Faulted", "F", power_kw=0.0, faults=("GroundFailure",))


def becoming(clock: BenchClock, after_s: float) -> Callable[[], PileState]:
    """A pile that breaks so many simulated seconds from now."""
    start_ms = clock.now_ms
    return lambda: BROKEN if clock.now_ms - start_ms >= after_s * 1000 else IDLE


def test_time_until_met_is_simulated_and_fine_grained() -> None:
    """A fault after 1.3 s is found within half a percent of the limit of 2 s."""
    clock = BenchClock("stepped")

    took_s = wait_until("A", becoming(clock, 1.3), {"status": "Faulted"}, 2.0, clock)

    assert 1.3 <= took_s <= 1.3 + 0.01


@pytest.mark.parametrize(("after_s", "met"), [(1.999, True), (2.0, True), (2.02, False)])
def test_deadline_is_the_last_moment_that_counts(after_s: float, met: bool) -> None:
    """What comes at the limit is in time, what comes after it is not."""
    clock = BenchClock("stepped")

    try:
        wait_until("A", becoming(clock, after_s), {"status": "Faulted"}, 2.0, clock)
    except NotMet:
        assert not met
    else:
        assert met


def test_seeking_finds_a_change_exactly() -> None:
    """Who is told of changes finds one to the moment, and still looks for what creeps."""
    clock = BenchClock("stepped")
    read = becoming(clock, 1.37)
    start_ms = clock.now_ms
    asked: list[float] = []

    def seek(most_s: float) -> None:
        asked.append(most_s)
        left_s = 1.37 - (clock.now_ms - start_ms) / 1000
        clock.advance(min(most_s, left_s) if left_s > 0 else most_s)

    took_s = wait_until("A", read, {"status": "Faulted"}, 2.0, clock, seek)

    assert took_s == 1.37
    assert max(asked) == pytest.approx(0.1)
    assert len(asked) == 14


def test_missed_deadline_tells_wish_limit_and_what_was_seen() -> None:
    """The message is enough to see what went wrong."""
    clock = BenchClock("stepped")

    with pytest.raises(NotMet) as caught:
        wait_until("A-01*1", lambda: IDLE, {"status": "Faulted", "power_kw": 0.0}, 2.0, clock)

    assert str(caught.value) == (
        "A-01*1: expected status Faulted within 2 s; after 2.00 s it is: "
        "Available, IEC A, 0.00 kW, no faults"
    )


@pytest.mark.parametrize(
    "wanted",
    [
        {"status": "Faulted"},
        {"status": "OUTOFORDER"},
        {"status": ("Available", "Faulted")},
        {"fault": "GroundFailure"},
        {"power_kw": lambda kw: kw < 1},
        {"iec": "F", "faults": ("GroundFailure",), "status": "Faulted"},
    ],
)
def test_conditions_that_hold(wanted: dict[str, object]) -> None:
    """A value, OCPI's word, a choice, a fault among the faults, a function: each may hold."""
    clock = BenchClock("stepped")

    assert wait_until("A", lambda: BROKEN, wanted, 0.0, clock) == 0.0


@pytest.mark.parametrize(
    "wanted",
    [
        {"status": "Available"},
        {"status": "INOPERATIVE"},
        {"fault": "HighTemperature"},
        {"soc_pct": lambda pct: pct > 0},
        {"iec": "F", "status": "Charging"},
    ],
)
def test_conditions_that_do_not_hold(wanted: dict[str, object]) -> None:
    """Another value, an absent one, and one of two: none is met."""
    with pytest.raises(NotMet):
        wait_until("A", lambda: BROKEN, wanted, 0.0, BenchClock("stepped"))


def test_nothing_seen_yet_is_not_met() -> None:
    """Where nobody has reported, no condition holds."""
    with pytest.raises(NotMet, match="it is: None"):
        wait_until("agent", lambda: None, {"status": "AVAILABLE"}, 0.0, BenchClock("stepped"))


def test_limit_finer_than_the_clock_ends() -> None:
    """A limit that is no whole number of milliseconds is reached all the same."""
    with pytest.raises(NotMet):
        wait_until("A", lambda: IDLE, {"iec": "F"}, 0.0123456, BenchClock("stepped"))


def test_negative_limit_is_refused() -> None:
    """A deadline in the past is a mistake of the test."""
    with pytest.raises(ValueError, match="within_s is a duration"):
        wait_until("A", lambda: IDLE, {}, -1.0, BenchClock("stepped"))


def test_stepped_clock_takes_along_what_it_drives() -> None:
    """Late comers are caught up, early ones are waited for; what was released stays behind."""
    clock = BenchClock("stepped")
    start_ms = clock.now_ms
    at_ms = {"late": start_ms - 5000, "early": start_ms + 3000}

    def driver(name: str) -> Callable[[float], int]:
        def move(duration_s: float) -> int:
            at_ms[name] += round(duration_s * 1000)
            return at_ms[name]

        return move

    clock.drive("late", driver("late"))
    caught_up_ms = at_ms["late"]
    clock.drive("early", driver("early"))
    clock.advance(2.5)
    clock.release("late")
    clock.advance(1.0)

    assert caught_up_ms == start_ms
    assert at_ms == {"late": start_ms + 5500, "early": start_ms + 6500}
    assert clock.now_ms == start_ms + 6500


@pytest.mark.parametrize("word", ["", "fast", "x0", "x-3", "60"])
def test_unknown_clock_is_told_the_known_ones(word: str) -> None:
    """A word that names no clock says which do."""
    with pytest.raises(ValueError, match='write "stepped", "live" or "x60"'):
        clock_of(word)


def test_clock_does_not_go_back() -> None:
    """Time cannot be moved by a negative stride."""
    with pytest.raises(ValueError, match="forward"):
        BenchClock("stepped").advance(-1)
