"""Whether there is room to stand on arrival (paper 2.3.2.1: "the parking space of charging piles").

How long the car waits is in `waiting.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.found import Candidates
from coordinator.core.recommend.queue_evidence import in_bay

Mask = NDArray[np.bool_]

_REFRESH_S = 10.0
_CHARGING = int(EvseStatus.CHARGING)


def room(
    district: District,
    candidates: Candidates,
    distance_km: NDArray[np.float64],
    ahead: NDArray[np.int64],
    now_s: float,
) -> Mask:
    """Whether the car can stand at or near each EVSE, (r, n); unknown counts as yes.

    A bay with a car that does not charge is taken, unless that may be the asking car. A car that
    has to wait needs a space that nobody who charges or waits at the station stands on. Source:
    paper 2.3.2.1.
    """
    evse = candidates.evse
    stands: Mask = ~in_bay(district, candidates.evse, candidates.status, distance_km)
    spaces, standing = _stations(district, now_s)
    if spaces is not None:
        station = district.station[evse]
        full = (spaces[station] > 0) & (standing[station] >= spaces[station])
        stands &= ~(full & (ahead > 0))
    return stands


def _stations(
    district: District, now_s: float
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64]]:
    """Parking spaces of each station, 0 unknown, None if all are; cars that stand there."""
    kept = district.derived.get("standing")
    if not isinstance(kept, tuple) or abs(now_s - kept[0]) > _REFRESH_S:
        spaces = np.array([s.parking_space_count for s in district.stations], dtype=np.int64)
        cars = (district.status == _CHARGING) + district.queue_length.astype(np.int64)
        standing = np.bincount(district.station, weights=cars, minlength=len(spaces))
        known = spaces if spaces.any() else None
        kept = district.derived["standing"] = (now_s, known, standing.astype(np.int64))
    return kept[1], kept[2]
