"""Cars that may be on their way without having asked: how many each EVSE can expect (paper 2.1).

P(S1) of each car comes from `intention.py` and `intention_history.py`; what is promised to cars is
in the ledger and counts in `waiting.py`, not here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.geo import Places

Floats = NDArray[np.float64]

HALF_HOUR_S = 1_800.0  # for which P(S1) stands
CARS_AT_ONCE = 256  # bounds the table of cars and stations


def expected(
    places: Places,
    cars_deg: Floats,
    p_on_the_way: Floats,
    usable: NDArray[np.integer],
    radius_km: float,
) -> Floats:
    """Cars expected at an EVSE of each station within half an hour, shape (stations,).

    The sum of the neighbours' P(S1). A car drives to one pile only: it is shared out evenly among
    the `usable` EVSEs, counted by station, within the radius. Positions are (cars, 2) degrees.

    Source: paper 1, 2.1 (charging needs of surrounding users).

    >>> towns = Places(np.array([0.0, 0.01]), np.array([0.0, 0.0]))
    >>> expected(towns, np.array([[0.0, 0.0]]), np.array([0.6]), np.array([1, 2]), 3.0).tolist()
    [0.19999999999999998, 0.19999999999999998]
    """
    arrivals = np.zeros(places.count)
    counted = usable.astype(np.float64)
    for start in range(0, len(cars_deg), CARS_AT_ONCE):
        part = slice(start, start + CARS_AT_ONCE)
        near = places.within(cars_deg[part], radius_km).astype(np.float64)
        around = near @ counted
        arrivals += (p_on_the_way[part] / np.maximum(around, 1.0) * (around > 0)) @ near
    return np.where(usable > 0, arrivals, 0.0)


def still_free(p_free: Floats, arrivals: NDArray[np.floating], eta_s: Floats) -> Floats:
    """P(free on arrival) of an EVSE where so many cars are expected, shape of `p_free`, 0-1.

    Cars come one by one and know nothing of each other, so that none comes before us with the
    probability exp(-arrivals x drive / half an hour). A choice of ours: the paper takes "charging
    needs of surrounding users into account" and gives no rule.

    Source: paper 1, 2.1.

    >>> still_free(np.array([0.9]), np.array([1.0]), np.array([900.0])).round(4).tolist()
    [0.5459]
    """
    meanwhile = np.minimum(eta_s, HALF_HOUR_S) / HALF_HOUR_S
    free: Floats = p_free * np.exp(-arrivals * meanwhile)
    return free
