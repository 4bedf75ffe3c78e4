"""When the plugs of a station are free of who charges there.

Whose turn it is then, is found in `taking_turns.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import ClaimState, Moment
from coordinator.core.areas.station_turns import NEVER_S, soonest
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.queue_evidence import standing

SOON_S = 30.0  # until a car leaves that should have left by now
FREE = frozenset({EvseStatus.AVAILABLE, EvseStatus.RESERVED})
IN_USE = frozenset({EvseStatus.CHARGING, EvseStatus.UNKNOWN})


def plugs_ready_s(
    district: District,
    claims: ClaimTable,
    rows: Sequence[int],
    plugging: frozenset[int],
    moment: Moment,
) -> list[float]:
    """When each plug is free of who charges there, seconds from now, as far as anybody knows.

    A bay of `plugging` that only seems blocked, because its own car stands in it, is that car's.
    """
    evse = np.array(rows, dtype=np.intp)
    status = district.status[evse]
    nowhere_km = np.full(len(rows), np.inf)
    there = standing(district, evse, status, nowhere_km, moment.now_s)
    ready_s, strangers = [], []
    for at, row in enumerate(rows):
        here = claims.of_evse(district.evse_ids[row])
        stays = next((c for c in here if c.state is ClaimState.OCCUPIED), None)
        ours = row in plugging and EvseStatus(status[at]) is EvseStatus.BLOCKED
        if stays is None and (ours or EvseStatus(status[at]) in FREE):
            ready_s.append(0.0)
        elif stays is None or EvseStatus(status[at]) not in FREE | IN_USE:
            ready_s.append(NEVER_S)
        else:
            ready_s.append(max(stays.to_s - moment.now_s, SOON_S))
            if not stays.vehicle_id:
                strangers.append(at)
    left_s = soonest([float(there.occupant_s[at]) for at in strangers])
    for at, stranger_s in zip(strangers, left_s, strict=True):
        ready_s[at] = max(stranger_s, SOON_S)
    return ready_s
