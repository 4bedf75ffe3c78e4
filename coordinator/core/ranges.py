"""Which record numbers of a spool are settled, as ascending runs; and what of a batch is new.

Numbers start at 1 and are gapless within a spool, so the runs are few: one in good times.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

Run = tuple[int, int]


class Ranges:
    """A set of whole numbers as runs `(first, last)`, both included.

    >>> stored = Ranges([(1, 5)])
    >>> stored.missing(4, 8)
    [(6, 8)]
    >>> stored.add(8, 9)
    >>> stored.acked_through, stored.later(16)
    (5, [(8, 9)])
    """

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in runs:
            self.add(first, last)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self.runs() == other.runs()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.runs())

    def __repr__(self) -> str:
        return f"Ranges({self.runs()})"

    def runs(self) -> list[Run]:
        """All runs, ascending; no two of them touch."""
        return list(zip(self._firsts, self._lasts, strict=True))

    def copy(self) -> Ranges:
        """The same numbers, to be changed apart."""
        twin = Ranges()
        twin._firsts = self._firsts.copy()
        twin._lasts = self._lasts.copy()
        return twin

    def add(self, first: int, last: int) -> None:
        """Takes the numbers from `first` to `last` in; numbers that are there stay."""
        if last < first:
            return
        # Runs that overlap or touch [first, last] melt into one.
        low = bisect_left(self._lasts, first - 1)
        high = low
        while high < len(self._firsts) and self._firsts[high] <= last + 1:
            high += 1
        if low < high:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def missing(self, first: int, last: int) -> list[Run]:
        """Runs of the numbers from `first` to `last` that are not here."""
        found: list[Run] = []
        index = bisect_left(self._lasts, first)
        while first <= last:
            if index == len(self._firsts) or self._firsts[index] > last:
                found.append((first, last))
                break
            if self._firsts[index] > first:
                found.append((first, self._firsts[index] - 1))
            first = self._lasts[index] + 1
            index += 1
        return found

    @property
    def acked_through(self) -> int:
        """The last number of the gapless run that begins at 1; 0 if there is none."""
        if self._firsts and self._firsts[0] <= 1:
            return self._lasts[0]
        return 0

    def later(self, limit: int) -> list[Run]:
        """The first runs, at most `limit`, that lie beyond `acked_through`."""
        start = 1 if self.acked_through else 0
        return self.runs()[start : start + limit]

    @property
    def last(self) -> int:
        """The greatest number; 0 if empty."""
        return self._lasts[-1] if self._lasts else 0
