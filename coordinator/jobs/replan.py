"""Keeps the joint plan going: a round every so often, and offers that nobody accepts withdrawn.

What a round does is in `usecases/replan.py`; where the plan is made, in `solver.py`.
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


class ReplanLoop:
    """Runs rounds until cancelled. `period_s` is domain time: cars drive by it."""

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
        self._solver = solver
        self._sleep = sleep

    async def run(self) -> None:
        """Looks at offers each second and at everybody once a period."""
        try:
            next_s = self._clock.link_s() + self._period_s
            while True:
                await self._sleep(min(TICK_S, self._period_s))
                await self._quietly(self._replanner.proposals.expire())
                if self._clock.link_s() >= next_s:
                    await self._quietly(self._replanner.once(self._solver))
                    next_s = self._clock.link_s() + self._period_s
        finally:
            await self._solver.close()

    async def _quietly(self, work: Awaitable[object]) -> None:
        """Awaits the work; a round that fails must not end those to come."""
        try:
            await work
        except CoordinatorError as error:
            log.warning("no re-plan", why=str(error))
        except Exception as error:
            log.error("no re-plan", exc_info=error)
