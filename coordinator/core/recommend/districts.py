"""Candidates of several districts put side by side and sorted as if they were of one.

Pure: how they travel is in `rpc/district_codec.py`. Source: US 12,393,974 B2, claims 4-5 (the
sub-platforms determine candidates, the main platform sorts them).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus, User
from coordinator.core.recommend import traffic, warning
from coordinator.core.recommend.asked import Asked, ask
from coordinator.core.recommend.candidates import whole_minutes
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.eta import Drive
from coordinator.core.recommend.found import Candidates, Near
from coordinator.core.recommend.gather import COLUMNS, Gathered
from coordinator.core.recommend.service_order import vips_first
from coordinator.core.recommend.sorting import sort
from coordinator.core.recommend.waiting import Wait
from coordinator.core.vehicle import ChargingRequest, WarningLevel

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Column = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Share:
    """What one district answers to one request; columns of `known` are (1, n), nearest first.

    There `found.evse` and `found.place` number the candidates, not rows of a district, and each
    candidate has an entry of its own in `found.near`.

    Source: US 12,393,974 B2, claim 5.
    """

    district_id: str
    evse_ids: list[str]
    station_ids: list[str]
    currencies: list[str]  # of each price, empty where unknown
    known: Gathered
    power_class: Index  # (n,), rows of the next two
    class_evses: Floats
    class_served: Floats
    visits: Floats  # (n,) of this driver, to the station
    visit_total: float
    in_reach: int
    around: int
    nearest_km: float  # inf if there is none
    cars_around: int | None = None
    vip: bool = False
    iterations: int = 0


@dataclass(frozen=True, slots=True)
class Sorted:
    """The candidates of all districts in their order, best first.

    Source: US 12,393,974 B2, claim 5.
    """

    ranked: Ranked
    evse_ids: list[str]
    district_ids: list[str]


def share_of(
    district_id: str, district: District, asked: Asked, found: Candidates, known: Gathered
) -> Share:
    """The answer of a district to the only request of `asked`.

    Source: US 12,393,974 B2, claim 5.
    """
    count = int(known.valid[0].sum())
    near, place = known.found.near, known.found.place[0, :count]
    rows = known.found.evse[0, :count]
    own = Near(*(_of(getattr(near, column.name), place) for column in fields(Near)))
    number = np.arange(count)[None, :]
    cut = known.take(number)
    cut = replace(cut, found=replace(cut.found, evse=number, place=number, near=own))
    power_class, evses, served = traffic.class_use(district)
    context, request = asked.contexts[0], asked.requests[0]
    user = district.users.get(request.user_id) if request.user_id else None
    stations = near.stations[0, place].tolist()
    nearest_km = found.of_station(found.near.station_km)[0, :1]
    return Share(
        district_id,
        [district.evse_ids[row] for row in rows.tolist()],
        [district.stations[row].station_id for row in stations],
        [_currency(district, row) for row in stations],
        cut,
        power_class[rows],
        evses,
        served,
        np.array([context.visits.get(row, 0) for row in stations], dtype=np.float64),
        float(sum(context.visits.values())),
        int(found.fitting_in_reach[0]),
        int(found.around_count[0]),
        float(nearest_km[0]) if found.valid[0, :1].any() else float("inf"),
        context.cars_around,
        warning.is_vip(user, asked.now_s),
        context.iterations,
    )


def _currency(district: District, station: int) -> str:
    tariff = district.tariffs.get(district.stations[station].tariff_id)
    return "" if tariff is None else tariff.currency


def _of(column: Column, place: Index) -> Column:
    return column[:1, place]


def sort_together(
    request: ChargingRequest,
    context: Context,
    shares: Sequence[Share],
    models: Models,
    now_s: float,
) -> Sorted:
    """The candidates of all districts in the order that one district with all of them would give.

    `context` is the city's: roads and visits stay with the districts. Source: US 12,393,974 B2,
    claims 4, 5.
    """
    context = replace(context, iterations=max((s.iterations for s in shares), default=0))
    asked = ask([request], [context], now_s)
    filled = [share for share in shares if share.evse_ids]
    level = _level(asked, shares)
    if not filled:
        nobody = Ranked(*level, float(asked.reach_km[0, 0]), None, 0, np.zeros(0, dtype=np.intp))
        return Sorted(nobody, [], [])
    known = _side_by_side(asked, filled)
    ids = [evse_id for share in filled for evse_id in share.evse_ids]
    owners = [share.district_id for share in filled for _ in share.evse_ids]
    ranked = sort(asked, [level], known, models, [None])[0]
    # Facilities stay with the districts: to the city they are equal.
    vips_first(asked, [ranked], lambda columns: np.zeros(len(columns.share), dtype=np.intp))
    assert ranked.columns is not None
    best = ranked.columns.candidates.evse[ranked.order].tolist()
    return Sorted(ranked, [ids[at] for at in best], [owners[at] for at in best])


def _level(asked: Asked, shares: Sequence[Share]) -> tuple[WarningLevel, str]:
    """The warning level among what all districts have. Source: paper 2.2."""
    cars = [share.cars_around for share in shares if share.cars_around is not None]
    nearest_km = min((share.nearest_km for share in shares), default=float("inf"))
    left_min = float("inf")
    if nearest_km < left_min:
        left_min = float((asked.reach_km[0, 0] - nearest_km) / asked.speed_kmh[0, 0] * 60.0)
    vip = any(share.vip for share in shares)
    seen = warning.Situation(
        asked.requests[0].soc_pct,
        sum(share.in_reach for share in shares),
        sum(share.around for share in shares),
        left_min,
        sum(cars) if cars else None,
        User(asked.requests[0].user_id, vip=True) if vip else None,
    )
    return warning.level(seen, asked.now_s, asked.rules)


def _side_by_side(asked: Asked, shares: Sequence[Share]) -> Gathered:
    """All candidates in one row, nearest station first."""
    known = [share.known for share in shares]
    found = [one.found for one in known]
    count = sum(len(share.evse_ids) for share in shares)
    number = np.arange(count)[None, :]
    near = Near(
        *(_joined([getattr(one.near, column.name) for one in found]) for column in fields(Near))
    )
    columns: list[Any] = [_joined([_column(k, name) for k in known]) for name in COLUMNS]
    together = Gathered(
        Candidates(
            number, number, _joined([one.status for one in found]), np.ones((1, count), dtype=bool),
            near, np.array([sum(s.in_reach for s in shares)]),
            np.array([sum(s.around for s in shares)]),
        ),
        Drive(*(_joined([getattr(k.drive, c.name) for k in known]) for c in fields(Drive))),
        Wait(*(_joined([getattr(k.wait, c.name) for k in known]) for c in fields(Wait))),
        *columns,
    )  # fmt: skip
    visits = sum(share.visit_total for share in shares)
    together = replace(
        together,
        missing=tuple(sorted({code for one in known for code in one.missing})),
        class_served=_class_means(shares)[None, :],
        visit_share=np.concatenate([s.visits for s in shares])[None, :] / max(visits, 1.0),
    )
    stations = [station for share in shares for station in share.station_ids]
    together = _by_station(together, stations)
    return together.narrowed(_kept(asked, together))


def _joined(columns: Sequence[Column]) -> Column:
    joined: Column = np.concatenate(columns, axis=1)
    return joined


def _column(known: Gathered, name: str) -> Column:
    column: Column = getattr(known, name)
    return np.full(known.valid.shape, column) if isinstance(column, float) else column


def _class_means(shares: Sequence[Share]) -> Floats:
    """Cars served and promised today at a mean EVSE of each candidate's power class."""
    served = sum(share.class_served for share in shares)
    evses = sum(share.class_evses for share in shares)
    mean: Floats = np.asarray(served) / np.maximum(evses, 1)
    of_each: Floats = mean[np.concatenate([share.power_class for share in shares])]
    return of_each


