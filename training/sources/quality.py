"""What became of the rows of a source: kept, dropped and why, missing, repeated, clocks in trouble.

Counted while the adapter reads; nothing is judged twice.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(slots=True)
class Quality:
    """Counts of one file or table."""

    read: int = 0
    rows: int = 0
    duplicates: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    clock: Counter[str] = field(default_factory=Counter)
    from_s: float = math.inf
    to_s: float = -math.inf
    _span: tuple[float, float] = (math.nan, math.nan)
    _newest_s: float = -math.inf
    _spans: dict[Any, list[tuple[float, float]]] = field(default_factory=dict)

    def drop(self, why: str) -> None:
        """A row that cannot be used."""
        self.dropped[why] += 1

    def repeat(self) -> None:
        """A row that was there before."""
        self.duplicates += 1
        self.dropped["repeated"] += 1

    def bounded(self, begin_s: float, end_s: float) -> bool:
        """Notes the time of a row; False if it ended before it began."""
        self._span = begin_s, end_s
        if end_s < begin_s:
            self.clock["ended_before_begin"] += 1
            return False
        return True

    def keep(self, each: Any = None) -> None:
        """The row whose time was noted is used; `each` names whose rows must not overlap."""
        self.rows += 1
        begin_s, end_s = self._span
        if math.isnan(begin_s):
            return
        if begin_s < self._newest_s and each is None:
            self.clock["out_of_order"] += 1
        self._newest_s = max(self._newest_s, begin_s)
        self.from_s, self.to_s = min(self.from_s, begin_s), max(self.to_s, end_s)
        if each is not None:
            self._spans.setdefault(each, []).append((begin_s, end_s))

    def overlaps(self) -> int:
        """Rows of the same name that began before the one before them had ended."""
        found = 0
        for spans in self._spans.values():
            latest_s = -math.inf
            for begin_s, end_s in sorted(spans):
                found += begin_s < latest_s
                latest_s = max(latest_s, end_s)
        return found

    def told(self) -> dict[str, Any]:
        """The report as plain values."""
        clock = dict(self.clock)
        if overlaps := self.overlaps():
            clock["overlaps"] = overlaps
        return {
            "read": self.read,
            "rows": self.rows,
            "span": [written(self.from_s), written(self.to_s)]
            if math.isfinite(self.from_s)
            else None,
            "dropped": dict(self.dropped),
            "missing": {
                name: round(count / self.read, 4) for name, count in sorted(self.missing.items())
            },
            "duplicates": self.duplicates,
            "clock": clock,
        }


def written(at_s: float) -> str | None:
    """An instant as text; None where there is none.

    >>> written(0.0)
    '1970-01-01T00:00:00'
    """
    if not math.isfinite(at_s):
        return None
    return datetime.fromtimestamp(at_s, UTC).replace(tzinfo=None).isoformat(timespec="seconds")
