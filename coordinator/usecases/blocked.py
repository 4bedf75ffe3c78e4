"""Whether a blocked bay is blocked by the very car that was promised it, not plugged in yet.

What is done about a bay that others block is in `watchman.py`.
"""

from __future__ import annotations

from coordinator.usecases.answer import Stage
from coordinator.usecases.plugging import TAKEN_GRACE_S
from coordinator.usecases.presence import ARRIVED_S
from coordinator.usecases.promises import Promise


def may_be_ours(promise: Promise, arrived: Promise | None, link_s: float) -> bool:
    """Whether a car that was promised a place here may stand in the bay, `arrived` if it said so.

    Notes until when that is believed.
    """
    if arrived is not None:
        promise.blocked_link_s = max(arrived.arrived_link_s, arrived.fixed_link_s) + ARRIVED_S
    elif promise.answer.stage is Stage.PILE:
        promise.blocked_link_s = link_s + TAKEN_GRACE_S
    else:
        return False
    return True


def is_blocked(promise: Promise, link_s: float) -> bool:
    """Whether the bay was blocked for so long that it cannot be by the promised car."""
    if link_s - promise.arrived_link_s <= ARRIVED_S:
        return False
    return link_s >= promise.blocked_link_s
