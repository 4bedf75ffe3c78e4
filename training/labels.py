"""Which EVSE a driver chose in the end, how sure that is, and so how much it counts.

Pure. Where the evidence lies is in `sources/store.py`; what is learned from it in `from_store.py`.

    evidence                                     label               weight
    the pile saw the promised car plug in        that EVSE           1
    driver: charged (as promised or at ...)      told, else promised 1
    driver: charged elsewhere, and where         told                1
    confirmed, nothing heard since               promised            0.5
    driver: taken, broken or blocked on arrival  promised            0.25
    driver: elsewhere, not where; gave up        none
    not confirmed, nothing heard                 none
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class OutcomeKind(IntEnum):
    """What a driver told of the end, numbered as on the wire and in the store."""

    CHARGED = 1
    DEVIATED = 2
    OCCUPIED = 3
    BROKEN = 4
    BLOCKED = 5
    ABANDONED = 6


FAILED = frozenset({OutcomeKind.OCCUPIED, OutcomeKind.BROKEN, OutcomeKind.BLOCKED})

SEEN, CONFIRMED, WENT_WRONG = 1.0, 0.5, 0.25


@dataclass(frozen=True, slots=True)
class Label:
    """The EVSE that was chosen; with `weight` 0 there is none, and `how` says why."""

    evse_id: str
    weight: float
    how: str


def label_of(
    promised: str, confirmed: bool, used: str = "", told: int = 0, told_evse: str = ""
) -> Label:
    """The label of one request.

    `promised` was answered last, `used` is where a pile saw the car, `told` is the driver's last
    word, 0 for none. A failure is the driver's choice all the same, but little is learned from it:
    that piles fail is the failure model's affair.

    >>> label_of("A*1", confirmed=True)
    Label(evse_id='A*1', weight=0.5, how='confirmed')
    >>> label_of("A*1", True, used="B*1", told=OutcomeKind.BROKEN)
    Label(evse_id='B*1', weight=1.0, how='seen')
    """
    if used:
        return Label(used, SEEN, "seen")
    if told == OutcomeKind.CHARGED:
        return Label(told_evse or promised, SEEN, "told")
    if told == OutcomeKind.DEVIATED:
        if told_evse:
            return Label(told_evse, SEEN, "deviated")
        return Label("", 0.0, "charged elsewhere, not known where")
    if told in FAILED:
        return Label(promised, WENT_WRONG, "went wrong")
    if told == OutcomeKind.ABANDONED:
        return Label("", 0.0, "given up")
    if confirmed:
        return Label(promised, CONFIRMED, "confirmed")
    return Label("", 0.0, "not confirmed")
