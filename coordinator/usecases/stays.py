"""Keeps the ledger equal to who is plugged in: cars that leave, walk-ins, cars that stay longer.

Whose plug-in it is, is found out in `plugging.py`; how a car gets another place is in `reroute.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import numpy as np
import uuid_utils

from coordinator.core.areas.ledger import Claim, ClaimState, Moment, Refused, Step
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.promises import Promise, Promises
from coordinator.usecases.queue import Queue

OVERRUN_S = 300.0  # by how much the window of a car that stays longer is lengthened at once
AT_ONCE = 256  # walk-ins stored together


class Stays:
    """Notes in the ledger who has an EVSE, until when as far as anybody knows.

    Source: paper 2.3.1, Algorithm 1 (the pile is taken). Departs: what follows is put off at once.
    """

    def __init__(
        self, district: District, claims: ClaimStore, promises: Promises, queue: Queue
    ) -> None:
        self._district = district
        self._claims = claims
        self._promises = promises
        self._queue = queue
        # Whether a car that would have to wait longer went elsewhere.
        self.goes_elsewhere: Callable[[Promise, Moment], Awaitable[bool]] = _nobody
        self._walk_ins: set[str] = set()  # EVSEs, not stored yet
        self._gone: dict[str, None] = {}  # claims of walk-ins that have left, not stored yet

    async def left(self, evse_id: str, moment: Moment) -> None:
        """The car that charged there has gone; a walk-in's end is stored by `settle`."""
        self._walk_ins.discard(evse_id)
        occupant = self._occupant(self._claims.table.of_evse(evse_id))
        if occupant is None:
            return
        if not occupant.vehicle_id and len(self._claims.table.of_evse(evse_id)) == 1:
            self._gone[occupant.claim_id] = None
        else:
            await self._claims.finish(occupant.claim_id, moment)

    def occupied(self, evse_id: str) -> bool:
        """Whether a car is plugged in, by the ledger; one that has just left is not."""
        occupant = self._occupant(self._claims.table.of_evse(evse_id))
        return occupant is not None and occupant.claim_id not in self._gone

    def walk_in(self, evse_id: str) -> None:
        """A car that nobody sent is plugged in; `settle` stores it."""
        self._walk_ins.add(evse_id)

    async def settle(self, moment: Moment) -> None:
        """Stores walk-ins that came and went, many together: nobody waits for them."""
        while self._gone or self._walk_ins:
            gone = list(self._gone)[:AT_ONCE]
            await asyncio.gather(*(self._claims.finish(name, moment) for name in gone))
            for name in gone:
                self._gone.pop(name, None)
            came = [self._walk_ins.pop() for _ in range(min(AT_ONCE, len(self._walk_ins)))]
            for step in await asyncio.gather(*(self._begins(evse, moment) for evse in came)):
                await self._put_off(step, moment)

    async def _begins(self, evse_id: str, moment: Moment) -> Step | Refused | None:
        """A walk-in has the EVSE for as long as cars usually stay there."""
        row = self._district.row.get(evse_id)
        if row is None or self._occupant(self._claims.table.of_evse(evse_id)) is not None:
            return None
        stay_s = float(self._district.usual_stay.mean_s[int(self._district.dc[row])])
        name = str(uuid_utils.uuid7())
        return await self._claims.walk_in(name, evse_id, moment.now_s + stay_s, moment)

    async def look(self, moment: Moment) -> None:
        """Lengthens the stay of cars that are still there at the end of their windows."""
        for claim in self._claims.table.overstaying(moment.now_s):
            if self._is(claim.evse_id, EvseStatus.AVAILABLE):
                await self._claims.finish(claim.claim_id, moment)  # it left while nobody looked
                continue
            until_s = moment.now_s + self._longer_s(claim, moment)
            step = await self._claims.overrun(claim.claim_id, until_s, (), {}, moment)
            await self._put_off(step, moment)

    def _longer_s(self, claim: Claim, moment: Moment) -> float:
        """By how much a stay is lengthened; a stranger's by what is usual after so long."""
        row = self._district.row.get(claim.evse_id)
        if claim.vehicle_id or row is None:
            return OVERRUN_S
        direct = self._district.dc[row : row + 1]
        since_s = np.array([moment.now_s - claim.from_s])
        return max(OVERRUN_S, float(self._district.usual_stay.left_s(direct, since_s)[0]))

    async def begin(self, moment: Moment) -> None:
        """Notes cars that had plugged in before this process where others are promised the EVSE."""
        for evse_id in {claim.evse_id for claim in self._claims.table.live()}:
            if self._is(evse_id, EvseStatus.CHARGING):
                self.walk_in(evse_id)
        await self.settle(moment)

    async def _put_off(self, step: Step | Refused | None, moment: Moment) -> None:
        """Tells those who have to wait longer now, unless they go elsewhere."""
        if not isinstance(step, Step) or step.claim is None:
            return
        behind = step.after
        if not step.claim.vehicle_id:
            # A walk-in may stand before somebody whose turn had come already.
            behind = tuple(self._claims.table.of_evse(step.claim.evse_id))
        for claim in behind:
            if claim.live and claim.state is not ClaimState.OCCUPIED:
                promise = self._promises.of_claim(claim.claim_id)
                if promise is not None and not await self.goes_elsewhere(promise, moment):
                    await self._queue.delay(promise, claim.from_s)

    def _is(self, evse_id: str, status: EvseStatus) -> bool:
        row = self._district.row.get(evse_id)
        return row is not None and self._district.status[row] == status

    @staticmethod
    def _occupant(claims: Iterable[Claim]) -> Claim | None:
        return next((c for c in claims if c.state is ClaimState.OCCUPIED), None)


async def _nobody(promise: Promise, moment: Moment) -> bool:
    return False
