"""Who was promised which EVSE, and when: the nouns, and what every store keeps.

The exclusion rule lives in `claim_index.py`, once; durability lives in `coordinator/store`. A claim
occupies an EVSE for a window `[from_s, to_s)` in domain time. Offered, confirmed and occupied
claims exclude each other on the same EVSE and instant, a walk-in's too; one car has at most one
live claim (two only while it moves), and beside it at most one window in the future, up to a day
ahead. Leases end by the store's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from coordinator.core.vehicle import WarningLevel

OFFER_S = 30.0  # life of an offer, link time
AHEAD_S = 86_400.0  # a window in the future begins within so long, domain time


class ClaimState(IntEnum):
    """State of a claim, numbered as on the wire; the first three exclude others.

    Source: paper 2.3.1.
    """

    OFFERED = 1
    CONFIRMED = 2
    OCCUPIED = 3
    DONE = 4
    RELEASED = 5
    EXPIRED = 6
    NO_SHOW = 7


LIVE_STATES = frozenset({ClaimState.OFFERED, ClaimState.CONFIRMED, ClaimState.OCCUPIED})


@dataclass(frozen=True, slots=True)
class Claim:
    """An EVSE kept for a car; `vehicle_id` is empty for a walk-in. Instants are epoch seconds.

    `lease_until_s` is in real (link) time for offers and in domain time once confirmed. `future`
    keeps a window that the car asked for beforehand; it is no live claim of the car until it begins
    to drive there.

    Source: paper 2.3.1.
    """

    claim_id: str
    evse_id: str
    vehicle_id: str
    from_s: float
    to_s: float
    level: WarningLevel
    state: ClaimState
    lease_until_s: float
    revision: int = 1
    recommendation_id: str = ""
    moving: bool = False
    future: bool = False

    @property
    def live(self) -> bool:
        """Whether the claim excludes others."""
        return self.state in LIVE_STATES

    def overlaps(self, from_s: float, to_s: float) -> bool:
        """Whether the windows share an instant."""
        return self.from_s < to_s and from_s < self.to_s

    def lapsed(self, moment: Moment) -> bool:
        """Whether the lease has run out; a car that is plugged in has none."""
        if self.state is ClaimState.OFFERED:
            return self.lease_until_s <= moment.link_s
        return self.state is ClaimState.CONFIRMED and self.lease_until_s <= moment.now_s


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, in both times: domain for windows and confirmed leases, link for offers.

    Source: paper 2.3.1.
    """

    now_s: float
    link_s: float


def lapse(claim: Claim) -> ClaimState:
    """How a claim ends whose lease has run out. Source: paper 2.3.1."""
    return ClaimState.EXPIRED if claim.state is ClaimState.OFFERED else ClaimState.NO_SHOW


@dataclass(frozen=True, slots=True)
class Refused:
    """A claim that was not granted: the reason code, and the claim in the way if there is one.

    Source: paper 2.3.1.
    """

    reason: str
    by: Claim | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A car goes from its claim to another EVSE in one step; `claim` is what it gets.

    An empty `from_claim_id` grants without ending anything: to a car without a claim, or, if
    `claim.moving`, beside the confirmed one that the car keeps until it confirms the new one.

    Source: paper 2.3.1.
    """

    from_claim_id: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class Step:
    """One indivisible change: claims as they are after it, in order, and as they were before.

    `claim` is the one that was asked for. `before` has None where a claim is new.

    Source: paper 2.3.1.
    """

    claim: Claim | None
    after: tuple[Claim, ...] = ()
    before: tuple[Claim | None, ...] = ()

    @property
    def evse_ids(self) -> set[str]:
        """EVSEs whose claims changed."""
        old = {claim.evse_id for claim in self.before if claim is not None}
        return old | {claim.evse_id for claim in self.after}


# Reasons of a refusal.
TAKEN = "TAKEN"
QUEUE_FULL = "QUEUE_FULL"
UNKNOWN_CLAIM = "UNKNOWN_CLAIM"
LAPSED = "LAPSED"
OTHER_CLAIM = "OTHER_CLAIM"
STALE_REVISION = "STALE_REVISION"
CAR_IS_CHARGING = "CAR_IS_CHARGING"
EMPTY_WINDOW = "EMPTY_WINDOW"
TOO_FAR_AHEAD = "TOO_FAR_AHEAD"
NOT_CHARGING = "NOT_CHARGING"
