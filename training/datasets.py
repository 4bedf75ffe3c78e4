"""Typed columns to train on: choices of the made-up city's drivers over what the pipeline shows.

The rows come from `coordinator.core.recommend.pipeline`, the very code that serves.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from city_sim.bustle import Bustle, generate_bustle
from city_sim.city import generate_city
from city_sim.contentment import DETOUR
from city_sim.demand import Demand
from city_sim.population import DAY_S, Driver, choose, demand_of_day, generate_drivers
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.features import FEATURES
from coordinator.core.recommend.pipeline import Columns, rank
from training.splits import by_time, shares_of_span
from training.trips import journey, request_of

Float32 = NDArray[np.float32]

MOST_CANDIDATES = 64
MONDAY_S = 1_767_571_200.0  # an arbitrary midnight, UTC


@dataclass(frozen=True, slots=True)
class Choices:
    """n choices among up to k candidates; rows beyond a request's candidates are masked out.

    `features` (n, k, len(FEATURES)), `mask` (n, k) 1 or 0, `chosen` (n,), `station` (n, k) rows of
    the district, `cost_s` and `visits` (n, k) for the baselines, `at_s` (n,) ascending within a
    `city` (n,).
    """

    features: Float32
    mask: Float32
    chosen: NDArray[np.int64]
    station: NDArray[np.int64]
    cost_s: Float32
    visits: Float32
    at_s: NDArray[np.float64]
    city: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.chosen)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Choices:
        """The same columns of some rows."""
        return Choices(
            self.features[rows],
            self.mask[rows],
            self.chosen[rows],
            self.station[rows],
            self.cost_s[rows],
            self.visits[rows],
            self.at_s[rows],
            self.city[rows],
        )

    def sha256(self) -> str:
        """The hash that a bundle gives as its training data."""
        digest = hashlib.sha256()
        for column in (self.features, self.mask, self.chosen, self.at_s, self.city):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Split:
    """Learned from `train`, stopped by `validation`, reported on `test`; later in that order.

    `elsewhere` is from cities that were never learned from.
    """

    train: Choices
    validation: Choices
    test: Choices
    elsewhere: Choices


def generate_choices(
    seed: int, cities: int = 6, days: int = 24, requests_a_day: int = 60, driver_count: int = 80
) -> Choices:
    """Choices in several cities, day after day, so that visits add up to habits."""
    parts = [
        _choices_in_city(seed, number, days, requests_a_day, driver_count)
        for number in range(cities)
    ]
    return Choices(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in Choices.__slots__)
    )


def split(choices: Choices, train: float = 0.7, validation: float = 0.15) -> Split:
    """Cut by time within each city; the last of several cities is kept for `elsewhere`.

    Nothing in a part is earlier than anything of the part before it.
    """
    last = int(choices.city.max())
    learned = (choices.city != last) | (choices.city.min() == last)
    cuts_s = shares_of_span(choices.at_s, (train, train + validation))
    first, second, third = by_time(choices.at_s, cuts_s)
    return Split(
        choices.take(learned & first),
        choices.take(learned & second),
        choices.take(learned & third),
        choices.take(~learned),
    )


def _choices_in_city(
    seed: int, number: int, days: int, requests_a_day: int, driver_count: int
) -> Choices:
    city = generate_city(1000 * seed + number, now_s=MONDAY_S)
    drivers = {d.user_id: d for d in generate_drivers(1000 * seed + number, city, driver_count)}
    district = District(city.stations)
    district.put_tariffs(city.tariffs)
    bustle = generate_bustle(1000 * seed + number, city)
    rng = np.random.default_rng([seed, number, 4])
    # Half of the cities have streets, the others are estimated as where no roads were imported.
    context = Context(roads=city.roads(district)) if number % 2 else Context()
    rows = []
    for day in range(days):
        demands = demand_of_day(
            1_000_000 * seed + 1000 * number + day,
            city,
            list(drivers.values()),
            requests_a_day,
            MONDAY_S + day * DAY_S,
        )
        for demand in demands:
            scatter(district, demand.at_s, rng)
            row = _one(district, context, bustle, drivers[demand.user_id], demand, rng)
            if row is not None:
                rows.append(row)
    return _stack(rows, number)


def scatter(district: District, now_s: float, rng: np.random.Generator) -> None:
    """Gives every plug something to do, as busy as the hour: free, charging, broken, silent."""
    n = len(district)
    hour = now_s / 3600.0 % 24.0
    busy = 0.35 + 0.3 * np.exp(-(((hour - 18.5) / 3.0) ** 2)) - 0.25 * (hour < 6)
    popular = rng.beta(2.0, 2.0, len(district.stations))[district.station]
    draw = rng.random(n)
    status = np.full(n, EvseStatus.AVAILABLE, dtype=np.int8)
    status[draw < busy * 2 * popular] = EvseStatus.CHARGING
    status[draw > 0.93] = EvseStatus.UNKNOWN
    status[draw > 0.96] = EvseStatus.OUTOFORDER
    district.status[:] = status
    silent = (status == EvseStatus.UNKNOWN) & (rng.random(n) < 0.5)
    age_s = rng.exponential(20.0, n) + np.where(silent, rng.exponential(7200.0, n), 0.0)
    district.observed_at_s[:] = now_s - age_s
    district.changed_at_s[:] = now_s - age_s - rng.exponential(1500.0, n)
    full = np.bincount(district.station, status == EvseStatus.AVAILABLE, len(district.stations)) < 1
    district.queue_length[:] = np.where(
        full[district.station] & (status == EvseStatus.CHARGING), rng.poisson(0.4, n), 0
    )
    district.failure_rate[:] = np.clip(np.exp(rng.normal(-4.0, 1.0, n)), 0.0005, 0.6)
    district.served_today[:] = rng.poisson(popular * hour / 3.0 + 0.2)
    held = (rng.random(n) < 0.08) & (status != EvseStatus.OUTOFORDER)
    coming = rng.exponential(0.8 * busy, len(district.stations)) * (busy > 0.2)
    district.expected_arrivals[:] = coming[district.station] * popular
    district.claim_count[:] = held
    district.claimed_to_s[:] = np.where(held, now_s + rng.uniform(600, 3600, n), -np.inf)


def _one(
    district: District,
    context: Context,
    bustle: Bustle,
    driver: Driver,
    demand: Demand,
    rng: np.random.Generator,
) -> tuple[Columns, int, NDArray[np.float64], float] | None:
    """What one driver was shown and took; None when nothing was in reach."""
    seen = Context(roads=context.roads, visits=dict(driver.visits))
    columns = rank(district, request_of(demand), seen, Models(), demand.at_s).columns
    if columns is None or len(columns.share) < 2:
        return None
    candidates = columns.candidates
    stations = candidates.stations[candidates.place]
    visits = np.array([driver.visits.get(int(row), 0) for row in stations], dtype=np.float64)
    way = journey(demand, seen, columns, bustle)
    # What a detour costs is among the tastes of all drivers already.
    place_min = (
        0.0 if way is None else way.felt_min(driver.manner) - DETOUR * way.measured.detour_min[0]
    )
    chosen = choose(driver, columns.features, visits, stations, rng, place_min=place_min)
    row = int(stations[chosen])
    driver.visits[row] = driver.visits.get(row, 0) + 1
    return columns, chosen, visits, demand.at_s


def _stack(rows: list[tuple[Columns, int, NDArray[np.float64], float]], city: int) -> Choices:
    n, k = len(rows), MOST_CANDIDATES
    features = np.zeros((n, k, len(FEATURES)), dtype=np.float32)
    mask = np.zeros((n, k), dtype=np.float32)
    cost_s, visits = np.zeros_like(mask), np.zeros_like(mask)
    station = np.full((n, k), -1, dtype=np.int64)
    for i, (columns, _, visited, _) in enumerate(rows):
        size = min(len(visited), k)
        features[i, :size] = columns.features[:size]
        mask[i, :size] = 1.0
        cost_s[i, :size] = columns.cost.total[:size]
        visits[i, :size] = visited[:size]
        found = columns.candidates
        station[i, :size] = found.stations[found.place][:size]
    return Choices(
        features,
        mask,
        np.array([chosen for _, chosen, _, _ in rows], dtype=np.int64),
        station,
        cost_s,
        visits,
        np.array([at_s for *_, at_s in rows]),
        np.full(n, city, dtype=np.int64),
    )
