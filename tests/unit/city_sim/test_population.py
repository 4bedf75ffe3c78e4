"""The made-up city and its drivers: seeded, plausible, consistent in what they prefer."""

import subprocess
import sys

import numpy as np
import pytest

from city_sim.city import city_of, generate_city
from city_sim.demand import Demand
from city_sim.population import (
    DAY_S,
    HOURLY_DEMAND,
    Driver,
    Tastes,
    choose,
    demand_of_day,
    disutility_min,
    generate_drivers,
)
from coordinator.core.district import District
from coordinator.core.geo import great_circle_km
from coordinator.core.recommend.features import COLUMN, FEATURES
from coordinator.core.vehicle import Vehicle


def day(seed: int, count: int = 400) -> list[Demand]:
    city = generate_city(seed, 20)
    return demand_of_day(seed, city, generate_drivers(seed, city, 50), count, 0.0)


def test_city_and_demand_depend_on_the_seed_alone() -> None:
    """The same seed gives the same city and day, another seed another."""
    assert generate_city(3, 20) == generate_city(3, 20)
    assert day(3) == day(3)
    assert day(3) != day(4)


def test_city_mixes_currents_tariffs_and_ages() -> None:
    """A city has AC and DC, several tariffs, stations without a price, and piles of many ages."""
    city = generate_city(1, 80, now_s=1e9)
    district = District(city.stations)
    ages = {pile.commissioned_at_s for pile in district.piles}

    assert 0.4 < district.dc.mean() < 0.95
    assert len({s.tariff_id for s in city.stations}) == 5
    assert len(ages) > 60
    assert len(set(district.evse_ids)) == len(district)


def test_demand_follows_the_hours() -> None:
    """Three in the morning is quiet, seven in the evening is not; all lies within the day."""
    demands = day(2, 3000)
    hours = np.array([d.at_s / 3600 for d in demands])

    assert (np.diff(hours) >= 0).all()
    assert hours[0] >= 0
    assert hours[-1] < DAY_S / 3600
    assert np.sum(hours.astype(int) == 19) > 5 * np.sum(hours.astype(int) == 3)
    assert len(HOURLY_DEMAND) == 24


def tastes(**changes: float) -> Tastes:
    usual = {
        "wait": 1.4, "price": 0.9, "risk": 60.0, "habit": 6.0, "detour": 1.5, "charge": 0.15,
    }  # fmt: skip
    return Tastes(**{**usual, **changes})


def rows(n: int, **columns: list[float]) -> np.ndarray:
    features = np.zeros((n, len(FEATURES)), dtype=np.float32)
    for name, values in columns.items():
        features[:, COLUMN[name]] = values
    return features


@pytest.mark.parametrize(
    "column", ["wait_min", "price_per_session", "p_unusable", "drive_min", "expected_arrivals"]
)
def test_nobody_likes_more_of_a_bad_thing(column: str) -> None:
    """More wait, price, risk or drive always costs a driver more."""
    cost = disutility_min(tastes(), rows(3, **{column: [0.0, 0.5, 20.0]}), np.zeros(3))

    assert cost[0] < cost[1] < cost[2]


def test_habit_draws_and_urgency_overrides_it() -> None:
    """Visits make a station cheaper for a driver, except when the battery is nearly empty."""
    visits = np.array([0.0, 9.0])

    calm = disutility_min(tastes(), rows(2), visits)
    urgent = disutility_min(tastes(), rows(2, level_high=[1.0, 1.0]), visits)

    assert calm[1] < calm[0]
    assert urgent[1] == urgent[0]


def test_choice_is_noisy_but_leans_to_the_better() -> None:
    """Over many choices the better station is taken more often, the worse one sometimes."""
    driver = Driver("u", Vehicle(60.0), tastes(), (0.0, 0.0), (0.0, 0.0))
    rng = np.random.default_rng(0)
    shown = rows(2, drive_min=[5.0, 10.0])

    taken = [choose(driver, shown, np.zeros(2), np.array([0, 1]), rng) for _ in range(500)]

    assert 0.6 < taken.count(0) / 500 < 0.95


def test_ten_like_plugs_are_not_ten_chances() -> None:
    """A station with ten plugs is not taken ten times as often as an equal one with one plug."""
    driver = Driver("u", Vehicle(60.0), tastes(), (0.0, 0.0), (0.0, 0.0))
    rng = np.random.default_rng(0)
    stations = np.array([0] * 10 + [1])

    taken = [choose(driver, rows(11), np.zeros(11), stations, rng) for _ in range(400)]

    assert 0.4 < np.mean(stations[taken]) < 0.6


def test_streets_are_longer_than_the_straight_line_and_slower_at_rush_hour() -> None:
    """Ways follow the streets; at half past eight they take longer than at four in the morning."""
    city = generate_city(4, 25)
    district = District(city.stations)
    roads = city.roads(district)
    here = city.frame.at(1.0, -2.0)
    every = np.arange(25)
    straight = np.array(
        [great_circle_km(here, (s.latitude_deg, s.longitude_deg)) for s in city.stations]
    )

    km = roads.distance_km(*here, every, straight)

    assert (km >= straight).all()
    assert km.mean() < 1.8 * straight.mean()
    assert (roads.drive_s(*here, 8.5 * 3600) > 1.3 * roads.drive_s(*here, 4 * 3600)).all()
    assert set(roads.grades(*here, every, 4.0)) == {1.0}
    assert max(roads.grades(*here, every, 8.5)) >= 3.0


def test_city_around_given_stations_covers_them() -> None:
    """An imported list becomes a city whose frame holds nearly all of its stations."""
    stations = generate_city(6, 30).stations

    city = city_of(stations)
    plane = city.frame.plane(
        np.array([s.latitude_deg for s in stations]), np.array([s.longitude_deg for s in stations])
    )

    assert np.mean(np.abs(plane) <= city.frame.half_km) > 0.9
    with pytest.raises(ValueError, match="at least one station"):
        city_of([])


def test_laboratory_needs_no_torch() -> None:
    """Engine, policies, population and report import while torch is blocked."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import city_sim.report, city_sim.scenarios, city_sim.baseline, city_sim.population\n"
        "import training.datasets, training.evaluate, training.fleet\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
