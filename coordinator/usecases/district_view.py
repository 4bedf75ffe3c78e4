"""The live picture as people read it: one EVSE at a time, with staleness applied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus, Pile, Station
from coordinator.usecases.inventory import Inventory


@dataclass(frozen=True, slots=True)
class LiveView:
    """What is believed of one EVSE now; `age_s` is link time since it was heard of."""

    evse_id: str
    pile: Pile
    station: Station
    agent_id: str
    status: EvseStatus
    reason: str
    source: int
    bay: int
    observed_at_s: float
    age_s: float
    power_kw: float
    failure_rate: float
    exposure_days: float
    fault_code: str


class DistrictView:
    """Reads the district for people; changes nothing."""

    def __init__(self, inventory: Inventory, clock: Clock, stale_after_s: float) -> None:
        self.district: District = inventory.district
        self._inventory = inventory
        self._clock = clock
        self.stale_after_s = stale_after_s

    def statuses(self) -> NDArray[np.int8]:
        """Statuses of all EVSEs; one that was not heard of in time is UNKNOWN."""
        rows = np.arange(len(self.district), dtype=np.intp)
        stale = self.district.stale(rows, self._clock.link_s(), self.stale_after_s)
        return np.where(stale, np.int8(EvseStatus.UNKNOWN), self.district.status)

    def oldest_age_s(self) -> float:
        """Age of the oldest status that is still believed, link time; 0 if none is."""
        ages_s = self._clock.link_s() - self.district.heard_at_s[: len(self.district)]
        believed = ages_s[ages_s <= self.stale_after_s]
        return float(believed.max()) if believed.size else 0.0

    def one(self, row: int) -> LiveView:
        """What is believed of the EVSE in this row."""
        district = self.district
        pile = district.piles[district.pile[row]]
        age_s = self._clock.link_s() - float(district.heard_at_s[row])
        status, reason = EvseStatus(int(district.status[row])), ""
        if age_s > self.stale_after_s:
            heard = f"for {age_s:.0f} s" if np.isfinite(age_s) else "yet"
            status, reason = EvseStatus.UNKNOWN, f"nothing heard {heard}"
        return LiveView(
            evse_id=district.evse_ids[row],
            pile=pile,
            station=district.stations[district.station[row]],
            agent_id=self._inventory.owner_of(pile.pile_id),
            status=status,
            reason=reason,
            source=int(district.source[row]),
            bay=int(district.bay[row]),
            observed_at_s=float(district.observed_at_s[row]),
            age_s=age_s,
            power_kw=float(district.power_kw[row]),
            failure_rate=float(district.failure_rate[row]),
            exposure_days=float(district.exposure_days[row]),
            fault_code=district.fault_code.get(row, ""),
        )
