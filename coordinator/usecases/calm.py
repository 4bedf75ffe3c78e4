"""Whether time has anything to say of a promise: asked of all of them every second.

What is done where it has is in `watchman.py`.
"""

from __future__ import annotations

from coordinator.core.areas.ledger import Claim, ClaimState
from coordinator.usecases.promises import Promise

SILENT_CAR_S = 120.0  # a car that reported and then is silent so long loses its place
LAPSED = frozenset({ClaimState.EXPIRED, ClaimState.NO_SHOW})

_NEVER = float("inf")


def calm(promise: Promise, claim: Claim | None, link_s: float) -> bool:
    """Whether nothing is due, as with nearly all promises; a doubt counts as no."""
    return (
        (claim is None or claim.state not in LAPSED)
        and link_s < promise.retry_link_s
        and promise.taken_link_s == _NEVER
        and promise.blocked_link_s == _NEVER
        and promise.silent_link_s == _NEVER
        and (promise.reported_link_s == -_NEVER or not gone(promise, link_s))
    )


def gone(promise: Promise, link_s: float) -> bool:
    """Whether the car has been silent for too long; one that waits at its pile may be."""
    heard_s = max(promise.reported_link_s, promise.arrived_link_s)
    waits = promise.arrived_link_s > -_NEVER and promise.answer.choice.figures.ahead > 0
    silent = promise.reported_link_s > -_NEVER and link_s - heard_s >= SILENT_CAR_S
    return silent and not waits
