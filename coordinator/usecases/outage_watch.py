"""Who loses a promised EVSE to a planned outage: by a new list, or because time made it matter.

What else costs a car its place is in `watchman.py`; how it gets another is in `reroute.py`.
"""

from __future__ import annotations

import numpy as np

from coordinator.core.areas.ledger import ClaimState
from coordinator.core.district import District
from coordinator.core.outages import meets
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.promises import Promise, Promises
from coordinator.usecases.reroute import Rerouter

LOST_CODE = "PILE_OUT_OF_USE"


class OutageWatch:
    """Moves the cars under way whose stay would meet a planned outage; who charges is left."""

    def __init__(
        self, district: District, claims: ClaimStore, promises: Promises, rerouter: Rerouter
    ) -> None:
        self._district = district
        self._claims = claims
        self._promises = promises
        self._rerouter = rerouter

    async def look(self) -> None:
        """Gives another place to everybody whom an outage would keep from being charged."""
        for promise in self.affected(self._rerouter.moment().now_s):
            if not promise.closed:
                await self._rerouter.reroute(promise, LOST_CODE)

    def affected(self, now_s: float) -> list[Promise]:
        """Promises whose car would be there, and not yet charged, when an outage is on."""
        district = self._district
        if not district.outages:
            return []
        held = district.claim_count.nonzero()[0]
        to_s = district.claimed_to_s[held]
        met = meets(district, held, np.full(len(held), now_s), to_s, now_s)
        under_way = [promise for row in held[met].tolist() for promise in self._of(row, now_s)]
        return under_way + self._ahead(now_s)

    def _ahead(self, now_s: float) -> list[Promise]:
        """Promises of windows in the future that meet an outage."""
        found = []
        for claim in self._claims.table.windows():
            row, promise = self._district.row.get(claim.evse_id), None
            if row is not None:
                stay_s = np.array([claim.from_s]), np.array([claim.to_s])
                if meets(self._district, np.array([row]), *stay_s, now_s)[0]:
                    promise = self._promises.of_claim(claim.claim_id)
            if promise is not None:
                found.append(promise)
        return found

    def _of(self, row: int, now_s: float) -> list[Promise]:
        """Those of one EVSE, each by its own arrival and the end of its own claim."""
        found = []
        for claim in self._claims.table.of_evse(self._district.evse_ids[row]):
            promise = self._promises.of_claim(claim.claim_id)
            if promise is None or claim.state is ClaimState.OCCUPIED:
                continue
            arrives_s = promise.answer.made_at_s + promise.answer.choice.figures.eta_s
            stay_s = np.array([max(arrives_s, now_s)]), np.array([claim.to_s])
            if meets(self._district, np.array([row]), *stay_s, now_s)[0]:
                found.append(promise)
        return found
