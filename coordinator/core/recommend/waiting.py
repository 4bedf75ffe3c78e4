"""How long a car waits at an EVSE on arrival: p50, p90, mean (step 330; paper Eq. 5-7).

Who is there before it is in `queue_evidence.py`. P(working) never enters here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.asked import Asked
from coordinator.core.recommend.found import Candidates
from coordinator.core.recommend.queue_evidence import Standing, standing
from coordinator.core.recommend.rules import PRINTED

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Some = TypeVar("Some", float, Floats)

KNOWN_OCCUPANT_RISK = 0.1  # that a guided car stays longer than it said, before any has left
_SERVING = (EvseStatus.AVAILABLE, EvseStatus.CHARGING, EvseStatus.RESERVED)
P90_SHARE = 0.8  # of a mean session, added to the median where a car is in the way


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds after arrival, shape (r, n). Source: US 12,393,974 B2, step 330."""

    p50_s: Floats
    p90_s: Floats
    expected_s: Floats
    unheld_s: Floats  # expected, without regard to what is promised to others
    free_in_s: Floats  # from now until the EVSE is ours by plan
    ahead: NDArray[np.int64]  # cars served before this one
    held: NDArray[np.bool_]  # promised to another car


def wait(
    district: District,
    candidates: Candidates,
    asked: Asked,
    distance_km: Floats,
    drive_s: Floats,
    p_free: Floats,
) -> Wait:
    """How long the car would wait at each candidate, from its arrival on.

    Counts the occupant's remaining time, every car in the queue and every promise ahead. Source:
    US 12,393,974 B2, step 330; paper 2.3.2.2, Eq. (5), queuing time. Departs: the paper counts one
    user ahead; `rules.waiting` can ask for that.
    """
    evse, now_s = candidates.evse, asked.now_s
    there = standing(district, evse, candidates.status, distance_km, now_s)
    mean_s, known = there.mean_s, there.known
    ahead_s = district.claimed_to_s[evse] - now_s
    claims = district.claim_count[evse]
    if any(context.own for context in asked.contexts):
        claims = claims.copy()
        _leave_own_out(evse, ahead_s, claims, asked)
    held = claims > 0
    taken = there.busy | known
    ahead = (np.where(known, claims - 1, claims) + there.queue + taken).astype(np.int64)
    if asked.rules.waiting == PRINTED:
        return _as_printed(there, ahead, held, drive_s)
    remaining_s, free_in_s = _free_in(there, held, ahead_s)
    p_busy = np.where(known, district.overstay_risk, 1.0 - p_free)
    risk_s = p_busy * (0.5 * mean_s)
    median_s = np.maximum(free_in_s - drive_s, 0.0)
    # Sessions are independent: their spread grows with the root of their number.
    spread_s = P90_SHARE * mean_s * np.sqrt(np.maximum(ahead, 1))
    return Wait(
        median_s,
        np.where(taken | held, median_s + spread_s, np.where(p_busy > 0.1, 0.5, 0) * mean_s),
        np.maximum(median_s, risk_s),
        np.maximum(np.maximum(remaining_s - drive_s, 0.0), risk_s),
        free_in_s,
        ahead,
        held,
    )


def waits_now(district: District, statuses: NDArray[np.int8], now_s: float) -> Floats:
    """Median wait of a car that stood at each EVSE now, s, (n,); NaN where none would be served.

    `statuses` are those with staleness applied, (n,). Source: US 12,393,974 B2, step 330. Departs:
    no car asks, so nobody's own place is left out.
    """
    rows = np.arange(len(statuses), dtype=np.intp)
    there = standing(district, rows, statuses, np.full(len(rows), np.inf), now_s)
    held = district.claim_count[rows] > 0
    _, free_in_s = _free_in(there, held, district.claimed_to_s[rows] - now_s)
    serves = np.isin(statuses, _SERVING) | ((statuses == EvseStatus.BLOCKED) & there.busy)
    return np.where(serves, free_in_s, np.nan)


def _free_in(there: Standing, held: Mask, ahead_s: Floats) -> tuple[Floats, Floats]:
    """Seconds until who stands and queues there is gone, and until all to whom it is held are."""
    remaining_s = there.occupant_s + there.queue * there.mean_s
    return remaining_s, np.maximum(remaining_s, np.where(held, np.maximum(ahead_s, 0.0), 0.0))


def planned_free(
    district: District, candidates: Candidates, drive_s: Floats, now_s: float, p_free: Floats
) -> Floats:
    """P(free on arrival), where a car of ours charges by what it said: it leaves then, or stays.

    Source: US 12,393,974 B2, step 330.
    """
    leaves_s = district.occupied_to_s[candidates.evse]
    known = leaves_s > -np.inf
    if not known.any():
        return p_free
    gone = leaves_s <= now_s + drive_s
    planned = np.where(gone, 1.0 - district.overstay_risk, district.overstay_risk)
    return np.where(known, planned, p_free)


def _as_printed(there: Standing, ahead: NDArray[np.int64], held: Mask, drive_s: Floats) -> Wait:
    """T_l of Eq. (5): the remaining time of one previous user, 0 if none. Source: paper 2.3.2.2."""
    one_s = np.where(there.busy | there.known, there.occupant_s, there.mean_s)
    free_in_s = np.where(ahead > 0, one_s, 0.0)
    left_s = np.maximum(free_in_s - drive_s, 0.0)
    unheld_s = np.where(held & ~there.busy, 0.0, left_s)
    return Wait(left_s, left_s, left_s, unheld_s, free_in_s, ahead, held)


def _leave_own_out(
    evse: NDArray[np.intp], ahead_s: Floats, claims: NDArray[np.int16], asked: Asked
) -> None:
    """Takes each asking car's own claims out of what is ahead of it."""
    for number, context in enumerate(asked.contexts):
        for own in context.own:
            mine = evse[number] == own.row
            ahead_s[number, mine] = own.ahead_to_s - asked.now_s
            claims[number, mine] = own.ahead_count


def time_on_the_way_h(distance_km: float, speed_kmh: float) -> float:
    """T_o = d / v, hours. Source: paper Eq. (6).

    >>> time_on_the_way_h(10.0, 20.0)
    0.5
    """
    return distance_km / speed_kmh


def charging_time_h(rated_kwh: Some, remaining_kwh: Some, power_kw: Some) -> Some:
    """T_c = (E_o - E_p) / p, hours: to full, at constant power. Source: paper Eq. (7).

    The default instead charges to the target along a tapering curve: `core/charging.py`.

    >>> charging_time_h(rated_kwh=60.0, remaining_kwh=30.0, power_kw=60.0)
    0.5
    """
    return (rated_kwh - remaining_kwh) / power_kw


def total_time_h(charging_h: float, on_the_way_h: float, queuing_h: float = 0.0) -> float:
    """T = T_c + T_o + T_l, hours; T_l is the remaining time of one previous user, 0 if none.

    Source: paper Eq. (5), whose "waiting time" is the total time.

    >>> total_time_h(charging_time_h(60.0, 30.0, 60.0), time_on_the_way_h(10.0, 20.0), 0.25)
    1.25
    """
    return charging_h + on_the_way_h + queuing_h
