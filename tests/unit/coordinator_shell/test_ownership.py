"""Who speaks for a pile when: spans that follow each other."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coordinator.core.ownership import Ownership, OwnerSpan, unlimited, windows_ms

Moves = st.lists(st.tuples(st.sampled_from(["a", "b", ""]), st.integers(0, 50)), max_size=8)


def test_pile_that_moves_has_one_owner_at_a_time() -> None:
    """The former's time ends where the next one's begins."""
    owners = Ownership([OwnerSpan("P", "a", 0.0)])

    owners.give("P", "b", 50.0)

    assert [owners.owner_at("P", at) for at in (0.0, 49.9, 50.0, 1e9)] == ["a", "a", "b", "b"]
    assert (owners.piles_of("a", 60.0), owners.piles_of("b", 60.0)) == ([], ["P"])
    assert list(owners.spans_with("a")) == ["P"]
    assert owners.agents_at(60.0) == {"b"}


def test_pile_given_ahead_of_time_is_still_the_formers() -> None:
    """A move that is to come changes nothing yet."""
    owners = Ownership([OwnerSpan("P", "a", 0.0)])

    owners.give("P", "b", 100.0)

    assert owners.owner_at("P", 99.0) == "a"
    assert not unlimited(owners.spans_with("a")["P"])


def test_pile_given_to_nobody_had_an_owner() -> None:
    """A pile that was taken away is nobody's, and not as one that nobody ever had."""
    owners = Ownership([OwnerSpan("P", "a", 0.0)])

    owners.give("P", "", 10.0)

    seen = owners.owner_at("P", 20.0), owners.had_owner("P"), owners.had_owner("Q")
    assert seen == ("", True, False)


@given(Moves)
def test_spans_never_overlap_whatever_is_given(moves: list[tuple[str, int]]) -> None:
    """After any moves each instant has at most one owner, and the last word holds from its time."""
    owners = Ownership()
    for agent_id, at_s in moves:
        owners.give("P", agent_id, float(at_s))

    spans = owners.spans_of("P")
    for one, two in pairwise(spans):
        assert one.to_s is not None
        assert one.from_s < one.to_s <= two.from_s
    if moves:
        agent_id, at_s = moves[-1]
        assert owners.owner_at("P", at_s) == agent_id
    again = Ownership(spans)
    for instant in np.linspace(0, 60, 25).tolist():
        assert again.owner_at("P", instant) == owners.owner_at("P", instant)


def test_windows_are_whole_milliseconds() -> None:
    """A span without an end has one beyond all time."""
    windows = windows_ms([OwnerSpan("P", "a", 0.0, 1.5), OwnerSpan("P", "a", 2.0)])

    assert windows[0] == (0, 1500)
    assert windows[1][1] > 10**15
