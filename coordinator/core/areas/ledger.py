"""Who was promised which EVSE, and when: the nouns and the contract that every store keeps.

The exclusion rule lives here once (`ClaimIndex`); durability lives in `coordinator/store`. A claim
occupies an EVSE for a window `[from_s, to_s)` in domain time. Offered, confirmed and occupied
claims exclude each other on the same EVSE and instant; one car has at most one live claim (two only
while it moves). Leases end by the store's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from coordinator.core.vehicle import WarningLevel


class ClaimState(IntEnum):
    """State of a claim, numbered as on the wire; the first three exclude others."""

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

    `lease_until_s` is in real (link) time for offers and in domain time once confirmed.
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


@dataclass(frozen=True, slots=True)
class Refused:
    """A claim that was not granted: the reason code, and the claim in the way if there is one."""

    reason: str
    by: Claim | None = None
