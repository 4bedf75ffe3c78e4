"""What an EVSE will be like on arrival, from what it is now: working, and free if it works.

Two heads, never mixed: P(working) enters the second score, P(free) enters the wait. The long-term
failure rate itself comes from the knowledge map (`coordinator/core/reliability`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.pile import EvseStatus

Floats = NDArray[np.float64]

# Persistence of statuses, measured on 654 connectors of the Irish public network, 30 days.
_BROKEN_AFTER_S = (0.0, 300.0, 1800.0, 3600.0, 86_400.0)
STAYS_BROKEN = (1.0, 0.993, 0.980, 0.974, 0.923)
# Share of the outages of a day that have begun, and last, after a time: 0.065, 0.20, 0.26 and
# 0.81 % of the connectors that were in order.
BROKEN_SHARE_OF_DAY = (0.0, 0.0802, 0.2469, 0.3210, 1.0)

_BUSY_AFTER_S = (0.0, 300.0, 900.0, 1800.0, 3600.0)
STAYS_BUSY = (1.0, 0.85, 0.63, 0.44, 0.33)
GETS_BUSY = (0.0, 0.021, 0.052, 0.080, 0.095)

# Share of connectors that could not be used, out of service or out of contact, same data: what an
# EVSE of which nothing is known now is worth.
UNKNOWN_UNUSABLE = 0.156
UNKNOWN_BUSY = 0.20

_BROKEN = np.zeros(len(EvseStatus), dtype=bool)
_BROKEN[[EvseStatus.OUTOFORDER, EvseStatus.INOPERATIVE, EvseStatus.PLANNED, EvseStatus.REMOVED]] = (
    True
)
_UNKNOWN = np.zeros(len(EvseStatus), dtype=bool)
_UNKNOWN[[EvseStatus.UNKNOWN, EvseStatus.UNSPECIFIED]] = True
_BUSY = np.zeros(len(EvseStatus), dtype=bool)
_BUSY[[EvseStatus.CHARGING, EvseStatus.RESERVED, EvseStatus.BLOCKED]] = True


def p_working(
    status: NDArray[np.int8], failure_rate: NDArray[np.floating], eta_s: Floats
) -> Floats:
    """Probability that the EVSE works on arrival, shape (n,), 0-1.

    `failure_rate` is P(an outage starts within 24 h). What is broken stays broken as measured;
    what works breaks with the part of its daily rate that falls into the drive.

    Source: US 12,393,974 B2, steps 340, 420. Departs: the present status counts more than the rate.

    >>> status = np.array([EvseStatus.AVAILABLE, EvseStatus.OUTOFORDER, EvseStatus.UNKNOWN])
    >>> p_working(status, np.array([0.1, 0.1, 0.1]), np.full(3, 1800.0)).round(4).tolist()
    [0.9753, 0.02, 0.844]
    """
    p_breaks = failure_rate * np.interp(eta_s, _BROKEN_AFTER_S, BROKEN_SHARE_OF_DAY)
    unknown = _UNKNOWN[status]
    if unknown.any():
        p_breaks = np.where(unknown, np.maximum(UNKNOWN_UNUSABLE, p_breaks), p_breaks)
    broken = _BROKEN[status]
    if broken.any():
        p_breaks = np.where(broken, np.interp(eta_s, _BROKEN_AFTER_S, STAYS_BROKEN), p_breaks)
    working: Floats = 1.0 - p_breaks
    return working


def p_free(status: NDArray[np.int8], eta_s: Floats) -> Floats:
    """Probability that no other car stands there on arrival if it works, shape (n,), 0-1.

    Cars that are promised an EVSE count as claims in `waiting.py`, not here.

    Source: US 12,393,974 B2, step 330 (queuing). Departs: on arrival, not now.

    >>> status = np.array([EvseStatus.AVAILABLE, EvseStatus.CHARGING, EvseStatus.UNKNOWN])
    >>> p_free(status, np.full(3, 900.0)).round(3).tolist()
    [0.948, 0.37, 0.8]
    """
    gets_busy = np.interp(eta_s, _BUSY_AFTER_S, GETS_BUSY)
    busy = _BUSY[status]
    if busy.any():
        gets_busy = np.where(busy, np.interp(eta_s, _BUSY_AFTER_S, STAYS_BUSY), gets_busy)
    unknown = _UNKNOWN[status]
    if unknown.any():
        gets_busy = np.where(unknown, UNKNOWN_BUSY, gets_busy)
    free: Floats = 1.0 - gets_busy
    return free
