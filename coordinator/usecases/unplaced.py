"""Cars that lost their place and were told that none is free: who is still there, and who is next.

They are looked after when something is free again, and every few seconds, the needier first; which
of them has which place is planned together with all others in `replan.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import ClaimState, Moment
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend import pipeline
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.service_order import serving_order
from coordinator.core.rows import Changes
from coordinator.usecases.calm import SILENT_CAR_S, gone
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.pauses import Pauses
from coordinator.usecases.promises import Promise, Promises
from coordinator.usecases.reroute import CONFIRMED_LEASE_S, RETRY_S, Rerouter
from coordinator.usecases.world import World

AT_ONCE = 8  # cars ranked together: answers come first


def waits(promise: Promise, table: ClaimTable, moment: Moment) -> bool:
    """Whether a car that set out has no place, and would use one that it is given now."""
    return (
        not (promise.closed or promise.claim_id or promise.ahead)
        and promise.confirmed
        and promise.retry_link_s != float("inf")
        and listens(promise, moment)
        and not table.of_car(promise.request.vehicle_id)
    )


def listens(promise: Promise, moment: Moment) -> bool:
    """Whether a car without a place can still be reckoned with, as if it had kept its lease.

    One that reports must have been heard lately; one that never did is not to be overdue.
    """
    heard_s = max(promise.reported_link_s, promise.arrived_link_s)
    if moment.link_s - heard_s < SILENT_CAR_S:
        return True
    figures = promise.answer.choice.figures
    since_s = max(promise.renewed_at_s, promise.promised_at_s)
    overdue_s = since_s + figures.eta_s + figures.wait_s + CONFIRMED_LEASE_S
    return not gone(promise, moment.link_s) and moment.now_s < overdue_s


class Unplaced:
    """Looks after them, all in one go, so that a place goes by need and not by who tries first."""

    def __init__(
        self,
        district: District,
        world: World,
        claims: ClaimStore,
        promises: Promises,
        rerouter: Rerouter,
    ) -> None:
        self._district = district
        self._world = world
        self._claims = claims
        self._promises = promises
        self._rerouter = rerouter
        self._freed: set[str] = set()

    def on_changes(self, changes: Changes) -> bool:
        """Takes EVSEs that became free; whether somebody waits for one. Returns at once."""
        if not self._promises.unplaced():
            return False
        free = changes.evse[changes.after == EvseStatus.AVAILABLE].tolist()
        self._freed.update(self._district.evse_ids[row] for row in free)
        return bool(free)

    async def settle(self, moment: Moment) -> None:
        """Gives what has become free to those who need it most, at once."""
        freed, self._freed = self._freed, set()
        if not freed:
            return
        for promise in self._promises.unplaced():
            promise.refused -= freed  # what failed it is mended
            promise.retry_link_s = moment.link_s
        await self.look(moment)

    async def look(self, moment: Moment) -> None:
        """Ends the wait of those who are not there any more; if one is to try again, all do."""
        for promise in self._promises.unplaced():
            if promise.ahead:
                continue  # its window is looked after by itself
            own = self._claims.table.of_car(promise.request.vehicle_id)
            if any(claim.state is not ClaimState.OFFERED for claim in own):
                self._promises.close(promise, "REPLACED")
            elif not listens(promise, moment):
                self._promises.close(promise, "NO_SHOW")
        waiting = [promise for promise in self._promises.unplaced() if not promise.ahead]
        if any(promise.retry_link_s <= moment.link_s for promise in waiting):
            await self._try(waiting, moment)

    async def _try(self, waiting: Sequence[Promise], moment: Moment) -> None:
        """Looks for places in the order of need; what one is given, the next does not find."""
        pauses, ranked = Pauses(), []
        for begin in range(0, len(waiting), AT_ONCE):
            ranked += self._ranked(waiting[begin : begin + AT_ONCE], moment)
            await pauses.take()
        for number in serving_order(ranked):
            promise = waiting[number]
            if ranked[number].batch is None:
                promise.retry_link_s = moment.link_s + RETRY_S
            elif not (promise.closed or promise.claim_id):
                await self._rerouter.reroute(promise, promise.lost_code)
            await pauses.take()

    def _ranked(self, some: Sequence[Promise], moment: Moment) -> list[Ranked]:
        """What each could have by itself."""
        row, contexts = self._district.row, []
        for promise in some:
            excluded = frozenset(row[evse] for evse in promise.refused if evse in row)
            contexts.append(self._world.around(promise.request, excluded=excluded))
        requests, models = [promise.request for promise in some], self._rerouter.models.now
        return pipeline.rank_each(self._district, requests, contexts, models, moment.now_s)
