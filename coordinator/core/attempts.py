"""How often somebody failed lately: a limit on guessing that forgets, and holds little.

Who is counted, and what is an attempt, is decided elsewhere.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

REMEMBERED: Final = 4_096


class FailedAttempts:
    """At most `limit` failures of one name within `window_s`; then it must wait.

    >>> failed = FailedAttempts(limit=2, window_s=60)
    >>> failed.note("a", 0), failed.note("a", 10), failed.wait_s("a", 20), failed.wait_s("b", 20)
    (None, None, 40, 0.0)
    >>> failed.wait_s("a", 61)
    0.0
    """

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit = limit
        self._window_s = window_s
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def note(self, name: str, now_s: float) -> None:
        """Somebody failed; names not heard of for longest are forgotten beyond a number."""
        times = self._failed.setdefault(name, deque(maxlen=self._limit))
        times.append(now_s)
        self._failed.move_to_end(name)
        while len(self._failed) > REMEMBERED:
            self._failed.popitem(last=False)

    def wait_s(self, name: str, now_s: float) -> float:
        """How long that name must wait before it may try again; 0 if it may now."""
        times = self._failed.get(name)
        if times is None or len(times) < self._limit:
            return 0.0
        return max(0.0, times[0] + self._window_s - now_s)
