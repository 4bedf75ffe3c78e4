"""How long to wait before trying a lost connection again: exponential, fully jittered."""

from __future__ import annotations

import random


class FullJitter:
    """Delays drawn uniformly from 0 to a bound that doubles up to `cap_s`, real seconds."""

    def __init__(self, base_s: float, cap_s: float, rng: random.Random) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._rng = rng
        self._tries = 0

    def next_s(self) -> float:
        """The next delay, s."""
        bound_s = min(self._cap_s, self._base_s * 2.0 ** min(self._tries, 30))
        self._tries += 1
        return self._rng.uniform(0, bound_s)

    def reset(self) -> None:
        """Begins anew after a connection that held."""
        self._tries = 0
