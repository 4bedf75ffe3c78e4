"""The district as it will be at a later time, as far as that can be known now.

Who is promised what then is asked of the ledger; here is only what the EVSEs will be like.
"""

from __future__ import annotations

import copy

import numpy as np

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.queue_evidence import RESERVATION_S

# What is kept beside the columns as of an instant, and is made anew for another.
OF_AN_INSTANT = ("outages", "sharing", "class_mean", "standing")


def as_of(district: District, at_s: float, now_s: float) -> District:
    """A copy of the live columns as they will be at a later instant; the rest is shared.

    Cars that charge now have left when they should have; what blocks a bay or reserves it without
    a promise of ours has gone after half an hour; what is broken stays so. No claims are in it, and
    each status is as old then as it is now.

    Source: US 12,393,974 B2, step 330; claim 1 (the time of arrival). Departs: of a later hour.
    """
    later = copy.copy(district)
    later.derived = {k: v for k, v in district.derived.items() if k not in OF_AN_INSTANT}
    ahead_s = at_s - now_s
    elapsed_s = np.maximum(now_s - district.changed_at_s, 0.0)
    rest_s = district.usual_stay.left_s(district.dc, elapsed_s)
    known = district.occupied_to_s > -np.inf
    end_s = np.where(known, district.occupied_to_s, now_s + rest_s)
    status = district.status.copy()
    gone = (status == EvseStatus.CHARGING) & (end_s <= at_s)
    if ahead_s >= RESERVATION_S:
        gone |= (status == EvseStatus.BLOCKED) | (status == EvseStatus.RESERVED)
    status[gone] = EvseStatus.AVAILABLE
    later.status = status
    later.occupied_to_s = np.where(end_s > at_s, district.occupied_to_s, -np.inf)
    later.claimed_to_s = np.full(len(status), -np.inf)
    later.claim_count = np.zeros_like(district.claim_count)
    later.reserved_from_s, later.windows = np.full(len(status), np.inf), 0
    later.claimed_by = np.zeros_like(district.claimed_by)
    later.expected_arrivals = np.zeros_like(district.expected_arrivals)
    if ahead_s >= RESERVATION_S:
        later.queue_length = np.zeros_like(district.queue_length)
        later.told_at_s = np.full(len(status), -np.inf)
        later.bay = np.zeros_like(district.bay)
    later.observed_at_s = district.observed_at_s + ahead_s
    return later
