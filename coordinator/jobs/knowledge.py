"""Keeps the failure rates of a district: model, then evidence, then the knowledge map.

Regularly the whole map is made anew, in a thread on copies; at a fault the pile and those alike are
updated at once, on the loop. How rates flow is decided in `core/reliability`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import structlog

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.ports import FailureModel
from coordinator.core.reliability.evidence import anchored_prior
from coordinator.core.reliability.knowledge_map import MapSettings
from coordinator.core.rows import Changes, Index
from coordinator.jobs.map_making import Made, copy_of, make

log = structlog.get_logger()

PERIOD_S = 600.0


class Knowledge:
    """Owns `prior_rate` and `failure_rate` of the district; used by the event loop only.

    `now` is domain time. `sleep` waits for the next regular update, in link time.
    """

    def __init__(
        self,
        district: District,
        failure: FailureModel | None,
        now: Callable[[], float],
        *,
        settings: MapSettings | None = None,
        period_s: float = PERIOD_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._district = district
        self._failure = failure
        self._now = now
        self.settings = settings or MapSettings()
        self._period_s = period_s
        self._sleep = sleep
        self._wanted = asyncio.Event()
        self._seen_faults = district.fault_count.copy()
        self._while_making: list[str] = []
        self.made: Made | None = None
        self.updates = 0

    async def run(self) -> None:
        """Updates at once, then regularly and when piles are scrapped, until cancelled."""
        while True:
            try:
                await self.refresh()
            except Exception:
                log.exception("knowledge map failed", evses=len(self._district))
            await self._next()

    async def _next(self) -> None:
        """Returns when the period is over or an update is wanted."""
        period = asyncio.ensure_future(self._sleep(self._period_s))
        wanted = asyncio.ensure_future(self._wanted.wait())
        try:
            await asyncio.wait((period, wanted), return_when=asyncio.FIRST_COMPLETED)
        finally:
            period.cancel()
            wanted.cancel()
            self._wanted.clear()

    def want(self) -> None:
        """Asks for an update of the whole map soon."""
        self._wanted.set()

    async def refresh(self) -> Made:
        """Makes the whole map from what the district holds now and writes the rates.

        Faults that come in meanwhile are put into the new map before it serves.
        """
        self._while_making.clear()
        copy = copy_of(self._district)
        made = await asyncio.to_thread(make, copy, self._failure, self._now(), self.settings)
        self.made = made
        self.updates += 1
        self._write(made)
        row = self._district.row
        late = {row[evse_id] for evse_id in self._while_making if evse_id in row}
        if late:
            self.fault(np.array(sorted(late), dtype=np.intp))
        if made.degraded:
            log.warning("failure model missing", why=made.degraded)
        return made

    def observe(self, changes: Changes) -> None:
        """Hears which EVSEs changed status: faults are learned at once, scrapped piles leave.

        Called after evidence was counted: an outage that the debounce merged teaches nothing new.
        """
        district = self._district
        if np.any(changes.after == EvseStatus.REMOVED):
            self.want()
        if self._seen_faults.size != len(district):
            self._seen_faults = np.full(len(district), -1, dtype=np.int32)
        down = changes.evse[changes.after == EvseStatus.OUTOFORDER]
        risen = down[district.fault_count[down] > self._seen_faults[down]]
        self._seen_faults[down] = district.fault_count[down]
        if risen.size:
            self._while_making += [district.evse_ids[evse] for evse in risen.tolist()]
            self.fault(risen)

    def fault(self, evses: Index) -> Index:
        """Updates EVSEs that failed and all whose rate that moves; returns their rows.

        Without a map of the present stations it asks for one and returns nothing.
        """
        district, made = self._district, self.made
        if made is None or made.evse_ids is not district.evse_ids:
            self.want()
            return np.zeros(0, dtype=np.intp)
        days = district.exposure_days[evses]
        prior = anchored_prior(
            district.fault_count[evses].astype(np.float64), days, made.expected[evses], made.shape
        )
        touched = made.knowledge.learn(evses, prior, days)
        district.prior_rate[evses] = prior
        district.failure_rate[touched] = made.knowledge.rates[touched]
        return touched

    def _write(self, made: Made) -> None:
        district, knowledge = self._district, made.knowledge
        if made.evse_ids is district.evse_ids:
            district.prior_rate[:] = knowledge.prior
            district.failure_rate[:] = knowledge.rates
            return
        # Stations changed while the map was made: write what still stands, make another.
        rows = np.array([district.row.get(evse_id, -1) for evse_id in made.evse_ids], dtype=np.intp)
        kept = rows >= 0
        district.prior_rate[rows[kept]] = knowledge.prior[kept]
        district.failure_rate[rows[kept]] = knowledge.rates[kept]
        self.want()


def build_knowledge(district: District, failure: FailureModel | None, clock: Clock) -> Knowledge:
    """The loop of a coordinator: every ten minutes of domain time."""
    return Knowledge(district, failure, clock.now_s, period_s=PERIOD_S / clock.speed)
