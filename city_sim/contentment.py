"""How content drivers are with the place where they charged, given where they were going.

Latent, as other tastes: only what drivers choose and say afterwards shows it. A choice of ours,
made so that the usual driver gives 90 at 0.3 km from the destination and 70 at 2 km, as the patent
has it (step 610), and as much at so many minutes of detour, as the rule has it (`travel.py`).
How long they waited and what they paid is in `population.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.travel_columns import USUAL_FACILITIES, ln_people
from coordinator.core.vehicle import Purpose

Float64 = NDArray[np.float64]

WALK_MIN_PER_KM = 12.0
DETOUR = 12.0  # per minute
LATE = 2.4  # per minute
CROWD_MIN = 5.0  # per doubling (e-fold) of the people above the usual
TRAFFIC_MIN = 2.0  # per grade above 2
FACILITY_MIN = 10.0  # between the usual and the best
USUAL_PEOPLE_PER_H = 250.0
_MIDDLE_MIN, _WIDTH_MIN = 36.7, 15.0  # half content, and how sharply that turns

# How much a km on foot, and a crowd, are to somebody with this purpose. To a hospital one does not
# like to walk, home one has bags, and where people go out to eat a crowd is half of the fun.
WALK: dict[int, float] = {
    Purpose.EAT: 0.9,
    Purpose.SHOP: 1.3,
    Purpose.HOSPITAL: 2.0,
    Purpose.WORK: 0.8,
    Purpose.HOME: 1.2,
}
CROWD: dict[int, float] = {
    Purpose.EAT: 0.4,
    Purpose.SHOP: 0.6,
    Purpose.HOSPITAL: 1.8,
    Purpose.HOME: 1.3,
}


@dataclass(frozen=True, slots=True)
class Manner:
    """How much more than the usual driver somebody minds each of these."""

    walk: float = 1.0
    crowd: float = 1.0
    facilities: float = 1.0


def burden_min(
    manner: Manner,
    purpose: int,
    walk_km: Float64,
    detour_min: Float64,
    late_min: Float64,
    people_per_h: Float64,
    traffic_grade: Float64,
    facilities: Float64,
) -> Float64:
    """What a place costs a driver beyond drive, wait and money, in minutes of driving, (n,)."""
    crowd = ln_people(people_per_h) - ln_people(np.asarray(USUAL_PEOPLE_PER_H))
    better = (facilities - USUAL_FACILITIES) / (100.0 - USUAL_FACILITIES)
    return np.asarray(
        manner.walk * WALK.get(purpose, 1.0) * WALK_MIN_PER_KM * walk_km
        + DETOUR * detour_min
        + LATE * late_min
        + manner.crowd * CROWD.get(purpose, 1.0) * CROWD_MIN * crowd
        + TRAFFIC_MIN * (traffic_grade - 2.0)
        - manner.facilities * FACILITY_MIN * better
    )


def contentment(burden: Float64) -> Float64:
    """How content that makes, 0-100.

    >>> contentment(WALK_MIN_PER_KM * np.array([0.3, 2.0, 10.0])).round().tolist()
    [90.0, 70.0, 0.0]
    """
    return np.asarray(100.0 / (1.0 + np.exp((burden - _MIDDLE_MIN) / _WIDTH_MIN)))


def manners(seed: int, count: int) -> list[Manner]:
    """Manners that depend on the seed alone; they spread by a factor of about 1.5."""
    spread = np.random.default_rng([seed, 9]).lognormal(0.0, 0.4, (count, 3))
    return [Manner(*row) for row in spread.tolist()]
