"""What a car that goes to a full station costs those who come after it: a turn of theirs.

Its own wait is in `waiting.py`. Each request counts one car, its own, beyond those who are there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.asked import Asked

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

_CHARGING, _RESERVED = int(EvseStatus.CHARGING), int(EvseStatus.RESERVED)
# Whether an EVSE of this status serves cars, by number of the status.
_SERVES = np.zeros(len(EvseStatus), dtype=bool)
_SERVES[[EvseStatus.AVAILABLE, EvseStatus.CHARGING, EvseStatus.RESERVED, EvseStatus.UNKNOWN]] = True


def put_off_s(cars: Floats, plugs: Floats, stay_s: Floats | float) -> Floats:
    """By how much one car more puts off who comes next, where so many are there or on their way.

    Nothing while a plug is left for it. Beyond that the next turn comes a stay divided by the plugs
    later, for each car that has no plug; as long as the station stays full, whoever comes finds
    that queue. So a car takes a turn of others only where it gains more by it than they lose.

    Source: paper 2.3.2.3 (equilibrium of the piles). Departs: counts cars that are there or
    promised instead of those served so far.

    >>> put_off_s(np.array([5.0, 6.0, 7.0, 8.0]), np.full(4, 7.0), 2100.0).tolist()
    [0.0, 0.0, 300.0, 600.0]
    """
    made: Floats = np.maximum(cars + 1.0 - plugs, 0.0) * stay_s / np.maximum(plugs, 1.0)
    return made


def cars_at(district: District, evse: Index, status: NDArray[np.int8]) -> Floats:
    """Cars at each EVSE: promised, plugged in without a promise, and waiting as a counter sees.

    Source: US 12,393,974 B2, step 330 (queuing vehicles).
    """
    claims = district.claim_count[evse]
    stranger = (status == _CHARGING) & (district.occupied_to_s[evse] == -np.inf)
    stranger |= (status == _RESERVED) & (claims == 0)
    cars: Floats = (claims + district.queue_length[evse] + stranger).astype(np.float64)
    return cars


def serves(status: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Whether EVSEs of these statuses serve cars. Source: US 12,393,974 B2, step 340."""
    usable: NDArray[np.bool_] = _SERVES[status]
    return usable


def of_stations(
    district: District,
    asked: Asked,
    stations: Index,
    spot: Index,
    evse: Index,
    status: NDArray[np.int8],
) -> Floats:
    """The same in the cost of each request at each station around it, (r, k).

    `spot` numbers the request and station of each EVSE in one line. Source: paper 2.3.2.3.
    """
    share = asked.rules.crowding
    if not share:
        return np.zeros(stations.shape)
    works = serves(status)
    there = np.where(works, cars_at(district, evse, status), 0.0)
    cars = _summed(spot, there, stations)
    plugs = _summed(spot, works.astype(np.float64), stations)
    mean_s = district.usual_stay.mean_s[district.dc[evse].astype(np.intp)]
    stay_s = _summed(spot, np.where(works, mean_s, 0.0), stations) / np.maximum(plugs, 1.0)
    for number, context in enumerate(asked.contexts):
        for own in context.own:
            cars[number, stations[number] == district.station[own.row]] -= 1.0
    return share * put_off_s(cars, plugs, stay_s)


def _summed(spot: Index, values: Floats, stations: Index) -> Floats:
    """Sums by request and station, (r, k)."""
    sums: Floats = np.asarray(np.bincount(spot, values, stations.size), dtype=np.float64)
    return sums.reshape(stations.shape)
