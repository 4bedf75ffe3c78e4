"""A more urgent car gets the place of a less urgent one, when nothing acceptable is free for it.

The other car is moved in the same step to a place that costs it little more; one that is near its
pile, or that would lose too much, keeps what it was promised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from coordinator.core.areas.ledger import ClaimState, Moment, Move, Step
from coordinator.core.district import District
from coordinator.core.recommend import pipeline
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context, OwnPlace
from coordinator.core.vehicle import ChargingRequest
from coordinator.usecases.accounts import decision
from coordinator.usecases.answer import Answer, Stage
from coordinator.usecases.composing import Composer
from coordinator.usecases.counters import Counters
from coordinator.usecases.ledger import ClaimStore, KeptAnswer
from coordinator.usecases.models_now import ModelsNow
from coordinator.usecases.promises import Promise, Promises
from coordinator.usecases.reroute import Rerouter, Revision
from coordinator.usecases.world import World

ACCEPTABLE_S = 300.0  # a wait up to this is no reason to move anybody
GREATEST_LOSS_S = 300.0  # by how much the moved car may be worse off, in the one cost
CODE, GIVEN_UP = "HIGHER_LEVEL", "PLACE_GIVEN_UP"


class Displacer:
    """Finds a holder of a lower level and moves it, or finds none."""

    def __init__(
        self,
        district: District,
        world: World,
        claims: ClaimStore,
        promises: Promises,
        composer: Composer,
        models: ModelsNow,
        rerouter: Rerouter,
        counters: Counters,
    ) -> None:
        self._district = district
        self._world = world
        self._claims = claims
        self._promises = promises
        self._composer = composer
        self._models = models
        self._rerouter = rerouter
        self._counters = counters

    def wanted_of(self, ranked: Ranked, vehicle_id: str) -> Promise | None:
        """The promise that stands in the way, if it may be asked to move."""
        if ranked.batch is None or not ranked.conflict or ranked.wanted is None:
            return None
        columns, number = ranked.batch.columns, ranked.number
        if columns.wait.expected_s[number, ranked.order[0]] <= ACCEPTABLE_S:
            return None
        evse_id = self._district.evse_ids[int(columns.candidates.evse[number, ranked.wanted])]
        claims = self._claims.table.of_evse(evse_id)
        if len(claims) != 1 or claims[0].level <= ranked.level:
            return None
        holder = self._promises.of_claim(claims[0].claim_id)
        if holder is None or holder.request.vehicle_id == vehicle_id:
            return None
        on_its_way = claims[0].state in (ClaimState.OFFERED, ClaimState.CONFIRMED)
        told = holder.answer.stage is Stage.PILE or holder.arrived_link_s > float("-inf")
        return holder if on_its_way and not told else None

    async def displace(
        self, request: ChargingRequest, ranked: Ranked, recommendation_id: str
    ) -> Answer | None:
        """The answer with the place that a less urgent car gave up; None if none could."""
        holder = self.wanted_of(ranked, request.vehicle_id)
        if holder is None:
            return None
        moment = self._rerouter.moment()
        row = self._district.row.get(holder.answer.choice.evse_id)
        if row is None:
            return None
        elsewhere, context, found, mine = self._judge(request, holder, row, moment)
        away = self._elsewhere(holder, elsewhere, found, moment)
        if away is None:
            return None
        if mine.columns is None:
            return None
        without = frozenset({holder.claim_id})
        wish = self._composer.wish(request, mine, 0, recommendation_id, moment, without=without)
        wish = replace(wish, level=ranked.level)
        mine.level, mine.level_reason = ranked.level, ranked.level_reason
        mine.reminder = ranked.reminder
        made: list[Answer] = []
        away.in_favour_of = request.vehicle_id

        def answering(step: Step) -> Sequence[KeptAnswer]:
            answer = self._composer.compose(request, context, mine, 0, wish, moment)
            told = decision(answer, holder.request.vehicle_id, GIVEN_UP)
            made[:] = [msgspec.structs.replace(answer, decided=(told,))]
            return (self._composer.kept(made[0], request, mine), away.compose())

        own = [claim.claim_id for claim in self._claims.table.of_car(request.vehicle_id)]
        moves = [Move(holder.claim_id, away.claim), Move(own[0] if own else "", wish)]
        known = self._claims.table.get(holder.claim_id)
        expected = {} if known is None else {holder.claim_id: known.revision}
        before_s = holder.answer.choice.figures.cost_s
        step = await self._claims.apply(moves, expected, moment, answering)
        if not isinstance(step, Step):
            return None
        self._rerouter.told(holder, away)
        self._promises.close_ended(step, replaced=True)
        self._count(holder, before_s)
        return made[0]

    def _judge(
        self, request: ChargingRequest, holder: Promise, row: int, moment: Moment
    ) -> tuple[Context, Context, Ranked, Ranked]:
        """What the holder could have elsewhere, and the asking car here, judged as if the holder
        had gone already: the worlds around both, and their candidates, in one pass."""
        elsewhere = self._world.around(holder.request, excluded=frozenset({row}))
        here = self._world.around(request, only=frozenset({row}))
        here = replace(here, own=(OwnPlace(row),))
        found, mine = pipeline.rank_each(
            self._district, [holder.request, request], [elsewhere, here], self._models.now,
            moment.now_s,
        )  # fmt: skip
        return elsewhere, here, found, mine

    def _count(self, holder: Promise, before_s: float) -> None:
        """Counts the car that gave its place up, and what that cost it."""
        lost_s = max(holder.answer.choice.figures.cost_s - before_s, 0.0)
        self._counters.add("displacements")
        self._counters.add("displacement_loss_s", lost_s)

    def _elsewhere(
        self, holder: Promise, context: Context, ranked: Ranked, moment: Moment
    ) -> Revision | None:
        """The holder's next best place, if it costs little more and nobody holds it."""
        columns = ranked.columns
        if columns is None:
            return None
        before_s = holder.answer.choice.figures.cost_s
        for choice in ranked.order.tolist():
            if columns.cost.total[choice] > before_s + GREATEST_LOSS_S:
                return None
            if not columns.wait.held[choice]:
                return self._rerouter.revision(holder, context, ranked, choice, CODE, moment)
        return None
