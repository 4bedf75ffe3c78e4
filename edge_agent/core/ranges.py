"""Sets of record numbers as ascending runs; both ends of a run belong to it."""

from __future__ import annotations

from collections.abc import Iterable

Run = tuple[int, int]
Runs = tuple[Run, ...]


def normalise(runs: Iterable[Run]) -> Runs:
    """The same numbers as ascending runs that neither touch nor overlap.

    >>> normalise([(5, 6), (1, 2), (3, 3), (9, 8)])
    ((1, 3), (5, 6))
    """
    merged: list[Run] = []
    for first, last in sorted(run for run in runs if run[0] <= run[1]):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)


def subtract(runs: Runs, taken: Runs) -> Runs:
    """Numbers of `runs` that are not in `taken`; both normalised.

    >>> subtract(((1, 10),), ((3, 4), (8, 20)))
    ((1, 2), (5, 7))
    """
    left: list[Run] = []
    for first, last in runs:
        for cut_first, cut_last in taken:
            if cut_last < first or cut_first > last:
                continue
            if cut_first > first:
                left.append((first, cut_first - 1))
            first = cut_last + 1
            if first > last:
                break
        if first <= last:
            left.append((first, last))
    return tuple(left)


def covers(runs: Runs, first: int, last: int) -> bool:
    """True where every number from `first` to `last` is in the normalised `runs`."""
    return any(run_first <= first and last <= run_last for run_first, run_last in runs)


def size(runs: Runs) -> int:
    """How many numbers the normalised runs hold."""
    return sum(last - first + 1 for first, last in runs)


def highest(runs: Runs) -> int:
    """The greatest number in the normalised runs; 0 where they are empty."""
    return runs[-1][1] if runs else 0


def leading(runs: Runs) -> int:
    """The number up to which, counted from 1, nothing is missing.

    >>> leading(((1, 7), (9, 9))), leading(((2, 3),))
    (7, 0)
    """
    return runs[0][1] if runs and runs[0][0] <= 1 else 0
