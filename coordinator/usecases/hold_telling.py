"""Tells a car how firmly its EVSE is kept, as a revision of its promise.

What is asked of the piles is in `holding.py`.
"""

from __future__ import annotations

import msgspec

from coordinator.core.areas.ledger import Claim
from coordinator.core.recommend import explain
from coordinator.usecases.answer import Answer, Change, HoldKind
from coordinator.usecases.commanding import tell_fenced
from coordinator.usecases.counters import Counters
from coordinator.usecases.directives import DirectiveResult
from coordinator.usecases.events import Events
from coordinator.usecases.promises import Promise, Promises
from coordinator.usecases.revising import Reviser

# Why a hold is soft.
NO_TOKEN = "NO_TOKEN"
CANNOT_RESERVE = "PILE_CANNOT_RESERVE"
AGENT_OFFLINE = "AGENT_OFFLINE"
NO_AGENT = "NO_AGENT"
NO_ANSWER = "PILE_UNANSWERED"
REFUSED = "RESERVATION_REFUSED"

# What every driver without a token, or every car at such a pile, has been told by HOLD_KIND_SOFT.
USUAL = frozenset({NO_TOKEN, NO_AGENT})
CODES = {HoldKind.FIRM: "HOLD_FIRM", HoldKind.SOFT: "HOLD_SOFT"}


class HoldTelling:
    """Puts what became of a hold on the promise, for the car and for operators."""

    def __init__(
        self,
        promises: Promises,
        reviser: Reviser,
        events: Events,
        counters: Counters,
    ) -> None:
        self._promises = promises
        self._reviser = reviser
        self._events = events
        self._counters = counters

    async def tell(self, claim: Claim, kind: HoldKind, reason: str) -> None:
        """Revises the promise if the hold is another than it says.

        That a hold stays soft for a reason that the car knows is noted without a new revision.
        """
        promise = self._promises.of_claim(claim.claim_id)
        if promise is None:
            return
        before = promise.answer.hold
        if before.kind is HoldKind.NONE or (before.kind, before.reason) == (kind, reason):
            return
        if kind is before.kind and reason in USUAL and not promise.request.id_token:
            promise.answer = _held(promise.answer, kind, reason)
            return

        def held(answer: Answer) -> Answer | None:
            ours = answer.hold.claim_id == claim.claim_id
            if not ours:
                return None
            change = _change(promise, kind)
            return msgspec.structs.replace(_held(answer, kind, reason), change=change)

        if await self._reviser.revise(promise, held):
            self._count(promise, claim.evse_id, kind, reason)

    def refused(self, claim: Claim, why: str) -> None:
        """A pile would not reserve; the car is sent elsewhere by `watchman.py`."""
        self._counters.add("reservations_refused")
        text = f"{claim.evse_id} would not be reserved: {why}"
        facts = {"claim_id": claim.claim_id, "why": why}
        self._events.add(
            "HOLD", text, evse_id=claim.evse_id, vehicle_id=claim.vehicle_id, facts=facts
        )

    def fenced(self, evse_id: str, agent_id: str, result: DirectiveResult) -> None:
        """An agent knows a newer fence than ours."""
        tell_fenced(self._events, evse_id, agent_id, result)

    def _count(self, promise: Promise, evse_id: str, kind: HoldKind, reason: str) -> None:
        self._counters.add("holds_firm" if kind is HoldKind.FIRM else "holds_soft")
        text = f"{evse_id} is held {kind.name.lower()} for {promise.request.vehicle_id}"
        facts = {"kind": kind.name, "reason": reason}
        vehicle_id = promise.request.vehicle_id
        self._events.add("HOLD", text, evse_id=evse_id, vehicle_id=vehicle_id, facts=facts)


def _held(answer: Answer, kind: HoldKind, reason: str) -> Answer:
    hold = msgspec.structs.replace(answer.hold, kind=kind, reason=reason)
    return msgspec.structs.replace(answer, hold=hold)


def _change(promise: Promise, kind: HoldKind) -> Change:
    place = promise.answer.choice.place
    text = explain.sentence(CODES[kind], promise.request.language, {"name": place.name})
    return Change(CODES[kind], text, place.evse_id, place.evse_id)
