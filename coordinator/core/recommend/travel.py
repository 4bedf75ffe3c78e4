"""First score: how well a pile suits where the driver wants to go (step 610).

How long the drive takes is in `eta.py`; the score of the pile's reliability is in `merge.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.asked import Asked, charges_there
from coordinator.core.recommend.eta import Drive
from coordinator.core.recommend.rules import DEFAULT_RULES, Rules
from coordinator.core.vehicle import ChargePlace, ChargingRequest, Purpose

Floats = NDArray[np.float64]

STAYS = frozenset({Purpose.EAT, Purpose.SHOP, Purpose.HOSPITAL, Purpose.WORK, Purpose.HOME})


def first_score(
    measure: Floats, late_min: Floats | float = 0.0, rules: Rules = DEFAULT_RULES
) -> Floats:
    """Travel-demand score, 0-100, shape (n,).

    `measure` is km between pile and destination when charging there, minutes of detour when
    charging on the way: 90 up to 0.3, linear to 70 at 2 and to 0 at 10. Each minute late costs 2.
    Source: US 12,393,974 B2, step 610 (near 90, far 70).

    >>> first_score(np.array([0.3, 2.0, 6.0, 10.0, 50.0])).tolist()
    [90.0, 70.0, 35.0, 0.0, 0.0]
    >>> first_score(np.array([0.3]), late_min=5.0).tolist()
    [80.0]
    """
    bounds = (rules.travel_near_km, rules.travel_far_km, rules.travel_end_km)
    score = np.interp(measure, bounds, (90.0, 70.0, 0.0))
    late: Floats = np.maximum(score - rules.late_per_min * late_min, 0.0)
    return late


def place_for(purpose: int) -> ChargePlace:
    """Where the charge happens if the driver says why but not where.

    Who stays (a meal, shops, a hospital, work, home) can charge there meanwhile, so that nearness
    to the destination counts; anything else is on the way.

    Source: US 12,393,974 B2, step 610 (to eat at position A: the distance from A decides).

    >>> place_for(Purpose.EAT), place_for(Purpose.OTHER), place_for(0)
    (<ChargePlace.AT_DESTINATION: 2>, <ChargePlace.ON_THE_WAY: 1>, <ChargePlace.ON_THE_WAY: 1>)
    """
    return ChargePlace.AT_DESTINATION if purpose in STAYS else ChargePlace.ON_THE_WAY


def travel_scores(asked: Asked, drive: Drive, wait_s: Floats, charge_s: Floats) -> Floats:
    """First scores of all candidates, (r, n); NaN for requests without a destination.

    Source: US 12,393,974 B2, step 610.
    """
    rules = asked.rules
    there = charges_there(asked)
    walk_s = drive.destination_km * (3600.0 / rules.walk_kmh)
    late_min: Floats | float = 0.0
    allowed_s = np.array([_allowed_s(request, asked.now_s) for request in asked.requests])
    if (allowed_s < np.inf).any():
        onward_s = np.where(there, walk_s, drive.onward_s)
        total_s = drive.drive_s + wait_s + charge_s + onward_s
        late_min = np.maximum(total_s - allowed_s[:, None], 0.0) / 60.0
    measure = np.where(there, drive.destination_km, drive.detour_s / 60.0)
    score = first_score(measure, late_min, rules)
    return np.where(asked.has_destination, score, np.nan)


def _allowed_s(request: ChargingRequest, now_s: float) -> float:
    """Seconds until the driver wants to be there; inf without a wish."""
    by_s = np.inf if request.arrive_by_s is None else request.arrive_by_s - now_s
    travel_s = np.inf if request.expected_travel_s is None else request.expected_travel_s
    return min(by_s, travel_s)
