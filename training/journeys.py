"""Who asked where, and which station they took: choices of drivers over time, with their histories.

From the made-up city's drivers, or from real sessions. What is learned from them is in `pairs.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from city_sim.city import generate_city
from city_sim.demand import Demand
from city_sim.population import DAY_S, Driver, choose, demand_of_day, generate_drivers
from coordinator.core.district import District
from coordinator.core.pile import User
from coordinator.core.recommend.collaborative import Stations
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.pipeline import rank_each
from coordinator.core.recommend.portrait import KM_PER_DEG
from coordinator.core.vehicle import ChargingRequest
from training.datasets import MONDAY_S, scatter
from training.sources import Sessions

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

# Requests are shown what is free once a block, all of a block side by side.
BLOCK_S = 7200.0
# Vehicle models of each kind of the made-up city; their names differ from city to city, so that
# nothing can be learned of a name.
VARIANTS = 4
TOLD_SHARE = 0.6  # of the drivers who told a habit
SLOW_KW, FAST_KW = 22.0, 40.0  # assumed where no power was seen; above it is direct current


@dataclass(frozen=True, slots=True)
class Journeys:
    """n choices in order of time: `user` and `station` (n,) index `users` and `stations`.

    `north_km` and `east_km` (n,) say where they asked, from the middle of the stations.
    """

    user: Index
    station: Index
    at_s: Floats
    north_km: Floats
    east_km: Floats
    users: tuple[User, ...]
    stations: Stations

    def __len__(self) -> int:
        return len(self.at_s)

    def counts(self, rows: NDArray[np.bool_]) -> sparse.csr_matrix:
        """Choices of some rows as (users, stations)."""
        cells = (np.ones(int(rows.sum())), (self.user[rows], self.station[rows]))
        return sparse.csr_matrix(cells, shape=(len(self.users), len(self.stations.station_ids)))

    def time(self, share: float) -> float:
        """The instant when so much of the time had passed."""
        begin, end = float(self.at_s[0]), float(self.at_s[-1])
        return begin + share * (end - begin)

    def sha256(self) -> str:
        """The hash that a bundle gives as its training data."""
        digest = hashlib.sha256()
        for column in (self.user, self.station, self.at_s, self.north_km, self.east_km):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()


def generate_journeys(
    seed: int, number: int, days: int, requests_a_day: int, driver_count: int
) -> Journeys:
    """Choices of the drivers of one made-up city, over what the serving pipeline shows them.

    Source: US 12,393,974 B2, step 510 (training data from historical data, labelled automatically).
    """
    city_seed = 1000 * seed + 500 + number
    city = generate_city(city_seed, now_s=MONDAY_S)
    drivers = generate_drivers(city_seed, city, driver_count)
    row_of = {driver.user_id: row for row, driver in enumerate(drivers)}
    district = District(city.stations)
    district.put_tariffs(city.tariffs)
    rng = np.random.default_rng([seed, number, 6])
    users = tuple(_told(driver, number, rng) for driver in drivers)
    made: list[tuple[int, int, Demand]] = []
    for day in range(days):
        day_s = MONDAY_S + day * DAY_S
        demands = demand_of_day(1000 * city_seed + day, city, drivers, requests_a_day, day_s)
        blocks = np.array([demand.at_s // BLOCK_S for demand in demands])
        for block in np.unique(blocks):
            asking = [demands[row] for row in np.flatnonzero(blocks == block)]
            scatter(district, asking[0].at_s, rng)
            taken = _choices(district, [drivers[row_of[d.user_id]] for d in asking], asking, rng)
            for demand, station in zip(asking, taken, strict=True):
                if station is not None:
                    made.append((row_of[demand.user_id], station, demand))
    return _journeys(made, users, district)


def _choices(
    district: District,
    drivers: Sequence[Driver],
    demands: Sequence[Demand],
    rng: np.random.Generator,
) -> list[int | None]:
    """The station that each took; None when nothing was in reach."""
    requests = [
        ChargingRequest(
            demand.car_id,
            demand.car_id,
            demand.vehicle,
            demand.soc_pct,
            demand.latitude_deg,
            demand.longitude_deg,
            user_id=demand.user_id,
            target_soc_pct=demand.target_soc_pct,
            destination=demand.destination,
        )
        for demand in demands
    ]
    seen = [Context(visits=dict(driver.visits)) for driver in drivers]
    taken: list[int | None] = []
    for driver, ranked in zip(
        drivers, rank_each(district, requests, seen, Models(), demands[0].at_s), strict=True
    ):
        columns = ranked.columns
        if columns is None or not len(columns.share):
            taken.append(None)
            continue
        stations = columns.candidates.stations[columns.candidates.place]
        visits = np.array([driver.visits.get(int(row), 0) for row in stations], dtype=np.float64)
        row = int(stations[choose(driver, columns.features, visits, stations, rng)])
        driver.visits[row] = driver.visits.get(row, 0) + 1
        taken.append(row)
    return taken


def _told(driver: Driver, number: int, rng: np.random.Generator) -> User:
    """What an operator's record says of a driver: the car, and sometimes how they choose."""
    tastes, habits = driver.tastes, {}
    if rng.random() < TOLD_SHARE:
        habits[f"pace{number}"] = "fast" if tastes.charge > 0.15 else "any"
    if rng.random() < TOLD_SHARE:
        habits[f"money{number}"] = "counts" if tastes.price > 0.9 else "any"
    model = f"{driver.vehicle.model}-{number}-{int(rng.integers(VARIANTS))}"
    return User(driver.user_id, vehicle_model=model, habits=habits)


