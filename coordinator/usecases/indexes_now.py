"""The paper's five indexes and the field's for a window of what really happened, from the store.

The formulas are those of the laboratory (`core/indexes.py`), reckoned in `window_figures.py` for
the web's evaluation as well. Sessions say who charged when, where,
after which wait; requests say from where cars were sent. Nothing here runs while a car is answered.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.indexes import point_demand_km, traffic
from coordinator.core.indexes_field import mean, no_plug
from coordinator.core.passing import cars_passing, cell_loads, in_step, plane_km
from coordinator.core.roads import DETOUR_FACTOR
from coordinator.core.sessions import ChargeSession
from coordinator.usecases.promises import Promise
from coordinator.usecases.requests import RequestArchive, StoredRequest
from coordinator.usecases.sessions import SessionBook
from coordinator.usecases.window_figures import Charged, totals, waits, waits_by_level

Float64 = NDArray[np.float64]
Index = NDArray[np.intp]

# Nobody is sent farther in a district; an imported request that says so has its place wrong.
FARTHEST_KM = 200.0
LONGEST_STAY_S = 12 * 3600.0  # a car that came earlier and has left is not looked for
AT_ONCE_S = 60.0  # who plugged in so soon after it had come found a free plug


@dataclass(frozen=True, slots=True)
class Sent:
    """A car that was sent somewhere: from where, to which station, how urgent it was."""

    recommendation_id: str
    latitude_deg: float
    longitude_deg: float
    station_id: str
    level: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands still: where the stations are, and which EVSE is which; safe off the loop."""

    lat_deg: Float64
    lon_deg: Float64
    station_row: dict[str, int]
    evse_row: dict[str, int]

    @classmethod
    def of(cls, district: District) -> Standing:
        """As the district has it now."""
        return cls(
            district.station_lat_deg.copy(), district.station_lon_deg.copy(),
            dict(district.station_row), dict(district.row),
        )  # fmt: skip


def sent(
    stored: Iterable[StoredRequest],
    promises: Iterable[Promise],
    from_s: float,
    to_s: float,
    station_of: Callable[[str], str] = lambda evse_id: "",
) -> list[Sent]:
    """Cars that were sent in the window: as the archive has them, and those of the last hour.

    `station_of` gives the station of an EVSE, for requests that were imported without.
    """
    found: dict[str, Sent] = {}
    for row in stored:
        station_id = row.station_id or station_of(row.evse_id)
        if station_id and from_s <= row.at_s < to_s:
            found[row.recommendation_id or row.request_id] = Sent(
                row.recommendation_id, row.latitude_deg, row.longitude_deg, station_id, row.level
            )
    for promise in promises:
        answer, request = promise.answer, promise.request
        if answer.judged and from_s <= promise.promised_at_s < to_s:
            found.setdefault(
                promise.recommendation_id,
                Sent(
                    promise.recommendation_id, request.latitude_deg, request.longitude_deg,
                    answer.choice.station_id, answer.level,
                ),
            )  # fmt: skip
    return list(found.values())


def indexes_of(
    standing: Standing, sessions: Sequence[ChargeSession], cars: Sequence[Sent]
) -> dict[str, float]:
    """Each index that the window has data for, by name with its unit last.

    `sessions` began in the window; those of EVSEs that are gone count for cost and waits only.
    """
    level_of = {car.recommendation_id: car.level for car in cars}
    charged = Charged.of(sessions, standing.evse_row, level_of)
    told = _use(charged, len(standing.evse_row)) | _waits(charged) | _ways(standing, cars)
    return {name: value for name, value in told.items() if not math.isnan(value)}


def _use(charged: Charged, evse_count: int) -> dict[str, float]:
    """Flow demand, cost, equilibrium, charges that failed."""
    told = totals(charged, evse_count)
    gaps = told.gaps
    return {
        "cars_served": float(told.count),
        "total_cost": told.cost if told.priced else math.nan,
        "mean_price": told.mean_price,
        "gini": told.gini,
        "cv": told.variation,
        "idle_gap_count": float(gaps.count),
        "short_gap_share": gaps.short_share if gaps.count else math.nan,
        "short_gap_time_share": gaps.short_time_share if gaps.count else math.nan,
        "failed_charge_share": told.failed_share,
    }


