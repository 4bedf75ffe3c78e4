"""A car is plugged in: its claim, its session and its promise say so, or say that it was another.

Whose plug-in it is, is found out in `plugging.py`.
"""

from __future__ import annotations

import math

import msgspec
import uuid_utils

from coordinator.clock import Clock
from coordinator.core.areas.ledger import ClaimState, Step
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.vehicle import Fix
from coordinator.usecases import wording
from coordinator.usecases.answer import Answer
from coordinator.usecases.composing import Composer
from coordinator.usecases.counters import Counters
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.presence import Presence
from coordinator.usecases.promises import Promise, Promises
from coordinator.usecases.reroute import Rerouter
from coordinator.usecases.sessions import SessionBook

SOC_UNSURE_PCT = 0.5  # by so much a car that does not charge may show more charge than before


class Occupying:
    """Turns a promise into a stay."""

    def __init__(
        self,
        district: District,
        claims: ClaimStore,
        promises: Promises,
        composer: Composer,
        rerouter: Rerouter,
        clock: Clock,
        counters: Counters,
        book: SessionBook,
    ) -> None:
        self._district = district
        self._claims = claims
        self._promises = promises
        self._composer = composer
        self._rerouter = rerouter
        self._clock = clock
        self._counters = counters
        self._book = book
        self._presence = Presence(clock)

    async def occupy(self, promise: Promise, evse_id: str = "") -> None:
        """The car is plugged in: the claim lasts until it should be charged, the guidance ends.

        An EVSE is named where it is another one than promised.
        """
        moment = self._rerouter.moment()
        answer = self._there(promise, evse_id) if evse_id else promise.answer
        end_s = moment.now_s + answer.choice.figures.charge_s
        moved = answer is not promise.answer
        step = await self._claims.occupy(
            promise.claim_id,
            end_s,
            moment,
            evse_id,
            lambda _: (self._composer.kept(answer, promise.request),) if moved else (),
        )
        if isinstance(step, Step):
            promise.plugged_soc_pct = promise.request.soc_pct
            if moved:
                self._promises.revise(promise, answer)
            self._counters.add("arrivals")
            self._promises.close_ended(step, replaced=True)
            self._promises.close(promise, "ARRIVED")
            await self.name_session(promise)

    def _there(self, promise: Promise, evse_id: str) -> Answer:
        """The answer of a car that plugged in at another EVSE of its station than it was told."""
        row, answer = self._district.row.get(evse_id), promise.answer
        if row is None or answer.choice.evse_id == evse_id:
            return answer
        place = wording.place_of(self._district, row)
        judged = msgspec.structs.replace(answer.choice, place=place)
        return msgspec.structs.replace(
            answer,
            revision=promise.next_revision,
            judged=(judged, *answer.judged[1:]),
            change=self._rerouter.change(promise, "DRIVER_CHOICE", evse_id),
        )

    async def name_session(self, promise: Promise) -> None:
        """The session at the promised EVSE is this car's, and so is the queue that it met."""
        waited_s = (self._clock.link_s() - promise.arrived_link_s) * self._clock.speed
        await self._book.name(
            promise.answer.choice.evse_id,
            promise.request.vehicle_id,
            promise.request.user_id,
            promise.recommendation_id,
            promise.answer.choice.figures.ahead,
            waited_s if math.isfinite(waited_s) else math.nan,
            promise.promised_at_s,
        )

    async def disown(self, promise: Promise) -> None:
        """Another car is plugged in where this one was thought to be: that one is a walk-in."""
        moment = self._rerouter.moment()
        step = await self._claims.disown(promise.claim_id, str(uuid_utils.uuid7()), moment)
        if isinstance(step, Step):
            self._counters.add("arrivals_disowned")

    async def take_back(self, promise: Promise, fix: Fix) -> None:
        """The car is elsewhere, with no more charge than before: who is plugged in walked in."""
        claim = self._claims.table.get(promise.claim_id)
        charged = not fix.soc_pct <= promise.plugged_soc_pct + SOC_UNSURE_PCT
        if claim is None or claim.state is not ClaimState.OCCUPIED or charged or fix.coarse:
            return
        row = self._district.row.get(claim.evse_id)
        in_use = row is not None and self._district.status[row] == EvseStatus.CHARGING
        if in_use and self._presence.has_left(promise):
            await self.disown(promise)
            self._promises.reopen(promise)
            await self._rerouter.reroute(promise, "PILE_TAKEN")
