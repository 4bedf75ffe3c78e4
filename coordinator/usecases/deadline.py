"""By when the call that is being answered must be done, for every step below it.

The guard of the server sets it; loops of the coordinator's own have none.
"""

from __future__ import annotations

import time
from contextvars import ContextVar

from coordinator.usecases.refusals import DeadlinePassed

KEPT_BACK = 0.1  # share of what is left that stays for the answer itself

# Monotonic seconds; None where nobody waits.
DUE: ContextVar[float | None] = ContextVar("due", default=None)


def step_s(most_s: float) -> float:
    """Seconds that a step downstream may take: nine tenths of what is left, at most `most_s`.

    Raises `DeadlinePassed` where nothing is left.

    >>> step_s(5.0)
    5.0
    >>> token = DUE.set(time.monotonic() + 2.0)
    >>> round(step_s(5.0), 1)
    1.8
    >>> DUE.reset(token)
    """
    due = DUE.get()
    if due is None:
        return most_s
    left_s = due - time.monotonic()
    if left_s <= 0.0:
        raise DeadlinePassed
    return min(most_s, (1.0 - KEPT_BACK) * left_s)
