"""How often each caller may call: a bucket of turns that fills at its own rate.

Who callers are is in `caller.py`. Memory is bounded: who was not heard for longest is forgotten,
and starts with a full bucket.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Turns a second over time, and at once after a rest."""

    per_s: float
    burst: float


class Buckets:
    """A bucket for each key.

    >>> buckets, pace = Buckets(), Pace(per_s=2.0, burst=3.0)
    >>> [buckets.take("a", pace, 0.0) for _ in range(5)]
    [0.0, 0.0, 0.0, 0.5, 0.5]
    >>> buckets.take("b", pace, 0.0), buckets.take("a", pace, 0.5), buckets.take("a", pace, 0.75)
    (0.0, 0.0, 0.25)
    """

    def __init__(self, most: int = 50_000) -> None:
        self._most = most
        self._buckets: OrderedDict[str, list[float]] = OrderedDict()  # turns left, and when

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, key: str, pace: Pace, now_s: float) -> float:
        """In how many seconds there is a turn; none is taken."""
        bucket = self._buckets.get(key)
        if bucket is None:
            return 0.0
        left = min(pace.burst, bucket[0] + (now_s - bucket[1]) * pace.per_s)
        return 0.0 if left >= 1.0 else (1.0 - left) / pace.per_s

    def take(self, key: str, pace: Pace, now_s: float) -> float:
        """Takes a turn; gives 0, or in how many seconds there is one, and then takes none."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = [pace.burst, now_s]
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
            left = bucket[0] + (now_s - bucket[1]) * pace.per_s
            bucket[0] = left if left < pace.burst else pace.burst
            bucket[1] = now_s
        if bucket[0] < 1.0:
            return (1.0 - bucket[0]) / pace.per_s
        bucket[0] -= 1.0
        return 0.0
