"""How long to wait before trying again: exponential with full jitter."""

from __future__ import annotations

import random


def full_jitter_s(attempt: int, rng: random.Random, base_s: float, cap_s: float) -> float:
    """Seconds to wait before try number `attempt` (0 is the first retry).

    Uniform between 0 and base x 2^attempt, never above the cap, so that a thousand agents that
    lost the same coordinator come back spread out.

    >>> full_jitter_s(50, random.Random(1), 0.5, 30.0) <= 30.0
    True
    """
    ceiling_s = min(cap_s, base_s * 2.0 ** min(attempt, 32))
    return rng.uniform(0.0, ceiling_s)
