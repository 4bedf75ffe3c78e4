"""How many wrong keys somebody may show before having to wait, and how long.

Who counts as somebody (an address, an identity) is the caller's choice.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

# Keys remembered at most, so that a scan from many addresses costs no memory.
MOST_KEYS: Final = 4096


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float
    locked_until_s: float = -1.0
    lockouts: int = 0


class AttemptLimit:
    """A token bucket of failures per key; an empty one locks out, each time twice as long.

    `burst` failures at once, one more per `refill_s`; the first lock-out lasts `lock_s`, the
    longest `lock_cap_s`.

    >>> limit = AttemptLimit(burst=2, refill_s=60.0, lock_s=10.0, lock_cap_s=600.0)
    >>> limit.failed("a", 0.0), limit.failed("a", 0.0)
    (None, None)
    >>> limit.wait_s("a", 4.0), limit.wait_s("b", 4.0)
    (6.0, 0.0)
    """

    def __init__(
        self,
        *,
        burst: int = 10,
        refill_s: float = 6.0,
        lock_s: float = 10.0,
        lock_cap_s: float = 900.0,
    ) -> None:
        self._burst = burst
        self._refill_s = refill_s
        self._lock_s = lock_s
        self._lock_cap_s = lock_cap_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, key: str, now_s: float) -> float:
        """Seconds that a key still has to wait; 0 where it may try."""
        bucket = self._buckets.get(key)
        return 0.0 if bucket is None else max(0.0, bucket.locked_until_s - now_s)

    def failed(self, key: str, now_s: float) -> None:
        """Takes one failure."""
        bucket = self._buckets.pop(key, None) or _Bucket(float(self._burst), now_s)
        gained = max(0.0, now_s - bucket.at_s) / self._refill_s
        bucket.tokens = min(float(self._burst), bucket.tokens + gained)
        bucket.at_s = now_s
        if bucket.tokens >= self._burst and now_s > bucket.locked_until_s:
            bucket.lockouts = 0
        bucket.tokens -= 1.0
        if bucket.tokens < 1.0:
            length_s = min(self._lock_cap_s, self._lock_s * 2.0 ** min(bucket.lockouts, 32))
            bucket.locked_until_s = now_s + length_s
            bucket.lockouts += 1
            # One try after the lock-out; if that fails too, the next one is longer.
            bucket.tokens = 1.0
            bucket.at_s = bucket.locked_until_s
        self._buckets[key] = bucket
        while len(self._buckets) > MOST_KEYS:
            self._buckets.popitem(last=False)

    def proved(self, key: str) -> None:
        """Forgets the failures of a key that was right."""
        self._buckets.pop(key, None)