def _waits(charged: Charged) -> dict[str, float]:
    """Waits of cars that said when they were there, by level, and how many found no free plug."""
    all_of_them = waits(charged)
    told = {"mean_wait_min": all_of_them.mean_s / 60.0, "p95_wait_min": all_of_them.p95_s / 60.0}
    for level, wait in waits_by_level(charged).items():
        told[f"wait_{level.name.lower()}_min"] = wait.mean_s / 60.0
    if all_of_them.count:
        came = charged.wait_s[~np.isnan(charged.wait_s)]
        free = (came <= AT_ONCE_S).astype(np.intp)
        # Whoever plugged in in the end had waited for others: a dead plug serves nobody.
        told["no_plug_occupied"] = no_plug(free, 1 - free, np.zeros_like(free)).occupied
    return told


def _ways(standing: Standing, cars: Sequence[Sent]) -> dict[str, float]:
    """Point demand, passing cars, load: of straight ways from the cars to their stations."""
    rows = [
        (car.latitude_deg, car.longitude_deg, standing.station_row[car.station_id])
        for car in cars
        if car.station_id in standing.station_row and not math.isnan(car.latitude_deg)
    ]
    if not rows:
        return {}
    table = np.array(rows, dtype=np.float64)
    at = np.stack([standing.lat_deg, standing.lon_deg], axis=-1)
    origin = float(standing.lat_deg.mean()), float(standing.lon_deg.mean())
    places, starts = plane_km(at, origin), plane_km(table[:, :2], origin)
    ends = places[table[:, 2].astype(np.intp)]
    near = ((ends - starts) ** 2).sum(axis=1) <= FARTHEST_KM**2
    starts, ends = starts[near], ends[near]
    if not near.any():
        return {}
    whose = np.arange(len(starts))
    free = places[_nearest(starts, places)]
    load = traffic(*_columns(cell_loads(starts, ends, whose), cell_loads(starts, free, whose)))
    km = np.sqrt(((ends - starts) ** 2).sum(axis=1)) * DETOUR_FACTOR
    return {
        "point_demand_km": point_demand_km(km),
        "mean_distance_km": mean(km),
        "cars_passing": float(cars_passing(starts, ends, whose, places).sum()),
        "mean_edge_load": load.mean_load,
        "max_edge_load": load.max_load,
        "mean_load_change": load.mean_change,
        "max_load_change": load.max_change,
    }


def _columns(
    loads: dict[tuple[int, int], int], unguided: dict[tuple[int, int], int]
) -> tuple[Float64, None, Float64]:
    """Both as `traffic` takes them; grades of roads are not kept."""
    guided, free = in_step(loads, unguided)
    return guided, None, free


def _nearest(points_km: Float64, places_km: Float64) -> Index:
    """The nearest place of each point, some points at once."""
    found = [
        ((points_km[n : n + 500, None, :] - places_km) ** 2).sum(axis=-1).argmin(axis=1)
        for n in range(0, len(points_km), 500)
    ]
    return np.concatenate(found).astype(np.intp)


class Happened:
    """What happened in a window of domain time, from sessions, requests and promises."""

    def __init__(
        self,
        district: District,
        book: SessionBook,
        archive: RequestArchive,
        promises: Callable[[], Iterable[Promise]],
    ) -> None:
        self._district, self._book, self._archive = district, book, archive
        self._promises = promises

    async def between(self, from_s: float, to_s: float) -> dict[str, float]:
        """The indexes; what takes long is computed off the event loop."""
        sessions = [s for s in await self._book.listed(from_s) if from_s <= s.started_at_s < to_s]
        stored = await self._archive.list_requests(from_s)
        cars = sent(stored, self._promises(), from_s, to_s, self._station_of)
        return await asyncio.to_thread(indexes_of, Standing.of(self._district), sessions, cars)

    async def charging_since(self, from_s: float) -> list[ChargeSession]:
        """Sessions that ended since then, and those that are under way."""
        known = {s.key: s for s in await self._book.listed(from_s - LONGEST_STAY_S)}
        for evse_id in self._district.evse_ids:
            if (session := self._book.at(evse_id)) is not None:
                known[session.key] = session
        return [s for s in known.values() if s.ended_at_s is None or s.ended_at_s > from_s]

    def _station_of(self, evse_id: str) -> str:
        row = self._district.row.get(evse_id)
        if row is None:
            return ""
        return self._district.stations[int(self._district.station[row])].station_id
