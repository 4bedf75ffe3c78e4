"""What becomes of steps that are stored although whoever wanted them does not know it.

Which steps those are is told by `postgres.py`; promises follow them in `usecases/late_steps.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from coordinator.core.areas.ledger import ClaimState, Moment
from coordinator.errors import CoordinatorError
from coordinator.store.postgres_answers import PostgresAnswers
from coordinator.store.postgres_rows import Sent


class PostgresLate(PostgresAnswers):
    """The part of the ledger that outlives the patience of its callers."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._late_tasks: set[asyncio.Task[None]] = set()

    def _tell_late(self, sent: Sent, untold: Sequence[str]) -> None:
        """Says that a step has happened after all; `untold` are claims that are given back."""
        task = asyncio.create_task(self._follow_up(sent, untold), name="store:late")
        self._late_tasks.add(task)
        task.add_done_callback(self._late_tasks.discard)

    async def _follow_up(self, sent: Sent, untold: Sequence[str]) -> None:
        nobodys = {sent.says.after[name].recommendation_id for name in untold}
        for name in untold:
            await self._give_back(name, sent.moment)
        theirs = [a for a in sent.answers if a.recommendation_id not in nobodys]
        for answer in theirs:
            self._remember(answer)
        with contextlib.suppress(CoordinatorError):
            for heard in self.late:
                await heard(sent.step, theirs)

    async def _give_back(self, claim_id: str, moment: Moment) -> None:
        """Releases a place that nobody was told of; what is plugged in stays."""
        claim = self.table.get(claim_id)
        if claim is None or claim.state is ClaimState.OCCUPIED:
            return
        with contextlib.suppress(CoordinatorError):
            await self.release(claim_id, moment)
