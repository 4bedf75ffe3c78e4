"""Drivers of the made-up city say how content they were with places: what the travel model learns.

A driver tells of the place taken and of a few others shown that the driver knows from before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from city_sim.bustle import generate_bustle
from city_sim.city import City, generate_city
from city_sim.contentment import contentment
from city_sim.demand import Demand
from city_sim.grid import KM_PER_DEGREE
from city_sim.population import DAY_S, Driver, choose, demand_of_day, generate_drivers
from coordinator.core.district import District
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.pipeline import rank
from coordinator.core.recommend.travel import first_score
from coordinator.core.recommend.travel_columns import inputs
from training.datasets import MONDAY_S, scatter
from training.splits import by_time, shares_of_span
from training.trips import Journey, journey, request_of

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

TOLD_OF = 6  # places a driver tells of, at most
AT_THE_DOOR, DOOR_KM = 0.4, 0.2  # share of journeys to places with piles, and how near those are
MOOD = 0.35  # of what a driver says, on the scale on which 50 and 73 are 1 apart
TOLD_SHARE = 0.6  # of the places, of whose people or facilities somebody has told


@dataclass(frozen=True, slots=True)
class Ratings:
    """m ratings: inputs of the three layers, what was said (0-100), what the rule would have said.

    `request` numbers the requests, `at_s` ascends within a `city`.
    """

    travel: Float32
    location: Float32
    environment: Float32
    said: Float32
    rule: Float32
    request: NDArray[np.int64]
    at_s: Float64
    city: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.said)

    def take(self, rows: NDArray[np.bool_]) -> Self:
        """The same columns of some rows."""
        return type(self)(*(getattr(self, column.name)[rows] for column in fields(self)))

    def sha256(self) -> str:
        """The hash that a bundle gives as its training data."""
        digest = hashlib.sha256()
        for column in fields(self):
            digest.update(np.ascontiguousarray(getattr(self, column.name)).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class RatingsSplit:
    """Learned from, stopped by, reported on, in order of time; `elsewhere` is another city."""

    train: Ratings
    validation: Ratings
    test: Ratings
    elsewhere: Ratings


def generate_ratings(
    seed: int, cities: int = 6, days: int = 14, requests_a_day: int = 60, driver_count: int = 120
) -> Ratings:
    """Ratings in several cities; the seed alone decides."""
    parts = [
        _ratings_in_city(seed, number, days, requests_a_day, driver_count)
        for number in range(cities)
    ]
    columns = [
        np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(Ratings)
    ]
    return Ratings(*columns)


def split_ratings(ratings: Ratings, train: float = 0.7, validation: float = 0.15) -> RatingsSplit:
    """Cut by time within each city; the last of several cities is kept for `elsewhere`."""
    last = int(ratings.city.max())
    learned = (ratings.city != last) | (ratings.city.min() == last)
    first, second, third = by_time(
        ratings.at_s, shares_of_span(ratings.at_s, (train, train + validation))
    )
    return RatingsSplit(
        ratings.take(learned & first),
        ratings.take(learned & second),
        ratings.take(learned & third),
        ratings.take(~learned),
    )


def _ratings_in_city(
    seed: int, number: int, days: int, requests_a_day: int, driver_count: int
) -> Ratings:
    own = 1000 * seed + 500 + number  # none of the cities of the ranker
    city = generate_city(own, now_s=MONDAY_S)
    bustle = generate_bustle(own, city)
    drivers = {driver.user_id: driver for driver in generate_drivers(own, city, driver_count)}
    district = District(city.stations)
    district.put_tariffs(city.tariffs)
    rng = np.random.default_rng([seed, number, 10])
    context = Context(roads=city.roads(district)) if number % 2 else Context()
    parts: list[Ratings] = []
    for day in range(days):
        demands = demand_of_day(
            1_000_000 * seed + 1000 * (500 + number) + day,
            city,
            list(drivers.values()),
            requests_a_day,
            MONDAY_S + day * DAY_S,
            destination_share=1.0,
        )
        for demand in _to_places(demands, city, rng):
            scatter(district, demand.at_s, rng)
            columns = rank(district, request_of(demand), context, Models(), demand.at_s).columns
            if columns is None:
                continue
            way = journey(demand, context, columns, bustle)
            if way is None:
                continue
            stations = columns.candidates.stations[columns.candidates.place]
            driver = drivers[demand.user_id]
            taken = choose(
                driver, columns.features, np.zeros(len(stations)), stations, rng,
                place_min=way.felt_min(driver.manner),
            )  # fmt: skip
            parts.append(_told(way, driver, taken, rng, len(parts), number))
    columns_of = [
        np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(Ratings)
    ]
    return Ratings(*columns_of)


def _to_places(demands: Sequence[Demand], city: City, rng: np.random.Generator) -> Iterator[Demand]:
    """The demands; four in ten go to a place that has piles at the door, as malls have."""
    for demand in demands:
        if rng.random() < AT_THE_DOOR:
            station = city.stations[int(rng.integers(len(city.stations)))]
            north, east = rng.normal(0.0, DOOR_KM / KM_PER_DEGREE, 2).tolist()
            place = (station.latitude_deg + north, station.longitude_deg + east)
            yield replace(demand, destination=place)
        else:
            yield demand


def _told(
    way: Journey, driver: Driver, taken: int, rng: np.random.Generator, request: int, city: int
) -> Ratings:
    """What one driver says of the place taken and of some others."""
    n = len(way.people_per_h)
    # A driver knows the places that are near, and some others.
    near = np.argsort((way.measured.walk_km + way.measured.detour_min)[0])[: TOLD_OF // 2]
    others = np.union1d(near, rng.permutation(n)[: TOLD_OF - 1 - len(near)])
    rows = np.concatenate([[taken], np.setdiff1d(others, [taken])]).astype(np.intp)
    felt = way.felt_min(driver.manner)[rows]
    meant = contentment(felt) / 100.0
    mood = rng.normal(0.0, MOOD, len(rows))
    said = 100.0 / (1.0 + np.exp(-(np.log(meant / (1.0 - meant)) + mood)))
    unknown = rng.random((2, n)) > TOLD_SHARE
    seen = inputs(
        way.asked,
        way.measured,
        np.where(unknown[0], np.nan, way.people_per_h)[None],
        way.traffic_grade[None],
        np.where(unknown[1], np.nan, way.facilities)[None],
        rows,
    )
    measure = (way.measured.walk_km + way.measured.detour_min)[0, rows]
    rule = first_score(measure, way.late_min[rows])
    return Ratings(
        seen.travel,
        seen.location,
        seen.environment,
        said.astype(np.float32),
        rule.astype(np.float32),
        np.full(len(rows), city * 1_000_000 + request, dtype=np.int64),
        np.full(len(rows), way.asked.now_s),
        np.full(len(rows), city, dtype=np.int64),
    )
