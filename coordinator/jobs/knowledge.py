"""Keeps the failure rates of a district: when the knowledge map is updated, and what is written.

Regularly the whole map is made anew, in a thread on copies; at a fault the pile and those alike are
updated at once, on the loop. How a map is made is in `map_making.py`, how rates flow in
`core/reliability`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial

import numpy as np
import structlog

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.ports import FailureModel
from coordinator.core.reliability.map_settings import MapSettings, MapState
from coordinator.core.rows import Changes, Index
from coordinator.jobs.aside import aside
from coordinator.jobs.map_making import Made, copy_of, make

log = structlog.get_logger()

PERIOD_S = 600.0
# Evidence that moves a prior by less waits for the next regular update.
NOTICEABLE = 1e-6
_NOBODY = np.zeros(0, dtype=np.intp)


class Condition(Enum):
    """Why the map is updated.

    Source: US 12,393,974 B2, claim 3, "regular update, real-time update, and specific condition
    update". ASKED: an operator wanted it.
    """

    REGULAR = "regular"
    REAL_TIME = "real_time"
    SPECIFIC = "specific"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class Updating:
    """Under which conditions the map is updated, how often regularly (domain time), and where.

    `same_type`: a specific update is for piles of the type of the one that failed only.
    """

    conditions: frozenset[Condition] = frozenset({Condition.REGULAR, Condition.SPECIFIC})
    period_s: float = PERIOD_S
    same_type: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """An update that was made: why, when (domain time), how long it took, how many rates moved."""

    condition: Condition
    at_s: float
    duration_s: float
    moved: int


class Knowledge:
    """Owns `prior_rate` and `failure_rate` of the district; used by the event loop only.

    `now` is domain time; it runs `speed` times as fast as link time, in which `sleep` waits.
    `keep` stores what outlives the process.
    """

    def __init__(
        self,
        district: District,
        failure: FailureModel | None,
        now: Callable[[], float],
        *,
        settings: MapSettings | None = None,
        updating: Updating | None = None,
        state: MapState | None = None,
        speed: float = 1.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        keep: Callable[[MapState], Awaitable[None]] | None = None,
    ) -> None:
        state = state or MapState()
        self._district = district
        self._failure = failure
        self._now = now
        self._changed = state.settings
        self.settings = state.settings or settings or MapSettings()
        self.updating = updating or Updating()
        self._speed = speed
        self._sleep = sleep
        self._keep = keep
        self._wanted = asyncio.Event()
        self._why = Condition.REGULAR
        self._making = asyncio.Lock()
        self._seen_faults = district.fault_count.copy()
        self._while_making: list[str] = []
        self.made: Made | None = None
        self.iterations = state.iterations
        self.last: Update | None = None

    async def run(self) -> None:
        """Updates at once, then regularly and when piles are scrapped, until cancelled."""
        while True:
            why, self._why = self._why, Condition.REGULAR
            try:
                await self.refresh(why)
            except Exception:
                log.exception("knowledge map failed", evses=len(self._district))
            await self._next()

    async def _next(self) -> None:
        """Returns when the period is over or an update is wanted."""
        waits: list[asyncio.Future[object]] = [asyncio.ensure_future(self._wanted.wait())]
        if Condition.REGULAR in self.updating.conditions:
            period_s = self.updating.period_s / self._speed
            waits.append(asyncio.ensure_future(self._sleep(period_s)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            self._wanted.clear()

    def use(self, failure: FailureModel | None) -> None:
        """Takes priors from another model from now on; the map is made anew soon."""
        self._failure = failure
        self.want(Condition.ASKED)

    def want(self, why: Condition = Condition.SPECIFIC) -> None:
        """Asks for an update of the whole map soon."""
        self._why = why
        self._wanted.set()

    async def configure(self, settings: MapSettings) -> Made:
        """Works with other settings from now on, also after a restart; the map is made anew."""
        self.settings = self._changed = settings
        return await self.refresh(Condition.ASKED)

    async def refresh(self, condition: Condition = Condition.REGULAR) -> Made:
        """Makes the whole map from what the district holds now and writes the rates.

        Faults that come in meanwhile are put into the new map before it serves.
        """
        async with self._making:
            started = time.perf_counter()
            self._while_making.clear()
            columns = copy_of(self._district)
            now_s = self._now()
            made = await aside(partial(make, columns, self._failure, now_s, self.settings))
            self.made = made
            moved = self._write(made)
            self._note(condition, started, moved)
            row = self._district.row
            late = {row[evse_id] for evse_id in self._while_making if evse_id in row}
            if late:
                self.learn(np.array(sorted(late), dtype=np.intp), Condition.SPECIFIC)
        if made.degraded:
            log.warning("failure model missing", why=made.degraded)
        if self._keep is not None:
            await self._keep(MapState(self.iterations, self._changed))
        return made

    def observe(self, changes: Changes) -> None:
        """Hears which EVSEs changed status: faults are learned at once, scrapped piles leave.

        Called after evidence was counted: an outage that the debounce merged teaches nothing new.
        """
        district = self._district
        if Condition.SPECIFIC not in self.updating.conditions:
            return
        if np.any(changes.after == EvseStatus.REMOVED):
            self.want()
        if self._seen_faults.size != len(district):
            self._seen_faults = np.full(len(district), -1, dtype=np.int32)
        down = changes.evse[changes.after == EvseStatus.OUTOFORDER]
        risen = down[district.fault_count[down] > self._seen_faults[down]]
        self._seen_faults[down] = district.fault_count[down]
        if risen.size:
            self._while_making += [district.evse_ids[evse] for evse in risen.tolist()]
            self.learn(risen, Condition.SPECIFIC, same_type=self.updating.same_type)

    def hear(self, evses: Index) -> None:
        """Hears which EVSEs reported: if updates are real-time, what it changed flows at once."""
        if Condition.REAL_TIME in self.updating.conditions:
            self.learn(evses, Condition.REAL_TIME)

    def learn(self, evses: Index, condition: Condition, *, same_type: bool = False) -> Index:
        """Takes the present counts of some EVSEs in; returns the rows whose rate that moves.

        Without a map of the present stations it asks for one and returns nothing.
        """
        district, made = self._district, self.made
        if made is None or made.evse_ids is not district.evse_ids:
            self.want()
            return _NOBODY
        started = time.perf_counter()
        nodes, prior = made.evidence(district, evses)
        if condition is Condition.REAL_TIME:
            new = np.abs(prior - made.knowledge.prior[nodes]) > NOTICEABLE
            nodes, prior = nodes[new], prior[new]
        if nodes.size == 0:
            return _NOBODY
        within = np.isin(made.dc, made.dc[evses]) if same_type else None
        moved = made.knowledge.learn(nodes, prior, district.exposure_days[nodes], within)
        district.prior_rate[nodes] = prior
        district.failure_rate[moved] = made.knowledge.rates[moved]
        self._note(condition, started, moved.size)
        return moved

    def _note(self, condition: Condition, started: float, moved: int) -> None:
        self.iterations += 1
        self.last = Update(condition, self._now(), time.perf_counter() - started, moved)

    def _write(self, made: Made) -> int:
        """Writes the rates of a new map; returns how many EVSEs got another."""
        district, knowledge = self._district, made.knowledge
        rates = knowledge.rates.astype(np.float32)
        if made.evse_ids is district.evse_ids:
            moved = int(np.count_nonzero(district.failure_rate != rates))
            district.prior_rate[:] = knowledge.prior
            district.failure_rate[:] = rates
            district.alike = made.alike
            return moved
        # Stations changed while the map was made: write what still stands, make another.
        rows = np.array([district.row.get(evse_id, -1) for evse_id in made.evse_ids], dtype=np.intp)
        kept = rows >= 0
        moved = int(np.count_nonzero(district.failure_rate[rows[kept]] != rates[kept]))
        district.prior_rate[rows[kept]] = knowledge.prior[kept]
        district.failure_rate[rows[kept]] = rates[kept]
        self.want()
        return moved
