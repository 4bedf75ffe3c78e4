"""Requests that arrive together are ranked together: sixty cost little more than ten.

A request that comes alone is ranked at once. Under load the server hands calls over one by one, so
what arrives within a few milliseconds shares one pass; in a crowd, as long as more keep coming.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.layout import Layout, layout_of
from coordinator.core.recommend.pipeline import rank_each
from coordinator.core.vehicle import ChargingRequest
from coordinator.usecases import figures
from coordinator.usecases.counters import Counters
from coordinator.usecases.world import World

TOGETHER = 64  # more at once would hold the loop for more than a few milliseconds
BUSY_S = 0.05  # who ranked something so lately is under load
STEP_S = 0.001  # how often it is looked whether more have come
CROWD = 32  # a pass of so many means that callers are queueing: the next may be as large


@dataclass(frozen=True, slots=True)
class _Patience:
    """How long a pass waits for more: at most, and for steps in which nobody came."""

    most_s: float
    quiet_steps: int


USUAL = _Patience(0.004, 1)
CROWDED = _Patience(0.040, 3)

Answered = tuple[Ranked, Context, Layout]
Waiting = tuple[ChargingRequest, "asyncio.Future[Answered]"]


class RankingDesk:
    """Collects what has arrived and ranks it in one go."""

    def __init__(
        self,
        district: District,
        world: World,
        models: Models,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self.models = models
        self._district = district
        self._world = world
        self._clock = clock
        self._counters = counters
        self._waiting: list[Waiting] = []
        self._ranked_at = float("-inf")
        self._asked_at = float("-inf")
        self._patience = USUAL

    async def rank(self, request: ChargingRequest) -> tuple[Ranked, Context]:
        """The request, ranked against the district as it is when this returns, and the world."""
        while True:
            loop = asyncio.get_running_loop()
            future: asyncio.Future[Answered] = loop.create_future()
            self._waiting.append((request, future))
            if len(self._waiting) == 1:
                self._asked_at = loop.time()
                if loop.time() - self._ranked_at < BUSY_S:
                    loop.call_later(STEP_S, self._gather, 1, 0)
                else:
                    loop.call_soon(self._rank_waiting)
            ranked, context, layout = await future
            # Rows mean other EVSEs once the station list has changed.
            if layout is layout_of(self._district):
                return ranked, context

    def _gather(self, seen: int, quiet_steps: int) -> None:
        """Looks whether more have come, and ranks once nobody does or it has taken too long."""
        loop = asyncio.get_running_loop()
        count, patience = len(self._waiting), self._patience
        quiet_steps = quiet_steps + 1 if count == seen else 0
        late = loop.time() - self._asked_at >= patience.most_s
        if count >= TOGETHER or quiet_steps >= patience.quiet_steps or late:
            self._rank_waiting()
        else:
            loop.call_later(STEP_S, self._gather, count, quiet_steps)

    def _rank_waiting(self) -> None:
        """Ranks everything that waits, at most so many at once."""
        loop = asyncio.get_running_loop()
        taken, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
        if self._waiting:
            loop.call_soon(self._rank_waiting)
        self._ranked_at = loop.time()
        self._patience = CROWDED if len(taken) >= CROWD else USUAL
        try:
            self._rank(taken)
        except Exception as error:  # noqa: BLE001 - one of them must not fail the others
            if len(taken) == 1:
                _fail(taken[0], error)
                return
            for one in taken:
                try:
                    self._rank([one])
                except Exception as its_own:  # noqa: BLE001 - handed to who asked
                    _fail(one, its_own)

    def _rank(self, taken: list[Waiting]) -> None:
        self._counters.add("rankings")
        contexts = [self._world.around(request) for request, _ in taken]
        ranked = rank_each(
            self._district,
            [request for request, _ in taken],
            contexts,
            self.models,
            self._clock.now_s(),
        )
        figures.prepare(self._district, ranked)
        layout = layout_of(self._district)
        for (_, future), answer, context in zip(taken, ranked, contexts, strict=True):
            if not future.done():
                future.set_result((answer, context, layout))


def _fail(waiting: Waiting, error: Exception) -> None:
    future = waiting[1]
    if not future.done():
        future.set_exception(error)
