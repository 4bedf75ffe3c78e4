"""Keeps the joint plan going: a round every so often, and offers that nobody accepts withdrawn.

What a round does is in `usecases/replan.py`, what calls for one early in `early_rounds.py`; where
the plan is made, in `solver.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from coordinator.clock import Clock
from coordinator.errors import CoordinatorError
from coordinator.usecases.replan import Replanner, Solver

log = structlog.get_logger()

TICK_S = 1.0  # how often offers are looked at, link time
LEAST_PERIOD_S = 1.0  # between two rounds, link time, however fast the domain's clock runs
EARLY_S = 2.0  # until a round that is called for begins: what comes with its reason is gathered
REST_S, REST = 5.0, 4.0  # after a round, and times as long as it took, none begins early


class ReplanLoop:
    """Runs rounds until cancelled, one at a time. `period_s` is domain time: cars drive by it."""

    def __init__(
        self,
        replanner: Replanner,
        clock: Clock,
        period_s: float,
        solver: Solver,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._replanner = replanner
        self._clock = clock
        self._period_s = max(period_s / clock.speed, LEAST_PERIOD_S)
        self._early_s = EARLY_S / clock.speed
        self._solver = solver
        self._sleep = sleep
        self._next_s = clock.link_s() + self._period_s
        self._early_at_s = float("inf")
        self._rested_at_s = float("-inf")

    async def run(self) -> None:
        """Looks at offers each second, at everybody once a period, and early where that helps."""
        self._next_s = self._clock.link_s() + self._period_s
        try:
            while True:
                await self._sleep(min(TICK_S, self._period_s))
                await self._quietly(self._replanner.proposals.expire())
                if self._due():
                    await self._round()
        finally:
            await self._solver.close()

    def _due(self) -> bool:
        """Whether a round is to be run now; notes when it was first called for."""
        now_s = self._clock.link_s()
        if self._replanner.early.reason and self._early_at_s == float("inf"):
            self._early_at_s = now_s + self._early_s - TICK_S
        early_at_s = max(self._early_at_s, self._rested_at_s)
        return now_s >= min(self._next_s, early_at_s)

    async def _round(self) -> None:
        """One round; the next is a period after it, unless it is called for."""
        began_s, self._early_at_s = self._clock.link_s(), float("inf")
        await self._quietly(self._replanner.once(self._solver))
        now_s = self._clock.link_s()
        self._next_s = now_s + self._period_s
        self._rested_at_s = now_s + max(REST_S / self._clock.speed, REST * (now_s - began_s))

    async def _quietly(self, work: Awaitable[object]) -> None:
        """Awaits the work; a round that fails must not end those to come."""
        try:
            await work
        except CoordinatorError as error:
            log.warning("no re-plan", why=str(error))
        except Exception as error:
            log.error("no re-plan", exc_info=error)