def _journeys(
    made: Sequence[tuple[int, int, Demand]], users: tuple[User, ...], district: District
) -> Journeys:
    count = len(district.stations)
    size = np.maximum(district.station_size, 1)
    stations = Stations(
        [station.station_id for station in district.stations],
        np.bincount(district.station, district.dc, count) / size,
        np.bincount(district.station, district.max_power_kw, count) / size,
        district.station_lat_deg.astype(np.float64),
        district.station_lon_deg.astype(np.float64),
    )
    north, east = kilometres(
        stations,
        np.array([demand.latitude_deg for *_, demand in made]),
        np.array([demand.longitude_deg for *_, demand in made]),
    )
    return Journeys(
        np.array([user for user, *_ in made], dtype=np.intp),
        np.array([station for _, station, _ in made], dtype=np.intp),
        np.array([demand.at_s for *_, demand in made]),
        north,
        east,
        users,
        stations,
    )


def kilometres(stations: Stations, lat_deg: Floats, lon_deg: Floats) -> tuple[Floats, Floats]:
    """Kilometres north and east of the middle of the stations."""
    north, east = float(np.mean(stations.lat_deg)), float(np.mean(stations.lon_deg))
    north_km = (lat_deg - north) * KM_PER_DEG
    return north_km, (lon_deg - east) * KM_PER_DEG * np.cos(np.radians(north))


def from_sessions(sessions: Sessions) -> Journeys:
    """Real sessions of known users at placed stations as choices.

    Where a request was made is not in such files: the station that was taken stands for it.
    """
    placed = np.asarray(np.isfinite(sessions.places).all(axis=1))
    kept = (sessions.user >= 0) & placed[sessions.station]
    used = np.flatnonzero(placed)
    row = np.full(len(sessions.station_ids), -1, dtype=np.intp)
    row[used] = np.arange(used.size)
    seen_kw = np.zeros(len(sessions.station_ids))
    np.maximum.at(seen_kw, sessions.station, np.nan_to_num(sessions.power_kw))
    power = np.where(seen_kw[used] > 0, seen_kw[used], SLOW_KW)
    stations = Stations(
        [sessions.station_ids[place] for place in used.tolist()],
        (power > FAST_KW).astype(np.float64),
        power,
        sessions.places[used, 0],
        sessions.places[used, 1],
    )
    user, station = sessions.user[kept], row[sessions.station[kept]]
    north, east = kilometres(stations, stations.lat_deg[station], stations.lon_deg[station])
    return Journeys(
        user,
        station,
        sessions.begin_s[kept],
        north,
        east,
        tuple(User(name) for name in sessions.user_ids),
        stations,
    )
