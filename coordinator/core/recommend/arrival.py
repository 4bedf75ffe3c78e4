"""What an EVSE will be like on arrival, from what it is now: working, and free if it works.

Two heads, never mixed: P(working) enters the second score, P(free) enters the wait. The long-term
failure rate itself comes from the knowledge map (`coordinator/core/reliability`). A trained model
answers where there is one, measured shares of statuses otherwise; how often an EVSE is taken by its
own sessions corrects both (`own_use.py`), and what the ledger knows of a car that charges goes
before all.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.ports import Approach, ArrivalModel, ModelUnavailable
from coordinator.core.recommend import own_use
from coordinator.core.recommend.asked import Asked
from coordinator.core.recommend.found import Candidates
from coordinator.core.recommend.own_use import MODEL_USES_A_DAY as MODEL
from coordinator.core.recommend.own_use import SHARES_USES_A_DAY as SHARES

Floats = NDArray[np.float64]
Share = TypeVar("Share", float, Floats)

# Persistence of statuses, measured on 654 connectors of the Irish public network, 30 days.
_BROKEN_AFTER_S = (0.0, 300.0, 1800.0, 3600.0, 86_400.0)
STAYS_BROKEN = (1.0, 0.993, 0.980, 0.974, 0.923)
# Share of the outages of a day that have begun, and last, after a time: 0.065, 0.20, 0.26 and
# 0.81 % of the connectors that were in order.
BROKEN_SHARE_OF_DAY = (0.0, 0.0802, 0.2469, 0.3210, 1.0)

SUREST = 0.999  # no rate is a certainty

_BUSY_AFTER_S = (0.0, 300.0, 900.0, 1800.0, 3600.0)
STAYS_BUSY = (1.0, 0.85, 0.63, 0.44, 0.33)
GETS_BUSY = (0.0, 0.021, 0.052, 0.080, 0.095)

# Share of connectors that could not be used, out of service or out of contact, same data: what an
# EVSE of which nothing is known now is worth.
UNKNOWN_UNUSABLE = 0.156
UNKNOWN_BUSY = 0.20

# Kinds of status, in the order of the model's columns; `KIND` by status.
FREE, BUSY, BROKEN, UNKNOWN = range(4)
KIND = np.full(len(EvseStatus), FREE, dtype=np.intp)
KIND[[EvseStatus.CHARGING, EvseStatus.RESERVED, EvseStatus.BLOCKED]] = BUSY
KIND[[EvseStatus.OUTOFORDER, EvseStatus.INOPERATIVE, EvseStatus.PLANNED, EvseStatus.REMOVED]] = (
    BROKEN
)
KIND[[EvseStatus.UNKNOWN, EvseStatus.UNSPECIFIED]] = UNKNOWN
_FREE, _BUSY, _BROKEN, _UNKNOWN = (np.equal(KIND, kind) for kind in range(4))

RAPID_KW = 40.0  # alternating current of so much power is left as soon as direct current


def chances(
    model: ArrivalModel | None,
    district: District,
    found: Candidates,
    status: NDArray[np.int8],
    asked: Asked,
    drive_s: Floats,
) -> tuple[Floats, Floats, str]:
    """P(works) and P(free if it works) on arrival, (r, n), and why the rules answered instead.

    `status` is what counts of the candidates' own. The reason is empty when the model did, and when
    there is none: then nothing is missing.

    Source: US 12,393,974 B2, steps 330, 340, 420.
    """
    why, seen = "", (found.evse, _FREE[status])
    if model is not None:
        try:
            works, free = model.chances(approach(district, found, status, asked, drive_s))
        except ModelUnavailable:
            why = "ARRIVAL_UNAVAILABLE"
        else:
            if np.isfinite(works.sum()) and np.isfinite(free.sum()):
                return works, own_use.by_own_use(district, *seen, free, MODEL, asked.now_s), ""
            why = "ARRIVAL_NOT_FINITE"
    works = p_working(status, district.failure_rate[found.evse], drive_s)
    free = p_free(status, drive_s)
    return works, own_use.by_own_use(district, *seen, free, SHARES, asked.now_s), why


def approach(
    district: District,
    found: Candidates,
    status: NDArray[np.int8],
    asked: Asked,
    drive_s: Floats,
) -> Approach:
    """What is known of the candidates, in this status, as the model takes it.

    A status that was last confirmed a while ago has had as much longer to change; an EVSE of which
    nothing is known has been silent since then.

    Source: US 12,393,974 B2, steps 330, 340.
    """
    evse, now_s = found.evse, asked.now_s
    confirmed_s = district.observed_at_s[evse]
    with np.errstate(invalid="ignore"):
        # Of what was never heard of this is no number, which counts as the longest that is known.
        lasted_s = confirmed_s - district.changed_at_s[evse]
    unseen_s = np.maximum(now_s - confirmed_s, 0.0)
    unknown = _UNKNOWN[status]
    if unknown.any():
        # Silent since it was last heard of, or for as long as it was reported to be unknown.
        silent_s = np.where(_UNKNOWN[district.status[evse]], unseen_s + lasted_s, unseen_s)
        lasted_s = np.where(unknown, silent_s, lasted_s)
        unseen_s = np.where(unknown, 0.0, unseen_s)
    return Approach(
        status, _rapid(district)[evse], lasted_s, unseen_s, drive_s, asked.hour,
        found.of_station(found.near.free_share), district.failure_rate[evse],
    )  # fmt: skip


def _rapid(district: District) -> NDArray[np.bool_]:
    """Which EVSEs charge a car within the hour; kept with the district."""
    kept = district.derived.get("rapid")
    if not isinstance(kept, np.ndarray):
        kept = district.dc | (district.max_power_kw >= RAPID_KW)
        district.derived["rapid"] = kept
    return kept


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


def p_lasts(failure_rate: Share, charge_s: Share) -> Share:
    """Probability that no outage starts while the car charges, of one EVSE or of shape (r, n).

    `failure_rate` is P(an outage starts within 24 h), spread evenly over the day. An outage that
    ends before the next car comes still breaks the charge off.

    Source: US 12,393,974 B2, step 420. Departs: a charge that breaks off has failed, too.

    >>> round(p_lasts(0.02, 2400.0), 4), round(p_lasts(0.9, 2400.0), 4)
    (0.9994, 0.9383)
    """
    lasts: Share = (1.0 - failure_rate * SUREST) ** (charge_s / 86_400.0)
    return lasts


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
