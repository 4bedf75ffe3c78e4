"""Requests that arrive together are ranked together: sixty cost little more than ten.

A request that comes alone is ranked at once. Under load the server hands calls over one by one, so
a pass waits for more of them, for about as long as the last pass took: passes grow with the load,
and shrink when it goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.recommend import service_order
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context
from coordinator.core.recommend.layout import Layout, layout_of
from coordinator.core.recommend.pipeline import rank_each
from coordinator.core.vehicle import ChargingRequest
from coordinator.usecases import figures
from coordinator.usecases.counters import Counters
from coordinator.usecases.models_now import ModelsNow
from coordinator.usecases.world import World

TOGETHER = 64  # more at once would hold the loop for more than a few milliseconds
BUSY_S = 0.05  # who ranked something so lately is under load
STEP_S = 0.001  # how often it is looked whether more have come
MOST = 2.0  # passes of waiting for more, at most
QUIET = 0.5  # passes of waiting in which nobody came

Answered = tuple[Ranked, Context, Layout]
Waiting = tuple[ChargingRequest, "asyncio.Future[Answered]"]


class RankingDesk:
    """Collects what has arrived and ranks it in one go."""

    def __init__(
        self,
        district: District,
        world: World,
        models: ModelsNow,
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
        self._pass_s = 0.0  # that the last pass took
        self._came_at = float("-inf")

    async def rank(self, request: ChargingRequest) -> tuple[Ranked, Context]:
        """The request, ranked against the district as it is when this returns, and the world."""
        self._world.asked(request)
        while True:
            loop = asyncio.get_running_loop()
            future: asyncio.Future[Answered] = loop.create_future()
            self._waiting.append((request, future))
            if len(self._waiting) == 1:
                self._asked_at = self._came_at = loop.time()
                if self._asked_at - self._ranked_at < BUSY_S:
                    loop.call_later(STEP_S, self._gather, 1)
                else:
                    loop.call_soon(self._rank_waiting)
            ranked, context, layout = await future
            # Rows mean other EVSEs once the station list has changed.
            if layout is layout_of(self._district):
                return ranked, context

    def _gather(self, seen: int) -> None:
        """Looks whether more have come, and ranks once nobody does or it has taken too long."""
        loop = asyncio.get_running_loop()
        now, count = loop.time(), len(self._waiting)
        if count > seen:
            self._came_at = now
        quiet = now - self._came_at >= QUIET * self._pass_s
        if count >= TOGETHER or quiet or now - self._asked_at >= MOST * self._pass_s:
            self._rank_waiting()
        else:
            loop.call_later(STEP_S, self._gather, count)

    def _rank_waiting(self) -> None:
        """Ranks everything that waits, at most so many at once."""
        loop = asyncio.get_running_loop()
        taken, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
        if self._waiting:
            loop.call_soon(self._rank_waiting)
        begun_at = loop.time()
        try:
            self._rank(taken)
        except Exception as error:  # noqa: BLE001 - one of them must not fail the others
            self._rank_apart(taken, error)
        self._ranked_at = loop.time()
        self._pass_s = self._ranked_at - begun_at

    def _rank_apart(self, taken: list[Waiting], error: Exception) -> None:
        """Ranks each by itself, so that only the faulty request fails."""
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
            self.models.now,
            self._clock.now_s(),
        )
        figures.prepare(self._district, ranked)
        layout = layout_of(self._district)
        turns: Iterable[int] = range(len(ranked))
        if len(ranked) > 1:
            # Who is told first asks the ledger first.
            service_order.leave_only_places(ranked)
            turns = service_order.serving_order(ranked)
        for number in turns:
            future = taken[number][1]
            if not future.done():
                future.set_result((ranked[number], contexts[number], layout))


def _fail(waiting: Waiting, error: Exception) -> None:
    future = waiting[1]
    if not future.done():
        future.set_exception(error)
