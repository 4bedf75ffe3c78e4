"""Waiting at an EVSE: occupants, claims ahead, queue counters (step 330; paper Eq. 5-7).

P(working) never enters here; who may hold an EVSE is decided by the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.asked import Asked
from coordinator.core.recommend.found import Candidates

Floats = NDArray[np.float64]

# Occupied time by kind of current, seconds. Source: Irish public network, uncensored episodes: CCS
# and CHAdeMO mean 32 min, Type 2 mean 92 min.
MEAN_SESSION_AC_S = 92.0 * 60.0
MEAN_SESSION_DC_S = 32.0 * 60.0
# Members of an enum are slow to look up, and this runs for every request.
_CHARGING, _RESERVED = int(EvseStatus.CHARGING), int(EvseStatus.RESERVED)
LEAST_REMAINING_SHARE = 0.35  # of a mean session: long sessions have long tails
KNOWN_OCCUPANT_RISK = 0.1  # that a guided car stays longer than it said
P90_SHARE = 0.8  # of a mean session, added to the median where a car is in the way


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds after arrival, shape (r, n)."""

    p50_s: Floats
    p90_s: Floats
    expected_s: Floats
    unheld_s: Floats  # expected, without regard to what is promised to others
    free_in_s: Floats  # from now until the EVSE is ours by plan
    ahead: NDArray[np.int64]  # cars served before this one
    held: NDArray[np.bool_]  # promised to another car


def wait(
    district: District, candidates: Candidates, asked: Asked, drive_s: Floats, p_free: Floats
) -> Wait:
    """How long the car would wait at each candidate.

    Counts the occupant's remaining time, every car in the queue and every promise ahead. Source:
    US 12,393,974 B2, step 330; paper 2.3.2.2, Eq. (5), queuing time. Departs: the paper counts one
    user ahead.
    """
    evse, now_s = candidates.evse, asked.now_s
    mean_s = np.where(district.dc[evse], MEAN_SESSION_DC_S, MEAN_SESSION_AC_S)
    busy = (candidates.status == _CHARGING) | (candidates.status == _RESERVED)
    occupant_s = district.occupied_to_s[evse] - now_s
    known = occupant_s > -np.inf  # the occupant is a car of ours, which said how long
    elapsed_s = np.maximum(now_s - district.changed_at_s[evse], 0.0)
    remaining_s = np.maximum(mean_s - elapsed_s, LEAST_REMAINING_SHARE * mean_s)
    remaining_s = np.where(known, np.maximum(occupant_s, 0.0), np.where(busy, remaining_s, 0.0))
    queue = district.queue_length[evse]
    remaining_s += queue * mean_s
    ahead_s = district.claimed_to_s[evse] - now_s
    claims = district.claim_count[evse]
    if any(context.own for context in asked.contexts):
        claims = claims.copy()
        _leave_own_out(evse, ahead_s, claims, asked)
    held = claims > 0
    free_in_s = np.maximum(remaining_s, np.where(held, np.maximum(ahead_s, 0.0), 0.0))
    p_busy = np.where(known, KNOWN_OCCUPANT_RISK, 1.0 - p_free)
    risk_s = p_busy * (0.5 * mean_s)
    median_s = np.maximum(free_in_s - drive_s, 0.0)
    in_the_way = busy | known | held
    return Wait(
        median_s,
        np.where(
            in_the_way, median_s + P90_SHARE * mean_s, np.where(p_busy > 0.1, 0.5, 0) * mean_s
        ),
        np.maximum(median_s, risk_s),
        np.maximum(np.maximum(remaining_s - drive_s, 0.0), risk_s),
        free_in_s,
        np.where(known, claims - 1, claims) + queue + (busy | known),
        held,
    )


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


def charging_time_h(rated_kwh: float, remaining_kwh: float, power_kw: float) -> float:
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
