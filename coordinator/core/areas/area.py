"""The dynamic charging area: where to drive before the exact pile is told (paper 2.3.1).

Which EVSE is held underneath is the ledger's; an area is never oversold because of that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.recommend.columns import Batch, Ranked
from coordinator.core.recommend.layout import layout_of
from coordinator.core.vehicle import WarningLevel

Index = NDArray[np.intp]

PILE_WITHIN_KM = 0.5
PILE_WITHIN_S = 120.0
AREA_STAGE, PILE_STAGE = 1, 2  # numbers of the wire

GREATEST_EXTRA_S = 300.0
GREATEST_EXTRA_PRICE = 0.10
RADIUS_KM = {WarningLevel.HIGH: 1.0, WarningLevel.MEDIUM: 2.0}
MEMBER_LIMIT = 8


def stage(distance_km: float, eta_s: float) -> int:
    """Whether the area or the pile is shown now: the pile from 500 m or 2 min before arrival.

    Source: paper 2.3.1.

    >>> stage(0.51, 121.0), stage(0.5, 121.0), stage(0.51, 120.0)
    (1, 2, 2)
    """
    near = distance_km <= PILE_WITHIN_KM or eta_s <= PILE_WITHIN_S
    return PILE_STAGE if near else AREA_STAGE


def members_of_each(district: District, ranked: Sequence[Ranked]) -> list[tuple[str, ...]]:
    """Stations of the area around each request's first candidate, that one's first.

    Stations with a place free on arrival, at most 5 min and 10 % of the price from the held one;
    within 1 km at a high level, 2 km at a medium one. Empty for a request without candidates.

    Source: paper 2.3.1.
    """
    batch = next((answer.batch for answer in ranked if answer.batch is not None), None)
    if batch is None:
        return [()] * len(ranked)
    return _members(district, batch, ranked, batch.by_cost[:, 0])


def members(district: District, ranked: Ranked, choice: int) -> tuple[str, ...]:
    """The same around any candidate of one request. Source: paper 2.3.1."""
    batch = ranked.batch
    assert batch is not None
    chosen = np.zeros(len(batch.by_cost), dtype=np.intp)
    chosen[ranked.number] = choice
    by_number: list[Ranked] = [ranked] * len(chosen)
    return _members(district, batch, by_number, chosen)[ranked.number]


def _members(
    district: District, batch: Batch, ranked: Sequence[Ranked], choice: Index
) -> list[tuple[str, ...]]:
    columns = batch.columns
    found, row = columns.candidates, np.arange(len(choice))
    total_s = columns.drive.drive_s + columns.wait.p50_s
    most_s = total_s[row, choice] + GREATEST_EXTRA_S
    fits = found.valid & (total_s <= most_s[:, None]) & (columns.wait.p50_s <= 0.0)
    most = columns.price[row, choice] * (1.0 + GREATEST_EXTRA_PRICE)
    fits &= ~(columns.price > most[:, None])  # an unknown price is no reason
    stations = found.near.stations
    at = found.place[row, choice]
    held = stations[row, at]
    here = np.stack([district.station_lat_deg[held], district.station_lon_deg[held]], axis=-1)
    apart_km = layout_of(district).places.distances_km(here, stations)
    radius_km = np.array([[RADIUS_KM.get(answer.level, np.inf)] for answer in ranked])
    fits &= found.of_station(apart_km) <= radius_km
    owner, slot = fits.nonzero()
    places: list[dict[int, None]] = [{place: None} for place in at.tolist()]
    for number, place in zip(owner.tolist(), found.place[owner, slot].tolist(), strict=True):
        places[number][place] = None
    names = district.stations
    rows = stations.tolist()
    return [
        tuple(names[rows[number][place]].station_id for place in list(near)[:MEMBER_LIMIT])
        if batch.counts[number]
        else ()
        for number, near in enumerate(places)
    ]
