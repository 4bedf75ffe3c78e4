"""The dynamic charging area: where to drive before the exact pile is told (paper 2.3.1).

Which EVSE is held underneath is the ledger's; an area is never oversold because of that.
"""

from __future__ import annotations

from coordinator.core.district import District
from coordinator.core.recommend.layout import layout_of
from coordinator.core.recommend.pipeline import Ranked
from coordinator.core.vehicle import WarningLevel

PILE_WITHIN_KM = 0.5
PILE_WITHIN_S = 120.0
AREA_STAGE, PILE_STAGE = 1, 2  # numbers of the wire

GREATEST_EXTRA_S = 300.0
GREATEST_EXTRA_PRICE = 0.10
RADIUS_KM = {WarningLevel.HIGH: 1.0, WarningLevel.MEDIUM: 2.0}
MEMBER_LIMIT = 8


def stage(distance_km: float, eta_s: float) -> int:
    """Whether the area or the pile is shown now: the pile from 500 m or 2 min before arrival.

    >>> stage(0.51, 121.0), stage(0.5, 121.0), stage(0.51, 120.0)
    (1, 2, 2)
    """
    near = distance_km <= PILE_WITHIN_KM or eta_s <= PILE_WITHIN_S
    return PILE_STAGE if near else AREA_STAGE


def members(district: District, ranked: Ranked, choice: int) -> tuple[str, ...]:
    """Stations of the area, the held one first.

    Stations with a place free on arrival, at most 5 min and 10 % of the price from the held one;
    within 1 km at a high level, 2 km at a medium one.
    """
    columns = ranked.columns
    assert columns is not None
    found = columns.candidates
    at = int(found.place[choice])
    rows = found.stations
    total_s = columns.drive.drive_s + columns.wait.p50_s
    fits = (total_s <= total_s[choice] + GREATEST_EXTRA_S) & (columns.wait.p50_s <= 0.0)
    price = float(columns.price[choice])
    if price == price:
        fits &= ~(columns.price > price * (1.0 + GREATEST_EXTRA_PRICE))
    radius_km = RADIUS_KM.get(ranked.level)
    if radius_km is not None:
        held = rows[at]
        here = district.station_lat_deg[held], district.station_lon_deg[held]
        apart_km = layout_of(district).places.distance_km(*here, rows)
        fits &= (apart_km <= radius_km)[found.place]
    near = dict.fromkeys([at, *found.place[fits].tolist()])
    return tuple(
        district.stations[int(rows[place])].station_id for place in list(near)[:MEMBER_LIMIT]
    )
