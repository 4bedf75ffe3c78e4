"""A better place elsewhere is offered to a car on its way; the old one is kept until it says yes.

Why something is offered is decided in `replan.py`. Without the car's word in time nothing changes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import msgspec

from coordinator.core.areas.ledger import ClaimState, Refused
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context
from coordinator.usecases.counters import Counters
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.promises import Promise, Proposed
from coordinator.usecases.reroute import Rerouter, Revision
from coordinator.usecases.revising import Reviser

ACCEPT_S = 15.0  # how long an offer stands, link time
KEPT = "KEPT"


@dataclass(slots=True, eq=False)
class Proposal(Proposed):
    """What a car was offered, until when (link time), and what is done once it has accepted."""

    revision: Revision
    until_link_s: float
    accepted: Callable[[], Awaitable[None]] | None = None


class Proposals:
    """Offers to cars on their way, at most one a car."""

    def __init__(
        self, claims: ClaimStore, rerouter: Rerouter, reviser: Reviser, counters: Counters
    ) -> None:
        self._claims = claims
        self._rerouter = rerouter
        self._reviser = reviser
        self._counters = counters
        self._open: dict[str, Proposal] = {}
        rerouter.forget = self.forget
        counters.gauge("open_proposals", lambda: len(self._open))

    async def propose(
        self,
        promise: Promise,
        context: Context,
        ranked: Ranked,
        choice: int,
        code: str,
        accepted: Callable[[], Awaitable[None]] | None = None,
    ) -> bool:
        """Holds the place beside the old one and asks the car; False if somebody else has it."""
        moment = self._rerouter.moment()
        revision = self._rerouter.revision(promise, context, ranked, choice, code, moment)
        until_link_s = moment.link_s + ACCEPT_S
        beside = replace(
            revision.claim, state=ClaimState.OFFERED, lease_until_s=until_link_s, moving=True
        )
        step = await self._claims.claim(beside, moment)
        if isinstance(step, Refused) or promise.closed:
            return False
        revision.compose()
        assert revision.answer is not None
        accept_before_s = moment.now_s + ACCEPT_S * self._rerouter.speed
        answer = msgspec.structs.replace(revision.answer, accept_before_s=accept_before_s)
        promise.proposal = proposal = Proposal(answer, revision, until_link_s, accepted)
        self._open[promise.recommendation_id] = proposal
        self._counters.add("proposals")
        promise.tell()
        return True

    async def decide(self, promise: Promise, revision: int, accepted: bool) -> bool:
        """Takes the car's word on what it was offered; False if that is not what it speaks of."""
        proposal = promise.proposal
        if not isinstance(proposal, Proposal) or revision != proposal.answer.revision:
            return False
        if promise.closed:  # given up meanwhile: a word that comes late holds nothing
            await self.forget(promise)
            return True
        if not accepted:
            self._counters.add("proposals_declined")
            await self.withdraw(promise)
            return True
        self._close(promise)
        made, moment = proposal.revision, self._rerouter.moment()
        assert made.answer is not None
        # A number of its own, so that the car is told that its yes came in time.
        answer = msgspec.structs.replace(made.answer, revision=promise.next_revision)
        made.answer = answer
        step = await self._claims.confirm(
            made.claim.claim_id,
            made.claim.lease_until_s,
            moment,
            lambda step: (made.kept(answer),) if step.after else (),
        )
        if isinstance(step, Refused):
            await self._tell_kept(promise)
            return True
        if promise.closed:  # while the place was made firm
            await self._claims.release(made.claim.claim_id, self._rerouter.moment())
            return True
        self._rerouter.told(promise, made)
        self._counters.add("proposals_accepted")
        if proposal.accepted is not None:
            await proposal.accepted()
        return True

    async def withdraw(self, promise: Promise) -> None:
        """Gives the offered place back and tells the car that the old one stands."""
        await self.forget(promise)
        await self._tell_kept(promise)

    async def forget(self, promise: Promise) -> None:
        """Gives the offered place back without a word: the car is about to be told otherwise."""
        proposal = self._close(promise)
        if proposal is not None:
            claim_id = proposal.revision.claim.claim_id
            await self._claims.release(claim_id, self._rerouter.moment())

    async def expire(self) -> None:
        """Withdraws what was not accepted in time, and what its car does not need any more."""
        link_s = self._rerouter.moment().link_s
        for proposal in tuple(self._open.values()):
            promise = proposal.revision.promise
            if promise.closed or link_s >= proposal.until_link_s:
                self._counters.add("proposals_lapsed")
                await self.withdraw(promise)

    def _close(self, promise: Promise) -> Proposal | None:
        """Ends the offer, whatever becomes of it; its number is not given again."""
        proposal, promise.proposal = promise.proposal, None
        self._open.pop(promise.recommendation_id, None)
        if not isinstance(proposal, Proposal):
            return None
        promise.proposed_revision = proposal.answer.revision
        return proposal

    async def _tell_kept(self, promise: Promise) -> None:
        """The next revision says that the old place stands after all."""
        change = self._rerouter.change(promise, KEPT, promise.answer.choice.evse_id)
        await self._reviser.revise(
            promise, lambda answer: msgspec.structs.replace(answer, change=change)
        )
