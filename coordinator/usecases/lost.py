"""Statuses that cost a car its place, and cars whose place is lost when they must set out."""

from __future__ import annotations

from coordinator.core.areas.ledger import Moment
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.usecases.reroute import Rerouter

LOST = {
    EvseStatus.OUTOFORDER: "PILE_FAILED",
    EvseStatus.BLOCKED: "PILE_BLOCKED",
    EvseStatus.INOPERATIVE: "PILE_OUT_OF_USE",
    EvseStatus.PLANNED: "PILE_OUT_OF_USE",
    EvseStatus.REMOVED: "PILE_OUT_OF_USE",
    EvseStatus.RESERVED: "PILE_TAKEN",
}


async def set_out(district: District, rerouter: Rerouter, moment: Moment) -> None:
    """Windows begin whose cars must set out; one whose EVSE is of no use gets another place."""
    for promise in await rerouter.ahead.begin_due(moment):
        row = district.row.get(promise.answer.choice.evse_id)
        status = EvseStatus.REMOVED if row is None else EvseStatus(district.status[row])
        if status in LOST:
            await rerouter.reroute(promise, LOST[status])
