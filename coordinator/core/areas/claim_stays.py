"""What a plugged-in car does to the plan: it has the EVSE, and whoever was to come waits or moves.

A step changes everybody whom it concerns at once, or nobody. Who may ask for a place is in
`claim_index.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from coordinator.core.areas.claim_changes import Changes
from coordinator.core.areas.claim_rules import ClaimRules
from coordinator.core.areas.ledger import (
    CAR_IS_CHARGING,
    NOT_CHARGING,
    OTHER_CLAIM,
    STALE_REVISION,
    TAKEN,
    Claim,
    ClaimState,
    Moment,
    Move,
    Refused,
    Step,
)
from coordinator.core.vehicle import WarningLevel


class ClaimStays(ClaimRules):
    """Moves, arrivals, walk-ins and overruns.

    Source: paper 2.3.1, Algorithm 1. Departs: followers are moved in the step that needs it.
    """

    def apply(
        self, moves: Sequence[Move], expected_revisions: Mapping[str, int], moment: Moment
    ) -> Step | Refused:
        """Makes all moves in one step, or none.

        `expected_revisions` gives, by claim_id, the revision that the mover knows; any other
        refuses the step.
        """
        changes = Changes(self.table)
        refused = self.move(moves, expected_revisions, moment, changes)
        if refused is not None:
            changes.take_back()
            return refused
        return changes.step(moves[0].claim if moves else None)

    def move(
        self,
        moves: Sequence[Move],
        expected_revisions: Mapping[str, int],
        moment: Moment,
        changes: Changes,
    ) -> Refused | None:
        """Makes the moves as a part of a step; what refuses it, and then the step is taken back."""
        for move in moves:
            if not move.from_claim_id:
                continue
            claim = self.live(move.from_claim_id, moment)
            if isinstance(claim, Refused):
                return claim
            if claim.revision != expected_revisions.get(claim.claim_id, claim.revision):
                return Refused(STALE_REVISION, claim)
            if claim.state is ClaimState.OCCUPIED:
                return Refused(CAR_IS_CHARGING, claim)
            changes.end(claim.claim_id, ClaimState.RELEASED)
        for move in moves:
            wish = move.claim
            if (known := self.table.get(wish.claim_id)) is not None:
                return Refused(OTHER_CLAIM, known)
            changes.expire(self.table.on_evse(wish.evse_id), moment)
            changes.expire(self.table.of_car(wish.vehicle_id), moment)
            refused = self.refusal(wish, moment, ()) or self._crowded(wish)
            if refused is not None:
                return refused
            changes.put(wish)
        return None

    def occupy(
        self, claim_id: str, to_s: float, moment: Moment, evse_id: str = ""
    ) -> Step | Refused:
        """The car is plugged in, at another EVSE if one is named; it should be charged by then.

        The window never runs into that of a car that comes later: an overrun is solved where that
        car is moved. Whoever was to be there by now is put off.
        """
        claim = self.live(claim_id, moment)
        if isinstance(claim, Refused):
            return claim
        changes = Changes(self.table)
        changes.end_others(claim)
        moved = evse_id not in ("", claim.evse_id)
        begin_s = moment.now_s if moved else min(claim.from_s, moment.now_s)
        busy = replace(
            claim,
            evse_id=evse_id or claim.evse_id,
            state=ClaimState.OCCUPIED,
            from_s=begin_s,
            moving=False,
            future=False,
        )
        return changes.step(self._plug_in(busy, to_s, moment, changes))

    def walk_in(self, claim_id: str, evse_id: str, to_s: float, moment: Moment) -> Step | Refused:
        """A car that nobody sent here is plugged in; who was to be there by now is put off.

        The same claim_id again gives the same claim.
        """
        known = self.table.get(claim_id)
        if known is not None:
            same = known.evse_id == evse_id and not known.vehicle_id
            return Step(known) if same else Refused(OTHER_CLAIM, known)
        for claim in self.table.of_evse(evse_id):
            if claim.state is ClaimState.OCCUPIED:
                return Refused(TAKEN, claim)
        now_s = moment.now_s
        busy = Claim(
            claim_id, evse_id, "", now_s, to_s, WarningLevel.LOW, ClaimState.OCCUPIED, to_s
        )
        changes = Changes(self.table)
        return changes.step(self._plug_in(busy, to_s, moment, changes))

    def _plug_in(self, busy: Claim, to_s: float, moment: Moment, changes: Changes) -> Claim:
        changes.expire(self.table.on_evse(busy.evse_id), moment)
        for other in tuple(self.table.of_evse(busy.evse_id)):
            if other.state is ClaimState.OCCUPIED and other.claim_id != busy.claim_id:
                changes.end(other.claim_id, ClaimState.DONE)  # one EVSE serves one car
        later = [
            claim.from_s
            for claim in self.table.on_evse(busy.evse_id)
            if claim.claim_id != busy.claim_id and claim.from_s > moment.now_s
        ]
        busy = replace(busy, to_s=min(max(to_s, moment.now_s + 1.0), *later, math.inf))
        changes.put(busy)
        changes.push(busy)
        return busy

    def shift(self, by_s: float, moment: Moment) -> Step:
        """Everything under way is so much later; a window in the future is put off if it must.

        Offers end by link time, and keep their lease. Source: paper 2.3.1. Departs: clocks are set.
        """
        changes = Changes(self.table)
        under_way = [claim for claim in self.table.live() if not claim.future]
        for claim in under_way:
            offered = claim.state is ClaimState.OFFERED
            lease_s = claim.lease_until_s + (0.0 if offered else by_s)
            from_s, to_s = claim.from_s + by_s, claim.to_s + by_s
            changes.put(replace(claim, from_s=from_s, to_s=to_s, lease_until_s=lease_s))
        for evse_id in {window.evse_id for window in self.table.windows()}:
            for claim_id in [claim.claim_id for claim in self.table.of_evse(evse_id)]:
                if (first := self.table.get(claim_id)) is not None:
                    changes.push(first)
        return changes.step(None)

    def disown(self, claim_id: str, walk_in_id: str, moment: Moment) -> Step | Refused:
        """The car that is plugged in is another one: its claim goes on as a walk-in's."""
        claim = self.live(claim_id, moment)
        if isinstance(claim, Refused):
            return claim
        if claim.state is not ClaimState.OCCUPIED or not claim.vehicle_id:
            return Refused(NOT_CHARGING, claim)
        changes = Changes(self.table)
        changes.end(claim_id, ClaimState.RELEASED)
        walk_in = replace(claim, claim_id=walk_in_id, vehicle_id="", recommendation_id="")
        return changes.step(changes.put(walk_in))

    def overrun(
        self,
        claim_id: str,
        to_s: float,
        moves: Sequence[Move],
        expected_revisions: Mapping[str, int],
        moment: Moment,
    ) -> Step | Refused:
        """The car stays longer: those who go elsewhere are moved, the others are put off.

        All in one step, or nothing. Source: paper 2.3.1, Algorithm 1.
        """
        claim = self.live(claim_id, moment)
        if isinstance(claim, Refused):
            return claim
        if claim.state is not ClaimState.OCCUPIED:
            return Refused(NOT_CHARGING, claim)
        changes = Changes(self.table)
        refused = self.move(moves, expected_revisions, moment, changes)
        if refused is not None:
            changes.take_back()
            return refused
        changes.expire(self.table.on_evse(claim.evse_id), moment)
        longer = changes.put(replace(claim, to_s=max(to_s, claim.to_s)))
        changes.push(longer)
        return changes.step(longer)

    def _crowded(self, wish: Claim) -> Refused | None:
        """What the car of a move holds already, where it may hold nothing beside the wish."""
        table = self.table
        own = (table.windows_of_car if wish.future else table.of_car)(wish.vehicle_id)
        if not own:
            return None
        beside = wish.moving and len(own) == 1 and own[0].state is ClaimState.CONFIRMED
        return None if beside and not own[0].moving else Refused(OTHER_CLAIM, own[0])
