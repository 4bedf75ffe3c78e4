"""Learns how often guided cars stay longer than they said; the wait behind them is judged by it.

Begins with one of ten. What a stay is planned to be is said by its claim.
"""

from __future__ import annotations

from collections.abc import Iterable

from coordinator.clock import Clock
from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import ClaimState
from coordinator.core.district import District
from coordinator.core.recommend.waiting import KNOWN_OCCUPANT_RISK

LATE_S = 300.0  # beyond its plan, from which a stay counts as longer
PRIOR_STAYS = 10.0  # that the usual share is worth


class Punctuality:
    """Follows the stays of promised cars."""

    def __init__(self, district: District, table: ClaimTable, clock: Clock) -> None:
        self._district = district
        self._table = table
        self._clock = clock
        self._planned: dict[str, tuple[str, float]] = {}  # EVSE to claim and its planned end
        self.ended = self.late = 0

    def on_claims(self, evse_ids: Iterable[str]) -> None:
        """Takes changes of claims; returns at once."""
        for evse_id in evse_ids:
            before = self._planned.get(evse_id)
            there = next(
                (
                    claim
                    for claim in self._table.of_evse(evse_id)
                    if claim.state is ClaimState.OCCUPIED and claim.vehicle_id
                ),
                None,
            )
            if there is not None and before is not None and before[0] == there.claim_id:
                continue  # its window grows while it stays; what was planned does not
            if before is not None:
                del self._planned[evse_id]
                self._note(before[1])
            if there is not None:
                self._planned[evse_id] = there.claim_id, there.to_s

    def _note(self, planned_to_s: float) -> None:
        """A stay is over now."""
        self.ended += 1
        self.late += self._clock.now_s() > planned_to_s + LATE_S
        late = PRIOR_STAYS * KNOWN_OCCUPANT_RISK + self.late
        self._district.overstay_risk = late / (PRIOR_STAYS + self.ended)
