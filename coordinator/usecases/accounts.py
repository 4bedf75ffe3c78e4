"""The account of a promise: each decision with its reason, its level, and what came second.

Pure. The account travels with the answer, so that it is stored in the same step.
"""

from __future__ import annotations

import msgspec

from coordinator.usecases.answer import Answer, Decided

KEPT = 24  # decisions of one promise; the first one, and the newest


def entered(before: Answer, after: Answer, other_vehicle_id: str = "") -> Answer:
    """The next revision, with the account of the one before and its own decision."""
    account = before.decided or (decision(before),)
    if len(account) >= KEPT:
        account = (account[0], *account[2 - KEPT :])
    return msgspec.structs.replace(after, decided=(*account, decision(after, other_vehicle_id)))


def decision(answer: Answer, other_vehicle_id: str = "", code: str = "") -> Decided:
    """What was decided in this revision; the second best is the first alternative."""
    change, choice = answer.change, answer.choice
    second = answer.judged[1] if len(answer.judged) > 1 else None
    return Decided(
        answer.revision,
        answer.made_at_s,
        answer.level,
        answer.level_reason,
        code or (change.code if change is not None else "RECOMMENDED"),
        change.from_evse_id if change is not None else "",
        change.to_evse_id if change is not None else choice.evse_id,
        int(answer.hold.kind),
        second.evse_id if second is not None else "",
        second.figures.cost_s - choice.figures.cost_s if second is not None else 0.0,
        other_vehicle_id,
    )
