"""Runs of record numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coordinator.core.ranges import Ranges

Runs = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 12)).map(lambda r: (r[0], r[0] + r[1]))
)


@given(Runs, st.integers(1, 60), st.integers(0, 20))
def test_ranges_behave_like_a_set(runs: list[tuple[int, int]], first: int, length: int) -> None:
    """Ranges hold exactly the numbers added, as few runs that do not touch."""
    ranges = Ranges(runs)
    numbers = {n for a, b in runs for n in range(a, b + 1)}
    last = first + length

    missing = {n for a, b in ranges.missing(first, last) for n in range(a, b + 1)}

    assert {n for a, b in ranges.runs() for n in range(a, b + 1)} == numbers
    assert all(b + 1 < c for (_, b), (c, _) in zip(ranges.runs(), ranges.runs()[1:], strict=False))
    assert missing == set(range(first, last + 1)) - numbers
    assert len(ranges) == len(numbers)


def test_acked_through_is_zero_without_the_first_number() -> None:
    """Numbers after a hole at 1 are later runs, not acked through."""
    ranges = Ranges([(2, 4), (7, 9)])

    assert ranges.acked_through == 0
    assert ranges.later(16) == [(2, 4), (7, 9)]
    assert ranges.later(1) == [(2, 4)]


def test_filling_the_hole_joins_the_runs() -> None:
    """The missing numbers make one gapless run of three."""
    ranges = Ranges([(1, 3), (6, 9)])
    ranges.add(4, 5)

    assert ranges.runs() == [(1, 9)]
    assert ranges.acked_through == 9
    assert ranges.later(16) == []


def test_copy_changes_apart() -> None:
    """What is added to a copy does not show in the original."""
    ranges = Ranges([(1, 3)])
    ranges.copy().add(4, 9)

    assert ranges.runs() == [(1, 3)]
