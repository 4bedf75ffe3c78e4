"""What the spool no longer has, as it is told: gaps with numbers, and losses before there were any.

Keeping them in the database belongs to `spool_numbers.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredGap:
    """Numbers of a spool that are lost for good; instants are 0 where unknown."""

    spool_id: str
    first: int
    last: int
    reason: str
    from_at_ms: int = 0
    to_at_ms: int = 0
    position: int = 0


@dataclass(frozen=True, slots=True)
class Dropped:
    """Records that were given up before they had numbers; they use up numbers as a gap."""

    count: int
    from_at_ms: int
    to_at_ms: int


def merged(one: Dropped | None, two: Dropped | None) -> Dropped | None:
    """Both as one; None where both are."""
    if one is None or two is None:
        return one or two
    return Dropped(
        one.count + two.count,
        min(one.from_at_ms, two.from_at_ms),
        max(one.to_at_ms, two.to_at_ms),
    )
