"""What agents keep for whom, as far as the coordinator knows; what is to be done is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace

from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import Claim, ClaimState
from coordinator.usecases.answer import HoldKind
from coordinator.usecases.directives import DirectiveResult, Outcome
from coordinator.usecases.hold_telling import NO_ANSWER


@dataclass(frozen=True, slots=True)
class Kept:
    """What an agent keeps; `until_s` is domain time.

    It may not, if it is not `sure`: it was asked, and the answer, or our memory of it, was lost.
    Then it may be kept for one of the `others` instead, which have ended.
    """

    claim_id: str
    until_s: float
    kind: HoldKind = HoldKind.SOFT
    reason: str = ""
    sure: bool = True
    others: tuple[str, ...] = ()  # claims


def kept_after(claim: Claim, result: DirectiveResult, softly: str) -> Kept:
    """What is kept after an agent's answer; `softly` says why, where the pile itself does not.

    A pile that was silent, or not there yet, may have heard it all the same.
    """
    if result.outcome is Outcome.DONE:
        return Kept(claim.claim_id, claim.lease_until_s, HoldKind.FIRM)
    silent = result.outcome is Outcome.TIMED_OUT
    reason = NO_ANSWER if silent else result.outcome.name
    if result.outcome is Outcome.DONE_SOFTLY:
        reason = softly
    return Kept(claim.claim_id, claim.lease_until_s, HoldKind.SOFT, reason, sure=not silent)


def first_confirmed(table: ClaimTable, evse_id: str) -> Claim | None:
    """The claim to keep an EVSE for: an EVSE knows one reservation, so that of its first car.

    None if that one is there already, has not confirmed yet, or is nobody's.
    """
    claims = table.of_evse(evse_id)
    if not claims or claims[0].state is not ClaimState.CONFIRMED or not claims[0].vehicle_id:
        return None
    return claims[0]


def recalled(table: ClaimTable, now_s: float) -> dict[str, Kept]:
    """After a restart, by EVSE: live claims may be kept or not, ended ones may be kept still, as
    may that of a car which has plugged in since.

    Of several it is not known for which one: the word that it is over may not have gone out.
    """
    kept: dict[str, Kept] = {}
    for claim in table.remembered():
        at = claim.evse_id
        there = claim.state is ClaimState.OCCUPIED
        if claim.live and not there and claim is not first_confirmed(table, at):
            continue
        if claim.state is ClaimState.EXPIRED or claim.lease_until_s <= now_s:
            continue
        before = kept.get(at)
        if before is None:
            kept[at] = Kept(claim.claim_id, claim.lease_until_s, sure=False)
        elif claim.live:
            others = (before.claim_id, *before.others)
            kept[at] = Kept(claim.claim_id, claim.lease_until_s, sure=False, others=others)
        else:
            kept[at] = replace(before, others=(*before.others, claim.claim_id))
    return kept
