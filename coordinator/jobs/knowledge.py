"""Keeps the failure rates of a district: model, then evidence, then the knowledge map.

Regularly the whole map is made anew, in a thread on copies; at a fault the pile and those alike are
updated at once, on the loop. How rates flow is decided in `core/reliability`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus, Pile
from coordinator.core.ports import FailureModel, ModelUnavailable
from coordinator.core.reliability.evidence import (
    anchored_prior,
    fleet_factor,
    gamma_shape,
    pooled_rate,
    scaled_rate,
)
from coordinator.core.reliability.knowledge_map import KnowledgeMap, MapSettings
from coordinator.core.reliability.pile_vector import (
    REFERENCE,
    Facts,
    facts_of,
    fleet_scale,
    vectors,
)
from coordinator.core.rows import Changes

log = structlog.get_logger()

PERIOD_S = 600.0
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Copy:
    """The columns of a district that a map is made of, safe from the loop's changes."""

    evse_ids: list[str]
    piles: Sequence[Pile]
    pile: NDArray[np.int32]
    dc: NDArray[np.bool_]
    session_count: NDArray[np.int32]
    charging_s: NDArray[np.float64]
    fault_count: NDArray[np.int32]
    exposure_days: NDArray[np.float64]
    removed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Made:
    """A finished map: of which EVSEs, what their kind lets expect, and why it is degraded."""

    evse_ids: list[str]
    knowledge: KnowledgeMap
    expected: Float64
    shape: float
    dc: NDArray[np.bool_]
    degraded: str


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
        copy = self._copy()
        made = await asyncio.to_thread(make, copy, self._failure, self._now(), self.settings)
        self.made = made
        self.updates += 1
        self._write(made)
        row = self._district.row
        for evse_id in self._while_making:
            if evse_id in row:
                self.fault(row[evse_id])
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
        for evse in risen.tolist():
            self._while_making.append(district.evse_ids[evse])
            self.fault(evse)

    def fault(self, evse: int) -> NDArray[np.intp]:
        """Updates an EVSE that failed and those alike of its type; returns their rows.

        Without a map of the present stations it asks for one and returns nothing.
        """
        district, made = self._district, self.made
        if made is None or made.evse_ids is not district.evse_ids:
            self.want()
            return np.zeros(0, dtype=np.intp)
        count, days = district.fault_count[evse], district.exposure_days[evse]
        prior = anchored_prior(
            np.array([count], dtype=np.float64),
            np.array([days], dtype=np.float64),
            made.expected[evse : evse + 1],
            made.shape,
        )[0]
        touched = made.knowledge.learn(evse, float(prior), float(days), made.dc == made.dc[evse])
        district.prior_rate[evse] = prior
        district.failure_rate[touched] = made.knowledge.rates[touched]
        return touched

    def _copy(self) -> _Copy:
        d = self._district
        return _Copy(
            d.evse_ids,
            d.piles,
            d.pile,
            d.dc,
            d.session_count.copy(),
            d.charging_s.copy(),
            d.fault_count.copy(),
            d.exposure_days.copy(),
            d.status == EvseStatus.REMOVED,
        )

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


def make(copy: _Copy, failure: FailureModel | None, now_s: float, settings: MapSettings) -> Made:
    """The map of these columns; pure, takes seconds for tens of thousands of EVSEs.

    Prior: what the failure model expects of the kind, at the level of this fleet, corrected by the
    pile's own counts. The counts are hidden from the model, so that they enter once.
    """
    facts = facts_of(copy, now_s)
    faults, days = copy.fault_count.astype(np.float64), copy.exposure_days
    expected, degraded = _expected(facts, faults, days, failure)
    shape = gamma_shape(faults, days, expected)
    prior = anchored_prior(faults, days, expected, shape)
    knowledge = KnowledgeMap(vectors(facts, fleet_scale(facts)), prior, days, settings)
    if copy.removed.any():
        knowledge.leave(np.flatnonzero(copy.removed))
        knowledge.settle()
    return Made(copy.evse_ids, knowledge, expected, shape, copy.dc, degraded)


def _expected(
    facts: Facts, faults: Float64, days: Float64, failure: FailureModel | None
) -> tuple[Float64, str]:
    """The rate that the kind of each pile lets expect, and why no model said so."""
    why = "there is none"
    if failure is not None:
        try:
            rates = failure.rates(vectors(facts.without_faults(), REFERENCE)).astype(np.float64)
        except ModelUnavailable as error:
            why = error.why
        else:
            return scaled_rate(rates, fleet_factor(faults, days, rates)), ""
    return np.full(len(faults), pooled_rate(faults, days)), why
