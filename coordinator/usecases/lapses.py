"""Ends leases that have run out, by a clock that may be set: what is left of them stays left.

The system's clock is corrected in steps now and then. Instants of promises were told by the clock
before; without a word they would all lapse, or never.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog

from coordinator.clock import Clock
from coordinator.core.areas.ledger import Moment
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.promises import Promises

log = structlog.get_logger()

STEP_S = 30.0  # by so much domain time is ahead of or behind link time when it was set


class Lapses:
    """Looks once a second; between two looks at most so much can go wrong."""

    def __init__(self, claims: ClaimStore, promises: Promises, clock: Clock) -> None:
        self._claims = claims
        self._promises = promises
        self._clock = clock
        self.follows_steps = True
        self.on_step: list[Callable[[float], None]] = []  # hear of each, with its length
        self._before = Moment(clock.now_s(), clock.link_s())

    async def end(self, moment: Moment) -> None:
        """Expires what has lapsed, and closes the promises behind it."""
        before, self._before = self._before, moment
        passed_s = (moment.link_s - before.link_s) * self._clock.speed
        step_s = moment.now_s - before.now_s - passed_s
        if self.follows_steps and abs(step_s) >= STEP_S:
            log.warning("the clock was set", step_s=round(step_s, 1))
            await self._follow(step_s, moment)
        self._promises.close_ended(await self._claims.expire(moment))

    async def _follow(self, step_s: float, moment: Moment) -> None:
        """Moves everything that is under way with the clock; windows in the future stay."""
        for hear in self.on_step:
            hear(step_s)
        await self._claims.shift(step_s, moment)
        for promise in self._promises.open():
            if promise.ahead:
                continue
            promise.renewed_at_s += step_s
            promise.promised_at_s += step_s
            answer = promise.answer
            until_s = answer.hold.until_s
            moved_s = None if until_s is None else until_s + step_s
            hold = msgspec.structs.replace(answer.hold, until_s=moved_s)
            promise.answer = msgspec.structs.replace(
                answer, made_at_s=answer.made_at_s + step_s, hold=hold
            )
