"""Who is at an EVSE before the car: occupants, reservations, bays, counters, what cars say.

How long the car waits for them on arrival is in `waiting.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.pile import BayState, EvseStatus
from coordinator.core.recommend.layout import layout_of

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

RESERVATION_S = 1_800.0  # of others, which say no end; it lapses, or its car comes
WORD_S = 600.0  # how long it counts what a waiting driver said
USUAL_BATTERY_KWH = 60.0  # of an occupant whose pile tells only its charge
USUAL_TARGET_PCT, FULL_PCT = 80.0, 100.0
LEAST_OCCUPANT_KW = 1.0  # a car that draws less is not charging any more
ONE_CABINET = 1.1  # EVSEs that together draw no more than this times one of them share power
MOST_SHARING = 2.0
_REFRESH_S = 5.0
HERE_KM = 0.06  # a car so near may be the one that stands there
# Members of an enum are slow to look up, and this runs for every request.
_CHARGING, _RESERVED = int(EvseStatus.CHARGING), int(EvseStatus.RESERVED)
_UNKNOWN, _OCCUPIED = int(EvseStatus.UNKNOWN), int(BayState.OCCUPIED)


@dataclass(frozen=True, slots=True)
class Standing:
    """Who is there now, apart from those to whom it is promised; shape (r, n).

    Source: US 12,393,974 B2, step 330.
    """

    mean_s: Floats  # of a session here
    known: Mask  # the occupant is a car of ours, which said how long
    busy: Mask  # there is a car or a reservation that we did not cause
    occupant_s: Floats  # until it is gone, 0 if none
    queue: NDArray[np.int16]  # cars that wait


def standing(
    district: District,
    evse: NDArray[np.intp],
    status: NDArray[np.int8],
    distance_km: Floats,
    now_s: float,
) -> Standing:
    """Occupant and queue of each EVSE, with the status that counts for the asking car.

    Source: US 12,393,974 B2, step 330 (queuing vehicles, estimated queuing time, power use during
    the queuing, obtained from the pile and from other user terminals).
    """
    direct, usual = district.dc[evse], district.usual_stay
    mean_s = np.where(direct, usual.mean_s[1], usual.mean_s[0])
    shared = sharing(district, now_s)
    if shared is not None:
        mean_s = mean_s * shared[district.pile[evse]]
    charging = status == _CHARGING
    to_s = district.occupied_to_s[evse] - now_s
    known = to_s > -np.inf
    elapsed_s = np.maximum(now_s - district.changed_at_s[evse], 0.0)
    rest_s = mean_s
    if charging.any():
        # Where power is shared all takes longer, what is over already as well.
        times = 1.0 if shared is None else shared[district.pile[evse]]
        rest_s = usual.left_s(direct, elapsed_s / times) * times
        rest_s = _by_charge(district, evse, mean_s, rest_s)
    # A reservation that stands behind no promise of ours is somebody else's.
    foreign = (status == _RESERVED) & (district.claim_count[evse] == 0)
    lapse_s = np.maximum(RESERVATION_S - elapsed_s, 60.0)
    parked = in_bay(district, evse, status, distance_km)
    busy = charging | foreign | parked
    stranger_s = np.where(charging, rest_s, np.where(foreign, lapse_s, np.where(parked, mean_s, 0)))
    occupant_s = np.where(known, np.maximum(to_s, 0.0), stranger_s)
    return Standing(mean_s, known, busy, occupant_s, _queue(district, evse, now_s))


def charge_left_s(soc_pct: Floats, power_kw: Floats) -> Floats:
    """Seconds until an occupant at this charge and power leaves: at 80 %, past that when full.

    Source: US 12,393,974 B2, step 330.

    >>> charge_left_s(np.array([50.0, 90.0]), np.array([54.0, 12.0])).tolist()
    [1200.0, 1800.0]
    """
    target_pct = np.where(soc_pct < USUAL_TARGET_PCT, USUAL_TARGET_PCT, FULL_PCT)
    return (target_pct - soc_pct) / 100.0 * USUAL_BATTERY_KWH / power_kw * 3600.0


def _by_charge(
    district: District, evse: NDArray[np.intp], mean_s: Floats, rest_s: Floats
) -> Floats:
    """The remaining time, by charge and power where the pile tells both."""
    soc_pct, power_kw = district.soc_pct[evse], district.power_kw[evse]
    told = (soc_pct == soc_pct) & (power_kw >= LEAST_OCCUPANT_KW)
    if not told.any():
        return rest_s
    left_s = charge_left_s(soc_pct.astype(np.float64), np.where(told, power_kw, 1.0))
    return np.where(told, np.minimum(left_s, 2.0 * mean_s), rest_s)


def _queue(district: District, evse: NDArray[np.intp], now_s: float) -> NDArray[np.int16]:
    """Cars that wait: the counter's number, or what a driver who waits there said lately."""
    queue = district.queue_length[evse]
    said_at_s = district.told_at_s[evse]
    fresh = said_at_s >= now_s - WORD_S
    if fresh.any():
        queue = np.where(fresh, np.maximum(queue, district.told_queue[evse]), queue)
    return queue


def in_bay(
    district: District, evse: NDArray[np.intp], status: NDArray[np.int8], distance_km: Floats
) -> Mask:
    """Where a car stands that does not charge, by the bay sensor, and is not the asking one.

    Source: US 12,393,974 B2, step 330.
    """
    idle = (status != _CHARGING) & (status != _UNKNOWN)
    there: Mask = (district.bay[evse] == _OCCUPIED) & idle & (distance_km > HERE_KM)
    return there


def sharing(district: District, now_s: float) -> Floats | None:
    """How many times longer charging takes at each pile whose EVSEs share power; None if nowhere.

    Sharing is seen, not assumed: two or more of a pile charge, and together they draw no more than
    one of them could. Source: US 12,393,974 B2, step 330 (power use during the queuing).
    """
    layout = layout_of(district)
    if not layout.several:
        return None
    kept = district.derived.get("sharing")
    if isinstance(kept, tuple) and abs(now_s - kept[0]) <= _REFRESH_S:
        times: Floats | None = kept[1]
        return times
    charging, piles = district.status == _CHARGING, len(district.piles)
    drawn_kw = np.where(charging, np.nan_to_num(district.power_kw), 0.0)
    count = np.bincount(district.pile, charging, piles)
    total_kw = np.bincount(district.pile, drawn_kw, piles)
    one = (count >= 2) & (total_kw > 0) & (total_kw <= ONE_CABINET * layout.pile_kw)
    times = np.where(one, np.minimum(count, MOST_SHARING), 1.0) if one.any() else None
    district.derived["sharing"] = now_s, times
    return times
