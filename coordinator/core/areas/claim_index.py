"""The exclusion rule: who may have which EVSE when, changed one indivisible step at a time.

Every operation gives a `Step` (what changed, to be made durable before it is told) or `Refused`
(nothing changed). Lapsed claims of the EVSE and of the car end in the step that needs the place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import (
    CAR_IS_CHARGING,
    EMPTY_WINDOW,
    LAPSED,
    OTHER_CLAIM,
    QUEUE_FULL,
    STALE_REVISION,
    TAKEN,
    UNKNOWN_CLAIM,
    Claim,
    ClaimState,
    Moment,
    Move,
    Refused,
    Step,
    lapse,
)
from coordinator.core.vehicle import WarningLevel

QUEUE_PLACES = 3  # cars promised to one EVSE at once


class _Changes:
    """What a step has changed so far, so that it can be taken back whole."""

    __slots__ = ("after", "before", "table")

    def __init__(self, table: ClaimTable) -> None:
        self.table = table
        self.after: list[Claim] = []
        self.before: list[Claim | None] = []

    def put(self, claim: Claim) -> Claim:
        self.before.append(self.table.put(claim))
        self.after.append(claim)
        return claim

    def end(self, claim_id: str, state: ClaimState) -> None:
        """Ends a live claim; what its car was moving to is then its only claim."""
        claim = self.table.get(claim_id)
        if claim is None or not claim.live:
            return
        self.put(replace(claim, state=state, moving=False))
        for other in tuple(self.table.of_car(claim.vehicle_id)):
            if other.moving:
                self.put(replace(other, moving=False))

    def expire(self, claims: Iterable[Claim], moment: Moment) -> None:
        for claim in tuple(claims):
            if claim.lapsed(moment):
                self.end(claim.claim_id, lapse(claim))

    def take_back(self) -> None:
        for after, before in zip(reversed(self.after), reversed(self.before), strict=True):
            self.table.remove(after)
            if before is not None:
                self.table.put(before)

    def step(self, claim: Claim | None) -> Step:
        return Step(claim, tuple(self.after), tuple(self.before))


class ClaimIndex:
    """Claims that exclude each other; one car has one live claim, two only while it moves.

    Source: paper 2.3.1, 4. Departs: no conflict is mended afterwards, because none is made.
    """

    def __init__(self, queue_places: int = QUEUE_PLACES) -> None:
        self._queue_places = queue_places
        self.table = ClaimTable()

    def claim(self, wish: Claim, moment: Moment) -> Step | Refused:
        """Grants the wish, or says what is in the way.

        The car's offered claim is released in the same step; beside its confirmed one the new one
        is `moving`, unless both are of one EVSE: then the new one is confirmed in its place. The
        same claim_id again gives the same claim.
        """
        known = self.table.get(wish.claim_id)
        if known is not None:
            same = known.vehicle_id == wish.vehicle_id and known.evse_id == wish.evse_id
            return Step(known) if same else Refused(OTHER_CLAIM, known)
        own = [claim for claim in self.table.of_car(wish.vehicle_id) if not claim.lapsed(moment)]
        for claim in own:
            if claim.state is ClaimState.OCCUPIED:
                return Refused(CAR_IS_CHARGING, claim)
        if (refused := self._refusal(wish, moment)) is not None:
            return refused
        changes = _Changes(self.table)
        changes.expire(self.table.of_evse(wish.evse_id), moment)
        changes.expire(self.table.of_car(wish.vehicle_id), moment)
        firm = [claim for claim in own if claim.state is ClaimState.CONFIRMED]
        here = next((claim for claim in firm if claim.evse_id == wish.evse_id), None)
        for claim in own:
            if claim.state is ClaimState.OFFERED or claim is here:
                changes.end(claim.claim_id, ClaimState.RELEASED)
        if here is not None:
            wish = replace(
                wish, state=ClaimState.CONFIRMED, lease_until_s=here.lease_until_s, moving=False
            )
        elif firm:
            wish = replace(wish, moving=True)
        return changes.step(changes.put(wish))

    def confirm(self, claim_id: str, lease_until_s: float, moment: Moment) -> Step | Refused:
        """Makes an offer firm until this domain instant; the car's other claim ends with it."""
        claim = self._live(claim_id, moment)
        if isinstance(claim, Refused):
            return claim
        if claim.state is not ClaimState.OFFERED:
            return Step(claim)
        changes = _Changes(self.table)
        self._end_others(claim, changes)
        firm = replace(claim, state=ClaimState.CONFIRMED, lease_until_s=lease_until_s, moving=False)
        return changes.step(changes.put(firm))

    def renew(
        self, claim_id: str, lease_until_s: float, to_s: float, moment: Moment
    ) -> Step | Refused:
        """Moves a confirmed lease and its window's end, as far as the next car allows."""
        claim = self._live(claim_id, moment)
        if isinstance(claim, Refused):
            return claim
        if claim.state is not ClaimState.CONFIRMED:
            return Refused(LAPSED, claim)
        changes = _Changes(self.table)
        until_s = self._until(claim, to_s)
        return changes.step(changes.put(replace(claim, lease_until_s=lease_until_s, to_s=until_s)))

    def relevel(self, claim_id: str, level: WarningLevel, moment: Moment) -> Step | Refused:
        """The car behind a live claim is now of this level; what it holds stays as it is."""
        claim = self._live(claim_id, moment)
        if isinstance(claim, Refused):
            return claim
        changes = _Changes(self.table)
        return changes.step(changes.put(replace(claim, level=level)))

    def occupy(self, claim_id: str, to_s: float, moment: Moment) -> Step | Refused:
        """The car is plugged in; the window ends when it should be charged.

        It never runs into the next car's window: an overrun is solved where that car is moved.
        """
        claim = self._live(claim_id, moment)
        if isinstance(claim, Refused):
            return claim
        changes = _Changes(self.table)
        self._end_others(claim, changes)
        busy = replace(
            claim, state=ClaimState.OCCUPIED, to_s=self._until(claim, to_s), moving=False
        )
        return changes.step(changes.put(busy))

    def end(self, claim_id: str, state: ClaimState) -> Step | Refused:
        """Ends a live claim: DONE, RELEASED, EXPIRED or NO_SHOW. Ended ones stay as they are."""
        claim = self.table.get(claim_id)
        if claim is None:
            return Refused(UNKNOWN_CLAIM)
        changes = _Changes(self.table)
        changes.end(claim_id, state)
        return changes.step(self.table.get(claim_id))

    def expire(self, moment: Moment) -> Step:
        """Ends every claim whose lease has run out."""
        changes = _Changes(self.table)
        for claim in self.table.lapsed(moment):
            changes.end(claim.claim_id, lapse(claim))
        return changes.step(None)

    def apply(
        self, moves: Sequence[Move], expected_revisions: Mapping[str, int], moment: Moment
    ) -> Step | Refused:
        """Makes all moves in one step, or none.

        `expected_revisions` gives, by claim_id, the revision that the mover knows; any other
        refuses the step.
        """
        changes = _Changes(self.table)
        refused = self._apply(moves, expected_revisions, moment, changes)
        if refused is not None:
            changes.take_back()
            return refused
        return changes.step(moves[0].claim if moves else None)

    def _apply(
        self,
        moves: Sequence[Move],
        expected_revisions: Mapping[str, int],
        moment: Moment,
        changes: _Changes,
    ) -> Refused | None:
        for move in moves:
            if not move.from_claim_id:
                continue
            claim = self._live(move.from_claim_id, moment)
            if isinstance(claim, Refused):
                return claim
            if claim.revision != expected_revisions.get(claim.claim_id, claim.revision):
                return Refused(STALE_REVISION, claim)
            changes.end(claim.claim_id, ClaimState.RELEASED)
        for move in moves:
            wish = move.claim
            if (known := self.table.get(wish.claim_id)) is not None:
                return Refused(OTHER_CLAIM, known)
            changes.expire(self.table.of_evse(wish.evse_id), moment)
            changes.expire(self.table.of_car(wish.vehicle_id), moment)
            if (refused := self._refusal(wish, moment)) is not None:
                return refused
            own = self.table.of_car(wish.vehicle_id)
            if own:
                return Refused(OTHER_CLAIM, own[0])
            changes.put(wish)
        return None

    def undo(self, step: Step) -> None:
        """Takes back a step that could not be made durable, as far as nobody has built on it.

        What it granted is gone; what it ended lives again unless the place was given away since.
        """
        for after, before in zip(reversed(step.after), reversed(step.before), strict=True):
            if self.table.get(after.claim_id) is not after:
                continue
            self.table.remove(after)
            if before is None:
                continue
            if before.live and not self._fits(before):
                before = replace(before, state=ClaimState.RELEASED, moving=False)
            self.table.put(before)

    def restore(self, claims: Iterable[Claim]) -> None:
        """Takes claims in as they were stored, in order; a later one ends what it excludes.

        A stored overlap means that the earlier claim's end was decided but lost with the process.
        """
        for claim in claims:
            if (known := self.table.get(claim.claim_id)) is not None:
                self.table.remove(known)
            if claim.live:
                changes = _Changes(self.table)
                for other in tuple(self.table.of_evse(claim.evse_id)):
                    if other.overlaps(claim.from_s, claim.to_s):
                        changes.end(other.claim_id, ClaimState.EXPIRED)
                for other in tuple(self.table.of_car(claim.vehicle_id)):
                    if not (other.moving or claim.moving):
                        changes.end(other.claim_id, ClaimState.EXPIRED)
            self.table.put(claim)

    def _live(self, claim_id: str, moment: Moment) -> Claim | Refused:
        claim = self.table.get(claim_id)
        if claim is None:
            return Refused(UNKNOWN_CLAIM)
        return claim if claim.live and not claim.lapsed(moment) else Refused(LAPSED, claim)

    def _refusal(self, wish: Claim, moment: Moment) -> Refused | None:
        """Why the wish cannot be granted; the car's own claims are never in its way."""
        if not (wish.to_s > wish.from_s and math.isfinite(wish.to_s - wish.from_s)):
            return Refused(EMPTY_WINDOW)
        count = 0
        for claim in self.table.of_evse(wish.evse_id):
            own = wish.vehicle_id and claim.vehicle_id == wish.vehicle_id
            if own or claim.lapsed(moment):
                continue
            if claim.overlaps(wish.from_s, wish.to_s):
                return Refused(TAKEN, claim)
            count += 1
            if count >= self._queue_places:
                return Refused(QUEUE_FULL, claim)
        return None

    def _end_others(self, claim: Claim, changes: _Changes) -> None:
        for other in tuple(self.table.of_car(claim.vehicle_id)):
            if other.claim_id != claim.claim_id:
                changes.end(other.claim_id, ClaimState.RELEASED)

    def _until(self, claim: Claim, to_s: float) -> float:
        """The window's end as wished, but not past the begin of the next window."""
        later = [c.from_s for c in self.table.of_evse(claim.evse_id) if c.from_s > claim.from_s]
        return min(max(to_s, claim.from_s + 1.0), *later, math.inf)

    def _fits(self, claim: Claim) -> bool:
        crowded = any(not (c.moving or claim.moving) for c in self.table.of_car(claim.vehicle_id))
        return not crowded and not any(
            other.overlaps(claim.from_s, claim.to_s) for other in self.table.of_evse(claim.evse_id)
        )
