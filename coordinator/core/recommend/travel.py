"""First score: how well a pile suits where the driver wants to go (step 610).

How long the drive takes is in `eta.py`; the score of the pile's reliability is in `merge.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.eta import Drive
from coordinator.core.recommend.rules import DEFAULT_RULES, Rules
from coordinator.core.vehicle import ChargePlace, ChargingRequest

Floats = NDArray[np.float64]


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


def travel_scores(
    request: ChargingRequest,
    drive: Drive,
    wait_s: Floats,
    charge_s: Floats,
    now_s: float,
    rules: Rules = DEFAULT_RULES,
) -> Floats | None:
    """First scores of all candidates; None without a destination."""
    if request.destination is None:
        return None
    there = request.charge_place is ChargePlace.AT_DESTINATION
    onward_s = drive.destination_km / rules.walk_kmh * 3600.0 if there else drive.onward_s
    late_min: Floats | float = 0.0
    if request.arrive_by_s is not None or request.expected_travel_s is not None:
        total_s = drive.drive_s + wait_s + charge_s + onward_s
        allowed_s = np.inf
        if request.arrive_by_s is not None:
            allowed_s = request.arrive_by_s - now_s
        if request.expected_travel_s is not None:
            allowed_s = min(allowed_s, request.expected_travel_s)
        late_min = np.maximum(total_s - allowed_s, 0.0) / 60.0
    measure = drive.destination_km if there else drive.detour_s / 60.0
    return first_score(measure, late_min, rules)
