"""Holds calls back from whoever fails them again and again, and tries it again after a while."""

from __future__ import annotations

from dataclasses import dataclass

FAILURES = 5  # in a row
FIRST_S, LONGEST_S = 1.0, 15.0  # held back for so long, doubling; link time


@dataclass(slots=True)
class Breaker:
    """Closed while calls go through; times in link time.

    >>> breaker = Breaker()
    >>> for _ in range(FAILURES): breaker.failed(10.0)
    >>> breaker.allows(10.5), breaker.allows(11.0), breaker.allows(11.0)
    (False, True, False)
    >>> breaker.answered(); breaker.allows(11.1)
    True
    """

    failures: int = 0
    pause_s: float = FIRST_S
    until_s: float = float("-inf")

    @property
    def closed(self) -> bool:
        """Whether calls go through."""
        return self.failures < FAILURES

    def holds_back(self, now_s: float) -> bool:
        """Whether a call would not be made now."""
        return not self.closed and now_s < self.until_s

    def allows(self, now_s: float) -> bool:
        """Whether a call may be made now; after a pause one is, and its end decides."""
        if self.closed:
            return True
        if self.holds_back(now_s):
            return False
        self.until_s = now_s + self.pause_s
        return True

    def answered(self) -> None:
        """A call was answered."""
        self.failures, self.pause_s = 0, FIRST_S

    def failed(self, now_s: float) -> None:
        """A call was not answered, or not in time."""
        if not self.closed:
            self.pause_s = min(self.pause_s * 2.0, LONGEST_S)
        self.failures += 1
        self.until_s = now_s + self.pause_s
