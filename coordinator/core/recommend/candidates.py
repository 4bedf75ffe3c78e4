"""Candidate EVSEs: in reach, with a plug that fits, usable, payable (steps 310-320).

Scoring does not belong here. Candidates come by station, nearest first; each keeps how it was
found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus, Payment
from coordinator.core.recommend.context import Context
from coordinator.core.recommend.layout import Layout, layout_of
from coordinator.core.vehicle import ChargingRequest

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

NEAREST = 1  # found because it is near
HISTORY = 2  # found because this user charged there before
PROVENANCE = {NEAREST: "NEAREST", HISTORY: "HISTORY", NEAREST | HISTORY: "NEAREST+HISTORY"}

_AVAILABLE, _UNKNOWN = int(EvseStatus.AVAILABLE), np.int8(EvseStatus.UNKNOWN)

# Whether a car may be sent to an EVSE of this status, by number of the status.
USABLE: Mask = np.zeros(len(EvseStatus), dtype=bool)
USABLE[[EvseStatus.AVAILABLE, EvseStatus.CHARGING, EvseStatus.RESERVED, EvseStatus.UNKNOWN]] = True


@dataclass(frozen=True, slots=True)
class Candidates:
    """EVSEs (n,) and the stations (k,) they stand at; `place` leads from the first to the second.

    `stations` are rows of the district, nearest first; distances are along the road, km.
    """

    evse: Index
    place: Index
    status: NDArray[np.int8]  # stale ones UNKNOWN
    provenance: NDArray[np.uint8]
    stations: Index
    straight_km: Floats
    station_km: Floats
    reach_km: float
    fitting_in_reach: int  # EVSEs that fit and are usable, found before the choice was narrowed
    around_count: int  # the same within `rules.around_km`, all stations
    free_share: Floats  # free EVSEs now / EVSEs, of each station

    def __len__(self) -> int:
        return len(self.evse)

    def take(self, keep: Index) -> Candidates:
        """The same with only these candidates, in this order."""
        return Candidates(
            self.evse[keep],
            self.place[keep],
            self.status[keep],
            self.provenance[keep],
            self.stations,
            self.straight_km,
            self.station_km,
            self.reach_km,
            self.fitting_in_reach,
            self.around_count,
            self.free_share,
        )


def find(
    district: District, request: ChargingRequest, context: Context, reach_km: float
) -> Candidates:
    """Up to `candidate_limit` EVSEs that the car can reach and use, by distance of the station.

    Looks further out until enough are open, reach ends, or there are no more stations. Empty if
    nothing fits. Source: US 12,393,974 B2, steps 310-320.
    """
    rules, layout = context.rules, layout_of(district)
    found = None
    for count in (rules.stations_at_first, rules.stations_at_most, layout.places.count):
        found = _look(district, layout, request, context, reach_km, count)
        last = count >= layout.places.count or found.station_km[count - 1] > reach_km
        if last or _open(district, found).sum() >= rules.open_wanted:
            break
    assert found is not None
    return _narrow(district, found, context)


def _look(
    district: District,
    layout: Layout,
    request: ChargingRequest,
    context: Context,
    reach_km: float,
    count: int,
) -> Candidates:
    """All fitting EVSEs of the nearest stations within reach."""
    here = request.latitude_deg, request.longitude_deg
    stations, straight_km = layout.places.nearest(*here, count)
    provenance = np.full(len(stations), NEAREST, dtype=np.uint8)
    if context.visits:
        stations, straight_km, provenance = _with_history(
            layout, here, context, stations, straight_km, provenance
        )
    station_km = context.roads.distance_km(*here, stations, straight_km)
    sizes = np.where(station_km <= reach_km, layout.station_size[stations], 0)
    ends = sizes.cumsum()
    total = int(ends[-1]) if len(ends) else 0
    place = np.arange(len(stations)).repeat(sizes)
    evse = np.arange(total) + (layout.station_start[stations] - ends + sizes)[place]
    status = district.status[evse]
    if context.stale_after_s != float("inf"):
        stale = district.stale(evse, context.link_now_s, context.stale_after_s)
        status = np.where(stale, _UNKNOWN, status)
    free = np.bincount(place[status == _AVAILABLE], minlength=len(stations))
    free_share = free / np.maximum(sizes, 1)
    fits = USABLE[status] & (district.claim_count[evse] < context.rules.queue_places)
    if request.vehicle.connector_mask:
        fits &= (layout.plugs[evse] & request.vehicle.connector_mask) != 0
    if request.payments and Payment.ANY not in request.payments:
        wanted = sum(1 << method for method in request.payments)
        fits &= ((layout.payments[stations] & wanted) != 0)[place]
    if context.excluded:
        fits &= ~np.isin(evse, list(context.excluded))
    if context.only is not None:
        fits &= np.isin(evse, list(context.only))
    keep = fits.nonzero()[0]
    place = place[keep]
    around = int((straight_km[place] <= context.rules.around_km).sum())
    return Candidates(
        evse[keep],
        place,
        status[keep],
        provenance[place],
        stations,
        straight_km,
        station_km,
        reach_km,
        len(keep),
        around,
        free_share,
    )


def _with_history(
    layout: Layout,
    here: tuple[float, float],
    context: Context,
    stations: Index,
    straight_km: Floats,
    provenance: NDArray[np.uint8],
) -> tuple[Index, Floats, NDArray[np.uint8]]:
    """The stations, with those that this user charged at before added at the end, and marked."""
    visited = np.fromiter(context.visits, dtype=np.intp, count=len(context.visits))
    provenance[np.isin(stations, visited)] |= HISTORY
    more = visited[~np.isin(visited, stations)]
    if not len(more):
        return stations, straight_km, provenance
    return (
        np.concatenate([stations, more]),
        np.concatenate([straight_km, layout.places.distance_km(*here, more)]),
        np.concatenate([provenance, np.full(len(more), HISTORY, dtype=np.uint8)]),
    )


def _open(district: District, found: Candidates) -> Mask:
    """Which candidates are free now and promised to nobody."""
    open_now: Mask = found.status == _AVAILABLE
    open_now &= district.claim_count[found.evse] == 0
    return open_now


def _narrow(district: District, found: Candidates, context: Context) -> Candidates:
    """The candidates, cut to the limit: some of each station and kind of current, open ones first.

    EVSEs of one station with the same current differ by little; judging all of a large station
    would push the next one out.
    """
    rules = context.rules
    if len(found) <= rules.candidate_limit:
        return found
    taken = ~_open(district, found)
    group = (found.place * 2 + district.dc[found.evse]) * 2 + taken
    order = group.argsort(kind="stable")
    ordered = group[order]
    begin = np.searchsorted(ordered, ordered)  # where the group of each begins
    quota = np.where(taken[order], rules.taken_per_station, rules.open_per_station)
    if context.own:
        quota[np.isin(found.evse[order], [own.row for own in context.own])] = len(found)
    keep = order[np.arange(len(order)) - begin < quota][: rules.candidate_limit]
    return found.take(keep)
