"""Cars whose window in the future begins, and whose place is of no use when they must set out.

What is kept for later, and until when, is in `ahead.py`.
"""

from __future__ import annotations

from coordinator.core.areas.ledger import Moment
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.usecases.lost import LOST
from coordinator.usecases.reroute import Rerouter


async def set_out(district: District, rerouter: Rerouter, moment: Moment) -> None:
    """Windows begin whose cars must set out; one whose EVSE is of no use gets another place."""
    for promise in await rerouter.ahead.begin_due(moment):
        row = district.row.get(promise.answer.choice.evse_id)
        status = EvseStatus.REMOVED if row is None else EvseStatus(district.status[row])
        if status in LOST:
            await rerouter.reroute(promise, LOST[status])
