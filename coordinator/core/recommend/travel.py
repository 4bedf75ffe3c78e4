"""First score: how well a pile suits where the driver wants to go (step 610).

The learned travel-demand model gives it where there is one, else a rule does. How long the drive
takes is in `eta.py`; the score of the pile's reliability is in `merge.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.ports import ModelUnavailable, TravelModel
from coordinator.core.recommend.asked import Asked
from coordinator.core.recommend.gather import Gathered
from coordinator.core.recommend.rules import DEFAULT_RULES, Rules
from coordinator.core.recommend.travel_columns import inputs, measures
from coordinator.core.vehicle import ChargePlace, Purpose

Floats = NDArray[np.float64]

UNAVAILABLE = "TRAVEL_UNAVAILABLE"  # code of an answer whose first score is the rule's
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


def travel_scores(
    asked: Asked,
    known: Gathered,
    model: TravelModel | None = None,
) -> tuple[Floats, str]:
    """First scores of all candidates, (r, n), and why the rule answered for the model.

    NaN for requests without a destination. The model, where there is one, judges the candidates of
    all others in one run; the reason is empty when it did, or when there is none.

    Source: US 12,393,974 B2, step 610 (recommendation model). Departs: a learned score can only
    fall with distance, detour and lateness.
    """
    if not asked.has_destination.any():
        return np.full(known.valid.shape, np.nan), ""
    drive, wait_s = known.drive, known.wait.expected_s
    measured = measures(asked, drive, wait_s, known.charge_s)
    why = ""
    if model is not None:
        picked = np.flatnonzero(known.valid & asked.has_destination)
        seen = inputs(
            asked, measured, known.people_flow_per_h, known.traffic_grade,
            known.road_facility_score, picked,
        )  # fmt: skip
        try:
            scores = model.scores(seen.travel, seen.location, seen.environment)
        except ModelUnavailable:
            why = UNAVAILABLE
        else:
            learned = np.full(known.valid.shape, np.nan)
            learned.put(picked, scores)
            return learned, ""
    # One of both is 0: who charges there makes no detour, who does not need not walk.
    score = first_score(measured.walk_km + measured.detour_min, measured.late_min, asked.rules)
    return np.where(asked.has_destination, score, np.nan), why