def _by_station(known: Gathered, stations: list[str]) -> Gathered:
    """The candidates by nearness of their station, with one entry of `near` for each station."""
    near = known.found.near
    order = near.straight_km[0].argsort(kind="stable")
    first: dict[str, int] = {}
    for at in order.tolist():
        first.setdefault(stations[at], at)
    numbered = {station: number for number, station in enumerate(first)}
    place = np.array([[numbered[station] for station in stations]], dtype=np.intp)
    at = np.array(list(first.values()), dtype=np.intp)
    own = Near(*(_of(getattr(near, column.name), at) for column in fields(Near)))
    placed = replace(known, found=replace(known.found, place=place, near=own))
    return placed.take(order[None, :])


def _kept(asked: Asked, known: Gathered) -> NDArray[np.bool_]:
    """Which are judged: as in one district, some of each station and kind if they are many."""
    rules, found = asked.rules, known.found
    count = found.valid.shape[1]
    keep = np.ones((1, count), dtype=bool)
    if int(found.fitting_in_reach[0]) <= rules.candidate_limit:
        return keep
    taken = (found.status != int(EvseStatus.AVAILABLE)) | known.wait.held
    quota = np.where(taken, rules.taken_per_station, rules.open_per_station)[0].tolist()
    kinds = list(zip(found.place[0].tolist(), known.dc[0].tolist(), taken[0].tolist(), strict=True))
    left_min = whole_minutes(np.where(taken, known.wait.free_in_s, 0.0)[0])
    seen: dict[tuple[int, bool, bool], int] = {}
    for at in left_min.argsort(kind="stable").tolist():
        seen[kinds[at]] = seen.get(kinds[at], 0) + 1
        keep[0, at] = seen[kinds[at]] <= quota[at]
    keep[0, keep[0].nonzero()[0][rules.candidate_limit :]] = False
    return keep
