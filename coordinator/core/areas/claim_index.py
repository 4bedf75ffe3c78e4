"""The exclusion rule: who may have which EVSE when, changed one indivisible step at a time.

Every operation gives a `Step` (what changed, to be made durable before it is told) or `Refused`
(nothing changed). Lapsed claims of the EVSE and of the car end in the step that needs the place.
What happens once a car is plugged in is in `claim_stays.py`.
"""

from __future__ import annotations

from dataclasses import replace

from coordinator.core.areas.claim_changes import Changes
from coordinator.core.areas.claim_rules import QUEUE_PLACES as QUEUE_PLACES
from coordinator.core.areas.claim_stays import ClaimStays
from coordinator.core.areas.ledger import (
    AHEAD_S,
    CAR_IS_CHARGING,
    LAPSED,
    OTHER_CLAIM,
    TOO_FAR_AHEAD,
    UNKNOWN_CLAIM,
    Claim,
    ClaimState,
    Moment,
    Refused,
    Step,
    lapse,
)
from coordinator.core.vehicle import WarningLevel


class ClaimIndex(ClaimStays):
    """Claims that exclude each other; one car has one live claim, two only while it moves.

    Source: paper 2.3.1, 4. Departs: no conflict is mended afterwards, because none is made.
    """

    def claim(self, wish: Claim, moment: Moment) -> Step | Refused:
        """Grants the wish, or says what is in the way.

        The car's offered claim is released in the same step; beside its confirmed one the new one
        is `moving`, unless both are of one EVSE: then the new one is confirmed in its place. A
        window in the future replaces the one that the car has, and is confirmed if that was. The
        same claim_id again gives the same claim.
        """
        known = self.table.get(wish.claim_id)
        if known is not None:
            same = known.vehicle_id == wish.vehicle_id and known.evse_id == wish.evse_id
            return Step(known) if same else Refused(OTHER_CLAIM, known)
        if wish.future:
            return self._claim_ahead(wish, moment)
        own = [claim for claim in self.table.of_car(wish.vehicle_id) if not claim.lapsed(moment)]
        here, firm, leaving = None, False, []
        for claim in own:
            if claim.state is ClaimState.OCCUPIED:
                return Refused(CAR_IS_CHARGING, claim)
            if claim.state is ClaimState.OFFERED:
                leaving.append(claim.claim_id)
                continue
            firm = True
            if claim.evse_id == wish.evse_id:
                here = claim
                leaving.append(claim.claim_id)
        if (refused := self.refusal(wish, moment, leaving)) is not None:
            return refused
        changes = self._cleared(wish, moment)
        for claim_id in leaving:
            changes.end(claim_id, ClaimState.RELEASED)
        if here is not None:
            wish = replace(
                wish, state=ClaimState.CONFIRMED, lease_until_s=here.lease_until_s, moving=False
            )
        elif firm:
            wish = replace(wish, moving=True)
        return changes.step(changes.put(wish))

    def _claim_ahead(self, wish: Claim, moment: Moment) -> Step | Refused:
        """Keeps a window in the future."""
        if wish.from_s > moment.now_s + AHEAD_S:
            return Refused(TOO_FAR_AHEAD)
        own = [c for c in self.table.windows_of_car(wish.vehicle_id) if not c.lapsed(moment)]
        leaving = [claim.claim_id for claim in own]
        if (refused := self.refusal(wish, moment, leaving)) is not None:
            return refused
        changes = self._cleared(wish, moment)
        for claim in own:
            changes.end(claim.claim_id, ClaimState.RELEASED)
            if claim.state is ClaimState.CONFIRMED:
                lease_s = wish.to_s + claim.lease_until_s - claim.to_s  # as late as before
                wish = replace(wish, state=ClaimState.CONFIRMED, lease_until_s=lease_s)
        return changes.step(changes.put(wish))

    def _cleared(self, wish: Claim, moment: Moment) -> Changes:
        """A step that begins with the end of what has lapsed of the EVSE and of the car."""
        changes, table = Changes(self.table), self.table
        changes.expire(table.on_evse(wish.evse_id), moment)
        changes.expire(table.of_car(wish.vehicle_id), moment)
        if wish.future:
            changes.expire(table.windows_of_car(wish.vehicle_id), moment)
        return changes

    def confirm(self, claim_id: str, lease_until_s: float, moment: Moment) -> Step | Refused:
        """Makes an offer firm until this domain instant; the car's other claim ends with it."""
        claim = self.live(claim_id, moment)
        if isinstance(claim, Refused):
            return claim
        if claim.state is not ClaimState.OFFERED:
            return Step(claim)
        changes = Changes(self.table)
        if not claim.future:
            changes.end_others(claim)
        firm = replace(claim, state=ClaimState.CONFIRMED, lease_until_s=lease_until_s, moving=False)
        return changes.step(changes.put(firm))

    def begin(self, claim_id: str, moment: Moment, instead: bool = False) -> Step | Refused:
        """The car sets out for its window in the future: it is the car's live claim from now on.

        Refused while the car charges, or has another live claim, unless this is `instead` of it.
        """
        claim = self.live(claim_id, moment)
        if isinstance(claim, Refused):
            return claim
        if not claim.future:
            return Step(claim)
        if claim.state is not ClaimState.CONFIRMED:
            return Refused(LAPSED, claim)
        for other in self.table.of_car(claim.vehicle_id):
            if other.state is ClaimState.OCCUPIED:
                return Refused(CAR_IS_CHARGING, other)
            if not (instead or other.lapsed(moment)):
                return Refused(OTHER_CLAIM, other)
        changes = Changes(self.table)
        changes.expire(self.table.of_car(claim.vehicle_id), moment)
        changes.end_others(claim)
        return changes.step(changes.put(replace(claim, future=False)))

    def renew(
        self, claim_id: str, lease_until_s: float, to_s: float, moment: Moment
    ) -> Step | Refused:
        """Moves a confirmed lease and its window's end, as far as the next car allows."""
        claim = self.live(claim_id, moment)
        if isinstance(claim, Refused):
            return claim
        if claim.state is not ClaimState.CONFIRMED:
            return Refused(LAPSED, claim)
        changes = Changes(self.table)
        changes.expire(self.table.on_evse(claim.evse_id), moment)
        until_s = self.until(claim, to_s)
        return changes.step(changes.put(replace(claim, lease_until_s=lease_until_s, to_s=until_s)))

    def relevel(self, claim_id: str, level: WarningLevel, moment: Moment) -> Step | Refused:
        """The car behind a live claim is now of this level; what it holds stays as it is."""
        claim = self.live(claim_id, moment)
        if isinstance(claim, Refused):
            return claim
        changes = Changes(self.table)
        return changes.step(changes.put(replace(claim, level=level)))

    def end(self, claim_id: str, state: ClaimState) -> Step | Refused:
        """Ends a live claim: DONE, RELEASED, EXPIRED or NO_SHOW. Ended ones stay as they are."""
        claim = self.table.get(claim_id)
        if claim is None:
            return Refused(UNKNOWN_CLAIM)
        changes = Changes(self.table)
        changes.end(claim_id, state)
        return changes.step(self.table.get(claim_id))

    def expire(self, moment: Moment) -> Step:
        """Ends every claim whose lease has run out."""
        changes = Changes(self.table)
        for claim in self.table.lapsed(moment):
            changes.end(claim.claim_id, lapse(claim))
        return changes.step(None)
