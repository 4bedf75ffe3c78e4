"""Revises a promise whose claim stays as it is: durable first, then told, no change lost.

Moves to another EVSE are stored with their step: see `reroute.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from coordinator.clock import Clock
from coordinator.core.areas.ledger import Moment
from coordinator.core.recommend.columns import Ranked
from coordinator.usecases.accounts import entered
from coordinator.usecases.answer import Answer
from coordinator.usecases.composing import Composer
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.promises import Promise, Promises

Making = Callable[[Answer], Answer | None]


class Reviser:
    """Gives promises their next revision."""

    def __init__(
        self, claims: ClaimStore, promises: Promises, composer: Composer, clock: Clock
    ) -> None:
        self._claims = claims
        self._promises = promises
        self._composer = composer
        self._clock = clock

    async def revise(self, promise: Promise, make: Making, ranked: Ranked | None = None) -> bool:
        """Tells a change as soon as it is durable; False if there is none, or the promise is over.

        `make` gives the answer with its `change`, or None. It is called again on what another
        change has made of the promise meanwhile. The figures stay those of `made_at_s`, unless
        `make` moves both; `ranked` is what it took them from.
        """
        while not promise.closed:
            before = promise.answer
            made = make(before)
            if made is None:
                return False
            moment = Moment(self._clock.now_s(), self._clock.link_s())
            answer = entered(before, msgspec.structs.replace(made, revision=promise.next_revision))
            kept = self._composer.kept(answer, promise.request, ranked)
            await self._claims.keep_answer(kept, moment)
            if promise.answer is before:
                self._promises.revise(promise, answer)
                return True
        return False
