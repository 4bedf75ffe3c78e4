"""Splits are by time alone: nothing that is learned from is later than what is tested."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.splits import by_time, shares_of_rows, shares_of_span

instants = st.lists(st.floats(0.0, 1e9, width=32), min_size=1, max_size=60)
shares = st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95)).map(sorted)


@given(instants, st.lists(st.floats(0.0, 1e9, width=32), max_size=4).map(sorted))
def test_no_part_reaches_into_a_later_one(at: list[float], cuts: list[float]) -> None:
    """Each row is in exactly one part, and every part lies between its cuts."""
    at_s = np.array(at)
    parts = by_time(at_s, cuts)

    assert len(parts) == len(cuts) + 1
    assert (np.sum(parts, axis=0) == 1).all()
    for number, part in enumerate(parts):
        if number:
            assert (at_s[part] >= cuts[number - 1]).all()
        if number < len(cuts):
            assert (at_s[part] < cuts[number]).all()


@given(instants, shares, st.sampled_from([shares_of_rows, shares_of_span]))
def test_what_is_learned_from_is_earlier(at: list[float], given_shares: list[float], cut) -> None:  # type: ignore[no-untyped-def]
    """However the cuts are found, learning, stopping and testing follow each other in time."""
    at_s = np.array(at)
    train, validation, test = by_time(at_s, cut(at_s, given_shares))

    for earlier, later in ((train, validation), (train, test), (validation, test)):
        if earlier.any() and later.any():
            assert at_s[earlier].max() < at_s[later].min()


@given(instants, shares, st.randoms())
def test_the_order_of_rows_changes_nothing(at: list[float], given_shares, random) -> None:  # type: ignore[no-untyped-def]
    """A row's part depends on its instant and the set of instants, not on where it stands."""
    order = list(range(len(at)))
    random.shuffle(order)
    at_s = np.array(at)
    shuffled = at_s[order]

    one = by_time(at_s, shares_of_rows(at_s, given_shares))
    other = by_time(shuffled, shares_of_rows(shuffled, given_shares))

    for first, second in zip(one, other, strict=True):
        assert (first[order] == second).all()


def test_cuts_that_descend_are_refused() -> None:
    """A test span before the history is a mistake, not a split."""
    with pytest.raises(ValueError, match="ascend"):
        by_time(np.array([1.0, 2.0]), [2.0, 1.0])
