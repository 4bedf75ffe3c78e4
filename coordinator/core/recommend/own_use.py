"""How often an EVSE is taken, by its own sessions, and what that makes of its chance to be free.

The arrival model sees what an EVSE is now and since when, not which one it is. Whether it works
does not belong here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

# How often EVSEs were taken on which chances were learnt, for each day that they were free: those
# of the made-up streets of the arrival model, and the fast ones of the measured shares.
MODEL_USES_A_DAY, SHARES_USES_A_DAY = 2.8, 5.0
# Shape of the Gamma by which EVSEs differ: 1 / (e^0.81 - 1), the streets' spread of popularity.
SHAPE = 0.8
_DAY_S = 86_400.0
_REFRESH_S = 60.0  # what a session changes may wait so long, domain time


def uses_a_day(
    sessions: NDArray[np.integer], free_days: Floats, usual: float = MODEL_USES_A_DAY
) -> Floats:
    """Sessions that begin in a day of being free, from counts and the usual rate.

    Gamma-Poisson: without evidence the usual rate, with much the EVSE's own.

    Source: US 12,393,974 B2, steps 330, 410 (historical charging information of the pile).

    >>> uses_a_day(np.array([0, 0, 40]), np.array([0.0, 10.0, 2.0])).round(2).tolist()
    [2.8, 0.08, 17.85]
    """
    return np.asarray((sessions + SHAPE) / (free_days + SHAPE / usual))


def still_free(free: Floats, times: Floats) -> Floats:
    """P(free on arrival) of EVSEs taken so many times as often as those it was learnt on.

    The odds of being taken grow with how often that happens.

    Source: US 12,393,974 B2, step 330.

    >>> still_free(np.array([0.96, 0.96, 0.96]), np.array([0.0, 1.0, 6.0])).round(3).tolist()
    [1.0, 0.96, 0.8]
    """
    return np.asarray(free / (free + (1.0 - free) * times))


def by_own_use(
    district: District,
    evse: Index,
    empty: NDArray[np.bool_],
    free: Floats,
    usual: float,
    now_s: float,
) -> Floats:
    """P(free) of the candidates, corrected by their own use where they are `empty` now.

    When a car that is there leaves says nothing of how often cars come. Source: US 12,393,974 B2,
    steps 330, 410. Departs: the document knows the pile's use only as a vector's column.
    """
    uses = _known_uses(district, usual, now_s)
    if uses is None:
        return free
    return still_free(free, np.where(empty, uses.take(evse), 1.0))


def _known_uses(district: District, usual: float, now_s: float) -> Floats | None:
    """How many times the usual each EVSE is taken; None where no session was ever counted."""
    kept = district.derived.get("own use")
    if isinstance(kept, tuple) and kept[0] == usual and 0.0 <= now_s - kept[1] < _REFRESH_S:
        times: Floats | None = kept[2]
        return times
    times = None
    if district.session_count.any():
        free_days = np.maximum(district.exposure_days - district.charging_s / _DAY_S, 0.0)
        seen = district.exposure_days > 0.0
        times = uses_a_day(district.session_count, free_days, usual) / usual
        times = np.where(seen, times, 1.0)
    district.derived["own use"] = usual, now_s, times
    return times
