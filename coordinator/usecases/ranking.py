"""Requests that arrive together are ranked together: sixty cost little more than ten.

A request that comes alone is ranked at once. Under load the server hands calls over one by one, so
a pass waits for more of them: until the loop has nothing else to do and nobody comes, or for about
as long as the last passes took. So passes grow with the load, and shrink when it goes.
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
BUSY_S = 0.25  # who ranked something so lately is under load
STEP_S = 0.001  # how often it is looked whether more have come
QUIET = 3  # looks in a row, in time, that found nobody new
LATE_S = 0.002  # a look so late shows that the loop was at work: more calls may be in its queue
MOST = 3.0  # passes of waiting for more, at most
KEPT = 0.8  # of how long a pass took counts for the next: one small pass is no end of the load

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
        self._pass_s = 0.0  # that the last passes took

    async def rank(self, request: ChargingRequest) -> tuple[Ranked, Context]:
        """The request, ranked against the district as it is when this returns, and the world."""
        self._world.asked(request)
        while True:
            loop = asyncio.get_running_loop()
            future: asyncio.Future[Answered] = loop.create_future()
            self._waiting.append((request, future))
            if len(self._waiting) == 1:
                self._asked_at = loop.time()
                if self._asked_at - self._ranked_at < BUSY_S:
                    self._look_again(self._asked_at)
                else:
                    loop.call_soon(self._rank_waiting)
            ranked, context, layout = await future
            # Rows mean other EVSEs once the station list has changed.
            if layout is layout_of(self._district):
                return ranked, context

    def _look_again(self, now: float, quiet: int = 0) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(STEP_S, self._gather, len(self._waiting), quiet, now + STEP_S)

    def _gather(self, seen: int, quiet: int, due: float) -> None:
        """Looks whether more have come, and ranks once nobody does or it has taken too long."""
        now, count = asyncio.get_running_loop().time(), len(self._waiting)
        quiet = quiet + 1 if count == seen and now - due < LATE_S else 0
        waited_s = now - self._asked_at
        if count >= TOGETHER or quiet >= QUIET or waited_s >= MOST * self._pass_s:
            self._rank_waiting()
        else:
            self._look_again(now, quiet)

    def _rank_waiting(self) -> None:
        """Ranks everything that waits, at most so many at once."""
        loop = asyncio.get_running_loop()
        # Nobody waits for those whose deadline has passed.
        waiting = [one for one in self._waiting if not one[1].done()]
        taken, self._waiting = waiting[:TOGETHER], waiting[TOGETHER:]
        if not taken:
            return
        begun_at = loop.time()
        if self._waiting:
            self._asked_at = begun_at
            self._look_again(begun_at)
        try:
            self._rank(taken)
        except Exception as error:  # noqa: BLE001 - one of them must not fail the others
            self._rank_apart(taken, error)
        self._ranked_at = loop.time()
        self._pass_s = max(self._ranked_at - begun_at, KEPT * self._pass_s)

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
