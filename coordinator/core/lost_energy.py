"""What an EVSE usually delivers, and so what is lost while it is out of service: an estimate.

Which EVSEs are out of service, and who is told, is decided elsewhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.charging import session
from coordinator.core.district import District
from coordinator.core.recommend.traffic import power_class_of
from coordinator.core.vehicle import Vehicle

Floats = NDArray[np.float64]

# A usual car, and from where to where it charges: what a pile delivers at an average.
USUAL_CAR = Vehicle(battery_kwh=60.0)
FROM_PCT, TO_PCT = 20.0, 80.0
# The use of an EVSE's power class counts as so many days of its own.
CLASS_DAYS = 3.0
_DAY_S = 86_400.0
_REFRESH_S = 60.0


def usual_kw(district: District, now_s: float) -> Floats:
    """Kilowatts that flow at each EVSE at an average over day and night, (n,); NaN is unknown.

    Its share of time in use times the average power of a usual session there. Renewed once a
    minute. Source: paper 2.3.2.2, Eq. (7), power of a session. Departs: the paper estimates no
    losses.
    """
    kept = district.derived.get("usual kw")
    if isinstance(kept, tuple) and 0.0 <= now_s - kept[0] < _REFRESH_S:
        known: Floats = kept[1]
        return known
    made = used_share(
        district.charging_s, district.exposure_days, power_class_of(district)
    ) * session_kw(district.max_power_kw.astype(np.float64), district.dc)
    district.derived["usual kw"] = now_s, made
    return made


def used_share(charging_s: Floats, exposure_days: Floats, kind: NDArray[np.intp]) -> Floats:
    """Share of the time in service in which each EVSE charged, drawn to that of its kind.

    NaN where nothing of its kind was in service for a whole day together. Source: paper 2.4 (use
    of piles). Departs: the paper draws nothing together.

    >>> used_share(np.array([0.0, 86_400.0]), np.array([0.0, 5.0]), np.array([0, 0])).round(3)
    array([0.2, 0.2])
    """
    size = int(kind.max(initial=-1)) + 1
    days = np.bincount(kind, exposure_days, size)
    charged = np.bincount(kind, charging_s, size) / _DAY_S
    of_kind = np.where(days >= 1.0, charged / np.maximum(days, 1.0), np.nan)[kind]
    share: Floats = (charging_s / _DAY_S + CLASS_DAYS * of_kind) / (exposure_days + CLASS_DAYS)
    return np.minimum(share, 1.0)


def session_kw(max_power_kw: Floats, dc: NDArray[np.bool_]) -> Floats:
    """Average power of a usual session at plugs of this power, kW; NaN where it is not known.

    Source: paper 2.3.2.2, Eq. (7). Departs: along a curve, to the target.

    >>> session_kw(np.array([7.0, 0.0]), np.array([False, False])).tolist()
    [7.0, nan]
    """
    begun = np.full(len(max_power_kw), FROM_PCT)
    _, average_kw, _ = session(USUAL_CAR, begun, TO_PCT, max_power_kw, dc)
    return np.where(max_power_kw > 0.0, average_kw, np.nan)


def lost_kwh(usual: float, out_of_service_s: float) -> float:
    """Energy that would have been delivered meanwhile; NaN if that is not known.

    Source: none; published figures of operators tell lost energy per outage.

    >>> lost_kwh(2.0, 5400.0)
    3.0
    """
    return usual * max(out_of_service_s, 0.0) / 3600.0
