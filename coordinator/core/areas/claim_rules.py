"""What stands in the way of a claim, and how claims come back from a store.

Who may ask for what is in `claim_index.py`; how a plugged-in car changes the plan is in
`claim_stays.py`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from coordinator.core.areas.claim_changes import Changes
from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import (
    EMPTY_WINDOW,
    LAPSED,
    QUEUE_FULL,
    TAKEN,
    UNKNOWN_CLAIM,
    Claim,
    ClaimState,
    Moment,
    Refused,
    Step,
)

QUEUE_PLACES = 3  # cars promised to one EVSE at once


class ClaimRules:
    """The exclusion of claims by windows. Source: paper 2.3.1, 4."""

    def __init__(self, queue_places: int = QUEUE_PLACES) -> None:
        self._queue_places = queue_places
        self.table = ClaimTable()

    def live(self, claim_id: str, moment: Moment) -> Claim | Refused:
        """The claim, if it is live; else why nothing can be done with it."""
        claim = self.table.get(claim_id)
        if claim is None:
            return Refused(UNKNOWN_CLAIM)
        return claim if claim.live and not claim.lapsed(moment) else Refused(LAPSED, claim)

    def until(self, claim: Claim, to_s: float) -> float:
        """The window's end as wished, but not past the begin of the next window."""
        on_evse = self.table.on_evse(claim.evse_id)
        later = [c.from_s for c in on_evse if c.from_s > claim.from_s]
        return min(max(to_s, claim.from_s + 1.0), *later, math.inf)

    def own(self, claim: Claim) -> tuple[Claim, ...]:
        """What the car of a claim holds of the same kind: now, or in the future."""
        table = self.table
        return tuple((table.windows_of_car if claim.future else table.of_car)(claim.vehicle_id))

    def refusal(self, wish: Claim, moment: Moment, leaving: Collection[str]) -> Refused | None:
        """Why the wish cannot be granted; claims that leave in the same step are not in its way."""
        if not (wish.to_s > wish.from_s and math.isfinite(wish.to_s - wish.from_s)):
            return Refused(EMPTY_WINDOW)
        count = 0
        for claim in self.table.on_evse(wish.evse_id):
            if claim.claim_id in leaving or claim.lapsed(moment):
                continue
            if claim.overlaps(wish.from_s, wish.to_s):
                return Refused(TAKEN, claim)
            # Nobody was promised the place of a walk-in, or has to queue for a window of later.
            count += bool(claim.vehicle_id) and not claim.future
            if count >= self._queue_places and not wish.future:
                return Refused(QUEUE_FULL, claim)
        return None

    def undo(self, step: Step) -> None:
        """Takes back a step that could not be made durable, as far as nobody has built on it.

        What it granted is gone; what it ended lives again unless the place was given away since.
        """
        oldest: dict[str, Claim | None] = {}
        for after, before in zip(reversed(step.after), reversed(step.before), strict=True):
            claim_id = after.claim_id
            if claim_id in oldest:
                oldest[claim_id] = before
            elif self.table.get(claim_id) is after:
                self.table.remove(after)
                oldest[claim_id] = before
        for before in reversed(oldest.values()):
            if before is None:
                continue
            if before.live and not self._fits(before):
                before = replace(before, state=ClaimState.RELEASED, moving=False)
            self.table.put(before)

    def restore(self, steps: Iterable[Sequence[Claim]]) -> None:
        """Takes steps in as they were stored, in order; a later one ends what it excludes.

        A stored overlap means that the earlier claim's end was decided but lost with the process.
        """
        for step in steps:
            newest = {claim.claim_id: claim for claim in step}
            for claim_id in newest:
                if (known := self.table.get(claim_id)) is not None:
                    self.table.remove(known)
            for claim in newest.values():
                if claim.live:
                    self._exclude(claim)
                self.table.put(claim)

    def _exclude(self, claim: Claim) -> None:
        changes = Changes(self.table)
        for other in tuple(self.table.on_evse(claim.evse_id)):
            if other.overlaps(claim.from_s, claim.to_s):
                changes.end(other.claim_id, ClaimState.EXPIRED)
        for other in self.own(claim):
            if not (other.moving or claim.moving):
                changes.end(other.claim_id, ClaimState.EXPIRED)

    def _fits(self, claim: Claim) -> bool:
        crowded = any(not (c.moving or claim.moving) for c in self.own(claim))
        return not crowded and not any(
            other.overlaps(claim.from_s, claim.to_s) for other in self.table.on_evse(claim.evse_id)
        )
