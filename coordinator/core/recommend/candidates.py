"""Candidate EVSEs: in reach, with a plug that fits, usable, payable (steps 310-320).

Scoring does not belong here. Candidates come by station, nearest first; each keeps how it was
found. Shapes are (r, n) for r requests, padded: `valid` says which entries are candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus, Payment
from coordinator.core.recommend import crowding, way
from coordinator.core.recommend.asked import Asked
from coordinator.core.recommend.found import Candidates, Near, merge
from coordinator.core.recommend.layout import Layout, layout_of
from coordinator.core.recommend.queue_evidence import standing
from coordinator.core.recommend.visited import visited
from coordinator.core.roads import each_distance_km

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]
# Rows of stations around each request, how far they are, and how each was found (0: padding).
_Around = tuple[Index, Floats, NDArray[np.uint8]]

NEAREST = 1  # found because it is near
HISTORY = 2  # found because this user charged there before
LIKE_CHOSEN = 4  # found because it is like what people around choose most often
_WORDS = {NEAREST: "NEAREST", HISTORY: "HISTORY", LIKE_CHOSEN: "LIKE_CHOSEN"}
PROVENANCE = {
    bits: "+".join(word for bit, word in _WORDS.items() if bits & bit) for bits in range(1, 8)
}

_MINUTES = 4096  # more than any wait that orders EVSEs
_AVAILABLE, _UNKNOWN = int(EvseStatus.AVAILABLE), np.int8(EvseStatus.UNKNOWN)

# Whether a car may be sent to an EVSE of this status, by number of the status.
USABLE: Mask = np.zeros(len(EvseStatus), dtype=bool)
USABLE[[EvseStatus.AVAILABLE, EvseStatus.CHARGING, EvseStatus.RESERVED, EvseStatus.UNKNOWN]] = True


@dataclass(frozen=True, slots=True)
class _Flat:
    """Fitting EVSEs of all requests in one line, by request, then by station, nearest first."""

    owner: Index
    place: Index
    evse: Index
    status: NDArray[np.int8]
    taken: Mask
    direct: Mask  # DC


def find(district: District, asked: Asked) -> Candidates:
    """Up to `candidate_limit` EVSEs for each request that it can reach and use.

    Looks further out until enough are open, reach ends, or there are no more stations. Source:
    US 12,393,974 B2, steps 310-320; paper 1, 2.3.2.1, 2.3.2.2.
    """
    rules, layout = asked.rules, layout_of(district)
    found = _look(district, layout, asked, rules.stations_at_first)
    before = min(rules.stations_at_first, layout.places.count)
    for count in (rules.stations_at_most, layout.places.count):
        if before >= layout.places.count:
            break
        # Stations within reach may have been missed only where the farthest seen is in reach.
        farther = found.near.station_km[:, before - 1] <= asked.reach_km[:, 0]
        few = (farther & ~_enough(district, asked, found)).nonzero()[0]
        if not len(few):
            break
        some = asked if len(few) == len(asked) else asked.only(few.tolist())
        more = _look(district, layout, some, count)
        found = more if len(few) == len(asked) else merge(found, few, more)
        before = min(count, layout.places.count)
    return found


def _enough(district: District, asked: Asked, found: Candidates) -> Mask:
    """Which requests (r,) have enough open candidates; who may get only some EVSEs, has all."""
    free = district.claim_count[found.evse] == 0
    free &= (found.status == _AVAILABLE) & found.valid
    enough: Mask = free.sum(axis=1) >= asked.rules.open_wanted
    for number, context in enumerate(asked.contexts):
        if context.only is not None:
            enough[number] = found.valid[number].sum() >= len(context.only)
    return enough


def _look(district: District, layout: Layout, asked: Asked, count: int) -> Candidates:
    """The fitting EVSEs of the nearest stations within reach; how many there are, and around."""
    stations, straight_km, provenance = _stations(district, layout, asked, count)
    station_km = each_distance_km(asked.roads, asked.here, stations, straight_km)
    uphill_pct = way.climb_pct(asked, stations)
    lifting_km = 0.0 if uphill_pct is None else uphill_pct / asked.soc_per_km
    in_reach = (station_km + lifting_km <= asked.reach_km) & (provenance > 0)
    sizes = np.where(in_reach, layout.station_size[stations], 0).ravel()
    ends = sizes.cumsum()
    spot = np.arange(sizes.size).repeat(sizes)  # request x station of each EVSE
    evse = np.arange(len(spot)) + (layout.station_start[stations.ravel()] - ends + sizes)[spot]
    status = district.status[evse]
    context = asked.contexts[0]
    if context.stale_after_s != float("inf"):
        stale = district.stale(evse, context.link_now_s, context.stale_after_s)
        status = np.where(stale, _UNKNOWN, status)
    free = np.bincount(spot, weights=status == _AVAILABLE, minlength=sizes.size)
    near = Near(
        stations,
        straight_km,
        station_km,
        (free / np.maximum(sizes, 1)).reshape(stations.shape),
        crowding.of_stations(district, asked, stations, spot, evse, status),
        provenance,
    )
    owner = spot // stations.shape[1]
    claims = district.claim_count[evse]
    fits = USABLE[status] & (claims < asked.rules.queue_places)
    fits &= _suits(layout, asked, evse, owner, stations.ravel()[spot])
    keep = fits.nonzero()[0]
    spot, owner = spot[keep], owner[keep]
    within = straight_km.ravel()[spot] <= asked.rules.around_km
    around = np.bincount(owner, weights=within, minlength=len(asked)).astype(np.intp)
    fitting = np.bincount(owner, minlength=len(asked))
    evse, status, claims = evse[keep], status[keep], claims[keep]
    if any(context.only is not None for context in asked.contexts):
        keep = _allowed(asked, evse, owner)
        spot, owner, evse = spot[keep], owner[keep], evse[keep]
        status, claims = status[keep], claims[keep]
    taken = (status != _AVAILABLE) | (claims > 0)
    flat = _Flat(owner, spot % stations.shape[1], evse, status, taken, district.dc[evse])
    return _pad(district, asked, near, flat, fitting, around)


def _stations(district: District, layout: Layout, asked: Asked, count: int) -> _Around:
    """The nearest stations of each request, with those found by history, and how each was found."""
    stations, straight_km = layout.places.nearest_to_each(asked.here, count)
    around = stations, straight_km, np.full(stations.shape, NEAREST, dtype=np.uint8)
    before = visited(asked.contexts)
    if before is not None:
        around = _with_more(layout, asked, around, before[0], HISTORY)
    if district.alike is not None and stations.shape[1]:
        near_by = district.alike[stations[:, 0]].astype(np.intp)
        around = _with_more(layout, asked, around, near_by, LIKE_CHOSEN)
    return around


def _allowed(asked: Asked, evse: Index, owner: Index) -> Mask:
    """Which EVSEs each request may get; how many are in reach does not depend on it."""
    allowed = np.ones(len(evse), dtype=bool)
    for number, context in enumerate(asked.contexts):
        if context.only is not None:
            allowed &= (owner != number) | np.isin(evse, list(context.only))
    return allowed


def _suits(layout: Layout, asked: Asked, evse: Index, owner: Index, station: Index) -> Mask:
    """Whether plug and payment fit, and the request does not rule the EVSE out."""
    plugs = np.array([request.vehicle.connector_mask or -1 for request in asked.requests])
    suits: Mask = (layout.plugs[evse] & plugs[owner]) != 0
    for number, request in enumerate(asked.requests):
        context = asked.contexts[number]
        if request.payments and Payment.ANY not in request.payments:
            wanted = sum(1 << method for method in request.payments)
            suits &= (owner != number) | ((layout.payments[station] & wanted) != 0)
        if context.excluded:
            suits &= (owner != number) | ~np.isin(evse, list(context.excluded))
    return suits


def _with_more(layout: Layout, asked: Asked, around: _Around, more: Index, bit: int) -> _Around:
    """The stations, with those in `more` (r, k; -1 is none) added at the end, and marked."""
    stations, straight_km, provenance = around
    same = (stations[:, :, None] == more[:, None, :]) & (provenance > 0)[:, :, None]
    provenance |= same.any(axis=2) * np.uint8(bit)
    new = (more >= 0) & ~same.any(axis=1)
    if not new.any():
        return stations, straight_km, provenance
    added = np.where(new, more, 0)
    added_km = np.where(new, layout.places.distances_km(asked.here, added), np.inf)
    return (
        np.hstack([stations, added]),
        np.hstack([straight_km, added_km]),
        np.hstack([provenance, new * np.uint8(bit)]),
    )


def _pad(
    district: District, asked: Asked, near: Near, flat: _Flat, fitting: Index, around: Index
) -> Candidates:
    """The fitting EVSEs as a padded table: some of each station and kind, open ones first, of the
    others those that are free soonest.

    EVSEs of one station with the same current differ by little; judging all of a large station
    would push the next one out.
    """
    rules, count = asked.rules, len(asked)
    keep = (
        _narrow(district, asked, near, flat, fitting)
        if fitting.max(initial=0) > rules.candidate_limit
        else None
    )
    owner = flat.owner if keep is None else flat.owner[keep]
    sizes = np.bincount(owner, minlength=count)
    width = min(int(sizes.max(initial=0)), rules.candidate_limit)
    if width < sizes.max(initial=0):
        place = flat.place if keep is None else flat.place[keep]
        by_history = near.provenance[owner, place] != NEAREST
        fits = _first(owner, sizes, by_history, width)
        owner = owner[fits]
        keep = fits.nonzero()[0] if keep is None else keep[fits]
        sizes = np.bincount(owner, minlength=count)
    slot = np.arange(len(owner)) - (sizes.cumsum() - sizes)[owner]
    at = owner * width + slot
    evse, place, status = flat.evse, flat.place, flat.status
    if keep is not None:
        evse, place, status = evse[keep], place[keep], status[keep]
    table = np.zeros((3, count * width), dtype=np.intp)
    table[0, at], table[1, at], table[2, at] = evse, place, status
    valid = np.zeros(count * width, dtype=bool)
    valid[at] = True
    shape = count, width
    return Candidates(
        table[0].reshape(shape),
        table[1].reshape(shape),
        table[2].reshape(shape).astype(np.int8),
        valid.reshape(shape),
        near,
        fitting,
        around,
    )


def _free_in_min(district: District, asked: Asked, near: Near, flat: _Flat) -> Index:
    """Whole minutes until each EVSE should be free of who is there and who is promised it."""
    left_min = np.zeros(len(flat.evse), dtype=np.intp)
    at = flat.taken.nonzero()[0]
    if len(at):
        evse, km = flat.evse[at], near.station_km[flat.owner[at], flat.place[at]]
        there = standing(district, evse, flat.status[at], km, asked.now_s)
        left_s = there.occupant_s + there.queue * there.mean_s
        left_s = np.maximum(left_s, district.claimed_to_s[evse] - asked.now_s)
        left_min[at] = whole_minutes(left_s)
    return left_min


def whole_minutes(left_s: Floats) -> Index:
    """By which EVSEs alike are ordered where not all are judged. Source: step 320.

    >>> whole_minutes(np.array([-5.0, 59.0, 60.0, 1e9])).tolist()
    [0, 0, 1, 4095]
    """
    return np.asarray(np.clip(left_s / 60.0, 0.0, _MINUTES - 1.0).astype(np.intp))


def _first(owner: Index, sizes: Index, by_history: Mask, limit: int) -> Mask:
    """Which entries are the first of their owner, those found by history before the merely near.

    `owner` is ascending, `sizes` says how many entries each has.
    """
    others = np.bincount(owner, weights=by_history, minlength=len(sizes)).astype(np.intp)
    near = sizes - others
    near_before = (~by_history).cumsum() - ~by_history - (near.cumsum() - near)[owner]
    others_before = by_history.cumsum() - by_history - (others.cumsum() - others)[owner]
    kept = np.minimum(others, limit)
    first: Mask = np.where(
        by_history, others_before < kept[owner], near_before < (limit - kept)[owner]
    )
    return first


def _narrow(district: District, asked: Asked, near: Near, flat: _Flat, fitting: Index) -> Index:
    """Which of the fitting EVSEs are judged, in their order."""
    rules, width = asked.rules, near.stations.shape[1]
    group = ((flat.owner * width + flat.place) * 2 + flat.direct) * 2 + flat.taken
    order = (group * _MINUTES + _free_in_min(district, asked, near, flat)).argsort(kind="stable")
    ordered = group[order]
    begin = np.searchsorted(ordered, ordered)  # where the group of each begins
    quota = np.where(flat.taken, rules.taken_per_station, rules.open_per_station)
    quota[fitting[flat.owner] <= rules.candidate_limit] = len(quota)
    for number, context in enumerate(asked.contexts):
        for own in context.own:
            quota[(flat.owner == number) & (flat.evse == own.row)] = len(quota)
    keep: Index = order[np.arange(len(order)) - begin < quota[order]]
    keep.sort()
    return keep
