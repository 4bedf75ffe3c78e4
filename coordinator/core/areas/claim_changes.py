"""One indivisible change of the claims while it is being made, so that it can be taken back whole.

Whether it may be made is decided in `claim_index.py` and `claim_stays.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import Claim, ClaimState, Moment, Step, lapse


class Changes:
    """What a step has changed so far. Source: paper 2.3.1."""

    __slots__ = ("after", "before", "table")

    def __init__(self, table: ClaimTable) -> None:
        self.table = table
        self.after: list[Claim] = []
        self.before: list[Claim | None] = []

    def put(self, claim: Claim) -> Claim:
        """Puts a claim in, in place of the one with its id."""
        self.before.append(self.table.put(claim))
        self.after.append(claim)
        return claim

    def end(self, claim_id: str, state: ClaimState) -> None:
        """Ends a live claim; what its car was moving to is then its only claim."""
        claim = self.table.get(claim_id)
        if claim is None or not claim.live:
            return
        self.put(replace(claim, state=state, moving=False))
        if claim.future:
            return
        for other in tuple(self.table.of_car(claim.vehicle_id)):
            if other.moving:
                self.put(replace(other, moving=False))

    def end_others(self, claim: Claim) -> None:
        """Gives back what else the car of a claim holds now; its window in the future stays."""
        for other in tuple(self.table.of_car(claim.vehicle_id)):
            if other.claim_id != claim.claim_id:
                self.end(other.claim_id, ClaimState.RELEASED)

    def expire(self, claims: Iterable[Claim], moment: Moment) -> None:
        """Ends those of the claims whose lease has run out."""
        for claim in tuple(claims):
            if claim.lapsed(moment):
                self.end(claim.claim_id, lapse(claim))

    def push(self, first: Claim) -> None:
        """Puts off every other claim of its EVSE that this one runs into, and what they run into.

        A confirmed lease is put off as well: who has to wait is not late.

        Source: paper 2.3.1. Departs: who is behind is moved before anybody is in conflict.
        """
        free_s = first.to_s
        for claim in tuple(self.table.on_evse(first.evse_id)):
            if claim.claim_id == first.claim_id or claim.to_s <= first.from_s:
                continue
            late_s = free_s - claim.from_s
            if late_s <= 0.0:
                break
            lease_s = claim.lease_until_s
            if claim.state is ClaimState.CONFIRMED:
                lease_s += late_s
            to_s = claim.to_s + late_s
            self.put(replace(claim, from_s=free_s, to_s=to_s, lease_until_s=lease_s))
            free_s = to_s

    def take_back(self) -> None:
        """Leaves the claims as they were before the step."""
        for after, before in zip(reversed(self.after), reversed(self.before), strict=True):
            self.table.remove(after)
            if before is not None:
                self.table.put(before)

    def step(self, claim: Claim | None) -> Step:
        """The step as it was made."""
        return Step(claim, tuple(self.after), tuple(self.before))
