"""Learns how long cars stay at a plug, from those that have left.

What is made of it is in `core/usual_stay.py`; how often guided cars stay longer than they said, in
`punctuality.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from coordinator.clock import Clock
from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import ClaimState
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus


class StayLengths:
    """Follows who is plugged in, by the ledger; a stay that a fault ended teaches nothing."""

    def __init__(self, district: District, table: ClaimTable, clock: Clock) -> None:
        self._district = district
        self._table = table
        self._clock = clock
        self._since: dict[str, tuple[str, float]] = {}  # EVSE to claim, and when it began

    def on_claims(self, evse_ids: Iterable[str]) -> None:
        """Takes changes of claims; returns at once."""
        for evse_id in evse_ids:
            before = self._since.get(evse_id)
            claims = self._table.of_evse(evse_id)
            there = claims[0].claim_id if claims and claims[0].state is ClaimState.OCCUPIED else ""
            if before is not None and before[0] == there:
                continue
            now_s = self._clock.now_s()
            if before is not None:
                del self._since[evse_id]
                row = self._district.row.get(evse_id)
                if row is not None and self._district.status[row] == EvseStatus.AVAILABLE:
                    self._district.usual_stay.note(bool(self._district.dc[row]), now_s - before[1])
            if there:
                self._since[evse_id] = there, now_s
