"""Ranges of registers, first to last, and what requests have to do with them.

What a range means for a device is in `map.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

Range = tuple[int, int]


def touches(ranges: Sequence[Range], address: int, count: int) -> bool:
    """Whether a request for these registers touches one of the ranges.

    >>> touches([(730, 731)], 729, 2), touches([(730, 731)], 732, 4)
    (True, False)
    """
    return any(address <= last and first < address + max(count, 1) for first, last in ranges)


def cuts(start: int, width: int, at: int, end: int) -> bool:
    """Whether a request from `at` to before `end` begins or ends within a field.

    >>> cuts(1008, 2, 1008, 1010), cuts(1008, 2, 1009, 1011), cuts(1008, 2, 1008, 1009)
    (False, True, True)
    """
    return at != start or start + width > end
