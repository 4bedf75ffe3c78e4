"""Requests that have arrived together are ranked together; none waits for another to come.

What is on its way when the event loop gets here is taken as it is: one request alone is ranked at
once, sixty under load cost little more than ten.
"""

from __future__ import annotations

import asyncio

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.layout import Layout, layout_of
from coordinator.core.recommend.pipeline import rank_each
from coordinator.core.vehicle import ChargingRequest
from coordinator.usecases import figures

TOGETHER = 64  # more at once would hold the loop for more than a few milliseconds
QUIET_PASSES = 8  # passes of the event loop, a few microseconds each

Waiting = tuple[ChargingRequest, Context, "asyncio.Future[tuple[Ranked, Layout]]"]


class RankingDesk:
    """Collects what has arrived and ranks it in one go."""

    def __init__(self, district: District, models: Models, clock: Clock) -> None:
        self.models = models
        self._district = district
        self._clock = clock
        self._waiting: list[Waiting] = []

    async def rank(self, request: ChargingRequest, context: Context) -> Ranked:
        """The request, ranked against the district as it is when this returns."""
        while True:
            loop = asyncio.get_running_loop()
            future: asyncio.Future[tuple[Ranked, Layout]] = loop.create_future()
            self._waiting.append((request, context, future))
            if len(self._waiting) == 1:
                loop.call_soon(self._gather, 1, 0)
            ranked, layout = await future
            # Rows mean other EVSEs once the station list has changed.
            if layout is layout_of(self._district):
                return ranked

    def _gather(self, seen: int, quiet: int) -> None:
        """Ranks what waits, once the loop has passed a few times without bringing more.

        The server hands over one call a pass of the loop, so calls that have long arrived would
        otherwise be ranked one by one.
        """
        waiting = len(self._waiting)
        quiet = quiet + 1 if waiting == seen else 0
        if quiet < QUIET_PASSES and waiting < TOGETHER:
            asyncio.get_running_loop().call_soon(self._gather, waiting, quiet)
            return
        taken, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._gather, len(self._waiting), 0)
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
        ranked = rank_each(
            self._district,
            [request for request, _, _ in taken],
            [context for _, context, _ in taken],
            self.models,
            self._clock.now_s(),
        )
        figures.prepare(self._district, ranked)
        layout = layout_of(self._district)
        for (_, _, future), answer in zip(taken, ranked, strict=True):
            if not future.done():
                future.set_result((answer, layout))


def _fail(waiting: Waiting, error: Exception) -> None:
    future = waiting[2]
    if not future.done():
        future.set_exception(error)
