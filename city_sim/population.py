"""Drivers: where they live, what they drive, what they care about; when they ask, what they take.

Tastes are latent: a driver's choice shows them, nothing else does. The choices over what the
coordinator would show are the labels on which the ranker is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from city_sim.city import GBT_AC, GBT_DC, City
from city_sim.contentment import Manner, manners
from city_sim.demand import Demand
from coordinator.core.recommend.features import COLUMN
from coordinator.core.vehicle import ChargePlace, Purpose, Vehicle

Float64 = NDArray[np.float64]

DAY_S = 86_400.0
# Requests by hour of the day, public charging in a city: a rise at noon, a peak after work.
HOURLY_DEMAND: tuple[float, ...] = (
    *(1.5, 1.0, 0.7, 0.5, 0.5, 0.8, 1.5, 2.8, 4.0, 4.6, 5.0, 5.8),
    *(6.4, 6.0, 5.6, 5.4, 5.6, 6.4, 7.2, 7.4, 6.6, 5.4, 3.8, 2.5),
)
HOT_SHARE = 0.5  # of the demand, the rest is even

# (battery kWh, greatest DC kW, on-board AC kW, share of the cars)
_VEHICLES: tuple[tuple[str, float, float, float, float], ...] = (
    ("compact", 38.0, 60.0, 7.0, 0.3),
    ("sedan", 60.0, 120.0, 11.0, 0.4),
    ("suv", 82.0, 150.0, 11.0, 0.2),
    ("taxi", 57.0, 90.0, 7.0, 0.1),
)


@dataclass(frozen=True, slots=True)
class Tastes:
    """What one unit is worth to a driver, in minutes of driving; all are positive.

    `wait` per minute of waiting, `price` per currency unit, `risk` per certainty of a pile that
    does not work, `habit` per ln(1 + visits), `detour` per km, `charge` per minute at the plug,
    `rivals` per car that may come there too.
    """

    wait: float
    price: float
    risk: float
    habit: float
    detour: float
    charge: float
    rivals: float = 6.0


@dataclass(slots=True)
class Driver:
    """A driver with a memory of stations: row of the district to number of visits."""

    user_id: str
    vehicle: Vehicle
    tastes: Tastes
    home: tuple[float, float]
    work: tuple[float, float]
    manner: Manner = field(default_factory=Manner)
    visits: dict[int, int] = field(default_factory=dict)


def generate_drivers(seed: int, city: City, count: int) -> list[Driver]:
    """Drivers that depend on the seed alone. Their tastes spread by a factor of about two."""
    rng = np.random.default_rng([seed, 2])
    # Apart, so that a new taste leaves everybody's other tastes, car and home as they are.
    rivals = np.random.default_rng([seed, 6]).lognormal(np.log(6.0), 0.5, count).tolist()
    manner = manners(seed, count)
    drivers = []
    for index in range(count):
        kind = _VEHICLES[int(rng.choice(len(_VEHICLES), p=[share for *_, share in _VEHICLES]))]
        spread = np.exp(rng.normal(0.0, 0.5, 6))
        # Someone who counts money counts minutes less.
        spread[1] *= 1.0 / spread[0] ** 0.5
        usual = np.array([1.4, 0.9, 60.0, 6.0, 1.5, 0.15])
        tastes = Tastes(*[*(usual * spread).tolist(), rivals[index]])
        drivers.append(
            Driver(
                f"U{index:05d}",
                _vehicle(kind, rng),
                tastes,
                _somewhere(city, rng),
                _somewhere(city, rng),
                manner[index],
            )
        )
    return drivers


def _vehicle(kind: tuple[str, float, float, float, float], rng: np.random.Generator) -> Vehicle:
    model, battery_kwh, dc_kw, ac_kw, _ = kind
    dc_only = model == "taxi" or rng.random() < 0.2
    mask = 1 << GBT_DC if dc_only else (1 << GBT_DC) | (1 << GBT_AC)
    return Vehicle(
        battery_kwh,
        model=model,
        connector_mask=mask,
        max_dc_power_kw=dc_kw,
        max_ac_power_kw=ac_kw,
    )


def _somewhere(city: City, rng: np.random.Generator) -> tuple[float, float]:
    """A place of the city: half of the people are where demand is hot."""
    half_km = city.frame.half_km
    if rng.random() < HOT_SHARE:
        spot = city.hot_spots[int(rng.choice(len(city.hot_spots), p=_shares(city)))]
        east, north = rng.normal((spot.east_km, spot.north_km), spot.spread_km)
    else:
        east, north = rng.uniform(-half_km, half_km, 2)
    limit = half_km * 0.98
    return city.frame.at(float(np.clip(east, -limit, limit)), float(np.clip(north, -limit, limit)))


def _shares(city: City) -> Float64:
    shares = np.array([spot.share for spot in city.hot_spots])
    return np.asarray(shares / shares.sum())


def demand_of_day(
    seed: int,
    city: City,
    drivers: Sequence[Driver],
    count: int,
    day_begins_s: float,
    walk_in_share: float = 0.0,
    destination_share: float = 0.5,
) -> list[Demand]:
    """Requests of one day in order of time, by the hours of `HOURLY_DEMAND`.

    In the morning drivers start from home, in the evening from work, and a third of them is
    elsewhere; `walk_in_share` of them do not ask; `destination_share` say where they go, and why.
    The day begins at midnight, local time.
    """
    rng = np.random.default_rng([seed, 3])
    wishes = np.random.default_rng([seed, 7])  # apart, so that they leave all else as it is
    share = np.array(HOURLY_DEMAND) / sum(HOURLY_DEMAND)
    hours = np.sort(rng.choice(24, count, p=share) + rng.random(count))
    demands = []
    for index, hour in enumerate(hours.tolist()):
        driver = drivers[int(rng.integers(len(drivers)))]
        start, end = (driver.home, driver.work) if hour < 12 else (driver.work, driver.home)
        if rng.random() < 1 / 3:
            start = _somewhere(city, rng)
        at_s = day_begins_s + hour * 3600.0
        purpose, place, arrive_by_s = _wish(hour, at_s, wishes)
        low_pct = float(np.clip(rng.normal(28.0, 11.0), 8.0, 60.0))
        demands.append(
            Demand(
                at_s=at_s,
                latitude_deg=start[0],
                longitude_deg=start[1],
                soc_pct=low_pct,
                vehicle=driver.vehicle,
                target_soc_pct=80.0 if rng.random() < 0.8 else 95.0,
                car_id=f"{driver.user_id}-{index}",
                user_id=driver.user_id,
                walk_in=bool(rng.random() < walk_in_share),
                destination=end if rng.random() < destination_share else None,
                purpose=purpose,
                charge_place=place,
                arrive_by_s=arrive_by_s,
            )
        )
    return demands


def _wish(
    hour: float, at_s: float, rng: np.random.Generator
) -> tuple[int, ChargePlace, float | None]:
    """Why a driver goes there, whether to charge there or before, and by when to be there."""
    leisure = [Purpose.EAT, Purpose.SHOP, Purpose.HOSPITAL, Purpose.OTHER, 0]
    usual = Purpose.WORK if hour < 12 else Purpose.HOME
    purpose = int(usual if rng.random() < 0.4 else leisure[int(rng.integers(len(leisure)))])
    stays = purpose not in (0, Purpose.OTHER)
    there = rng.random() < (0.7 if stays else 0.2)
    allowed_s = float(rng.uniform(0.25, 2.5)) * 3600.0
    in_a_hurry = rng.random() < 0.3
    place = ChargePlace.AT_DESTINATION if there else ChargePlace.ON_THE_WAY
    return purpose, place, at_s + allowed_s if in_a_hurry else None


def disutility_min(tastes: Tastes, features: NDArray[np.float32], visits: Float64) -> Float64:
    """What each candidate costs a driver, in minutes of driving, shape (n,).

    `features` are the rows of `coordinator.core.recommend.features`, `visits` this driver's
    sessions at each candidate's station. Waiting hurts more the longer it gets; a driver in need
    (level high) hardly looks at money, not at habit, and trusts nothing that may be broken.
    """
    wait = _column(features, "wait_min")
    urgent = _column(features, "level_high")
    return np.asarray(
        _column(features, "drive_min")
        + tastes.wait * wait * (1.0 + wait / 30.0)
        + tastes.charge * _column(features, "charge_min")
        + tastes.price * _column(features, "price_per_session") * (1.0 - 0.8 * urgent)
        + tastes.risk * _column(features, "p_unusable") * (1.0 + urgent)
        + tastes.detour * _column(features, "detour_km")
        - tastes.habit * np.log1p(visits) * (1.0 - urgent)
        + tastes.rivals * _column(features, "expected_arrivals")
        - 2.0 * _column(features, "status_free")
    )


def choose(
    driver: Driver,
    features: NDArray[np.float32],
    visits: Float64,
    stations: NDArray[np.intp],
    rng: np.random.Generator,
    noise_min: float = 4.0,
    place_min: Float64 | float = 0.0,
) -> int:
    """The candidate that this driver takes: the least disutility after Gumbel noise.

    `place_min` is what the places themselves cost, as `contentment.burden_min` says.

    `noise_min` is the scale of what nobody can know, in minutes of driving; it belongs to the
    station, so that ten like plugs are not ten chances.
    """
    utility = -(disutility_min(driver.tastes, features, visits) + place_min) / noise_min
    names, place = np.unique(stations, return_inverse=True)
    return int(np.argmax(utility + rng.gumbel(size=len(names))[place]))


def _column(features: NDArray[np.float32], name: str) -> Float64:
    return features[:, COLUMN[name]].astype(np.float64)
