"""Load: traffic grade of the way and equilibrium of use (paper 2.3.2.3; Eq. 8).

How fast the car gets there is in `eta.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.recommend import way
from coordinator.core.recommend.asked import Asked
from coordinator.core.recommend.found import Candidates

Floats = NDArray[np.float64]

_CLASS_BOUNDS_KW = np.array([12.0, 50.0, 150.0])  # slow AC, fast AC, DC, high-power DC
_REFRESH_S = 10.0


def use(district: District, candidates: Candidates, now_s: float) -> tuple[Floats, Floats]:
    """Cars served and promised today, and the mean of the power class in the district, (r, n).

    Source: paper 2.3.2.3.
    """
    power_class, mean = _classes(district, now_s)
    evse = candidates.evse
    served = district.served_today[evse] + district.claim_count[evse]
    return served.astype(np.float64), mean[power_class[evse]]


def equilibrium(served: Floats, usual: Floats) -> Floats:
    """(served and promised today - mean of the power class) / mean, clipped to [-1, 2].

    0 means as busy as the others of its class in the district. Source: paper 2.3.2.3.

    >>> equilibrium(np.array([0.0, 2.0, 3.0, 9.0]), np.array([2.0, 2.0, 2.0, 0.0])).tolist()
    [-1.0, 0.0, 0.5, 0.0]
    """
    share = served / np.maximum(usual, 1e-9) - 1.0
    known: Floats = np.where(usual > 0, np.minimum(share, 2.0), 0.0)
    return known


def grade(candidates: Candidates, asked: Asked) -> Floats | float:
    """Traffic grade 1-5 of the way to each candidate (r, n), or one for all.

    Source: paper 2.3.2.3.
    """
    grades = way.grades(asked, candidates.near.stations)
    return grades if isinstance(grades, float) else candidates.of_station(grades)


def _classes(district: District, now_s: float) -> tuple[NDArray[np.intp], Floats]:
    """Power class of every EVSE and mean use of each class, renewed every few seconds."""
    power_class = power_class_of(district)
    kept = district.derived.get("class_mean")
    if not isinstance(kept, tuple) or abs(now_s - kept[0]) > _REFRESH_S:
        _, count, served = class_use(district)
        kept = district.derived["class_mean"] = (now_s, served / np.maximum(count, 1))
    return power_class, kept[1]


def power_class_of(district: District) -> NDArray[np.intp]:
    """Slow AC, fast AC, DC or high-power DC, as 0 to 3, of every EVSE. Source: paper 2.3.2.3."""
    power_class = district.derived.get("power_class")
    if not isinstance(power_class, np.ndarray):
        power_class = np.searchsorted(_CLASS_BOUNDS_KW, district.max_power_kw)
        district.derived["power_class"] = power_class
    return power_class


def class_use(district: District) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Power class of every EVSE; EVSEs, and cars served and promised today, of each class.

    Source: paper 2.3.2.3.
    """
    power_class, size = power_class_of(district), len(_CLASS_BOUNDS_KW) + 1
    used = district.served_today + district.claim_count
    served: Floats = np.bincount(power_class, weights=used, minlength=size).astype(np.float64)
    return power_class, np.bincount(power_class, minlength=size).astype(np.float64), served


def normalised(values: Floats) -> Floats:
    """Min-max over the candidates of each row (the last axis), 0-1; equal values give 0.

    Source: paper 3 (the primes of Eq. (8), whose kind of normalisation is not said).
    """
    low, high = values.min(axis=-1, keepdims=True), values.max(axis=-1, keepdims=True)
    spread = high - low
    scaled: Floats = np.where(spread > 0, (values - low) / np.where(spread > 0, spread, 1.0), 0.0)
    return scaled


def integrated_factor(preference: Floats, load: Floats) -> Floats:
    """I = score' + (1/L)', each normalised over the candidates of a car; the greatest is best.

    Shapes are (n,) for one car or (cars, n). Source: paper 3, Eq. (8). Departs: Eq. (8) prints
    (L/1)', the text says reciprocal.

    Three cars (rows) and three piles, by hand: the second car likes pile 2 best and has the
    easiest way there; to the third all piles are equal, so the load alone decides.

    >>> score = np.array([[0.0, 5.0, 10.0], [2.0, 4.0, 3.0], [1.0, 1.0, 1.0]])
    >>> load = np.array([[1.0, 2.0, 4.0], [5.0, 1.0, 2.5], [1.0, 2.0, 4.0]])
    >>> integrated_factor(score, load).round(4).tolist()
    [[1.0, 0.8333, 1.0], [0.0, 2.0, 0.75], [1.0, 0.3333, 0.0]]
    """
    return normalised(preference) + normalised(1.0 / load)
