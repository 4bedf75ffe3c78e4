"""Copies what the ledger holds into the district's columns, where the pipeline reads it."""

from __future__ import annotations

from collections.abc import Iterable

from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import ClaimState
from coordinator.core.district import District
from coordinator.core.recommend.context import OwnPlace


def car_number(vehicle_id: str) -> int:
    """A number for a car within this process; 0 is nobody's."""
    return hash(vehicle_id) or 1


class Mirror:
    """Keeps the claim columns of the district equal to the ledger."""

    def __init__(self, district: District, table: ClaimTable) -> None:
        self._district = district
        self._table = table
        self.copy({claim.evse_id for claim in table.live()})

    def copy(self, evse_ids: Iterable[str]) -> None:
        """Takes over the claims of these EVSEs; unknown EVSEs are passed over."""
        district = self._district
        for evse_id in evse_ids:
            row = district.row.get(evse_id)
            if row is None:
                continue
            windows = self._table.windows_of_evse(evse_id)
            if windows or district.reserved_from_s[row] < float("inf"):
                begin_s = windows[0].from_s if windows else float("inf")
                district.reserved_from_s[row], district.windows = begin_s, self._table.window_count
            # Of a walk-in nobody knows when it goes: the status of its EVSE tells that it is there.
            claims = [claim for claim in self._table.of_evse(evse_id) if claim.vehicle_id]
            if not claims:
                district.free(row)
                continue
            occupied = [c.to_s for c in claims if c.state is ClaimState.OCCUPIED]
            district.hold(
                row,
                car_number(claims[-1].vehicle_id),
                max(claim.to_s for claim in claims),
                len(claims),
                occupied[0] if occupied else float("-inf"),
            )

    def own_places(self, vehicle_id: str) -> tuple[OwnPlace, ...]:
        """What the car holds, with what others hold there before it."""
        places = []
        for claim in self._table.of_car(vehicle_id):
            row = self._district.row.get(claim.evse_id)
            if row is None:
                continue
            ahead = [
                other.to_s
                for other in self._table.of_evse(claim.evse_id)
                if other.from_s < claim.from_s and other.vehicle_id
            ]
            places.append(OwnPlace(row, max(ahead, default=float("-inf")), len(ahead)))
        return tuple(places)
