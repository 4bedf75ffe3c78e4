"""A better place for a car that would have to wait, because the one before it stays longer.

Who has to wait is in `stays.py`; better places without any need are the joint re-planner's to give.
"""

from __future__ import annotations

from coordinator.core.areas.ledger import Moment, Step
from coordinator.core.district import District
from coordinator.core.recommend import pipeline
from coordinator.usecases.promises import Promise
from coordinator.usecases.reroute import SWITCH_S, Rerouter
from coordinator.usecases.world import World

OVERSTAY = "OVERSTAY"


class BetterPlace:
    """Finds one that is free, or none."""

    def __init__(self, district: District, world: World, rerouter: Rerouter) -> None:
        self._district = district
        self._world = world
        self._rerouter = rerouter

    async def take(self, promise: Promise, moment: Moment) -> bool:
        """Moves the car if another place, free on arrival, is better by more than the penalty.

        A window in the future that somebody stays into is kept elsewhere.
        """
        if promise.arrived_link_s > float("-inf"):
            return False  # it stands there and waits
        if promise.ahead:
            return await self._rerouter.elsewhere(promise, OVERSTAY)
        row = self._district.row.get(promise.answer.choice.evse_id)
        excluded = {self._district.row.get(evse_id, -1) for evse_id in promise.refused}
        context = self._world.around(promise.request, excluded=frozenset(excluded - {row}))
        models, now_s = self._rerouter.models.now, moment.now_s
        ranked = pipeline.rank(self._district, promise.request, context, models, now_s)
        columns = ranked.columns
        if columns is None:
            return False
        at = {row: place for place, row in enumerate(columns.candidates.evse.tolist())}
        own = -1 if row is None else at.get(row, -1)
        stays_s = float(columns.cost.total[own]) if own >= 0 else float("inf")
        for choice in ranked.order.tolist():
            if choice == own or columns.cost.total[choice] + SWITCH_S >= stays_s:
                return False
            if columns.wait.held[choice] or columns.wait.p50_s[choice] > 0.0:
                continue
            step = await self._rerouter.move(promise, context, ranked, choice, OVERSTAY)
            if isinstance(step, Step):
                return True
        return False
