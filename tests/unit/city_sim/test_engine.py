"""The engine and the policies on small cities: holds, walk-ins, faults; the campus's figures."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city_sim.cars import Car, Doing, Policy
from city_sim.city import city_of, generate_city
from city_sim.demand import Demand, Disturbance, DisturbanceKind
from city_sim.engine import ASK_AGAIN_S, Engine
from city_sim.policies import GreedyHold, Nearest, NearestFree, QueueEta
from city_sim.product import Pilewise
from city_sim.report import compare, indexes, play, policies, table
from city_sim.scenarios import Scenario, campus, day_in, generated
from coordinator.core.areas.ledger import ClaimState
from coordinator.core.district import District
from coordinator.core.pile import Connector, Evse, EvseStatus, Pile, PowerType, Station
from coordinator.core.recommend.context import Models
from coordinator.core.roads import EstimatedRoads
from coordinator.core.vehicle import Vehicle
from coordinator.models.serving import open_models

KM_DEG = 1 / 111.1950802
FLAT_ROADS = EstimatedRoads(1.3, 25.0, (1.0,) * 24)


def station(name: str, km_east: float, plugs: int) -> Station:
    connector = Connector("1", 33, PowerType.DC, 60.0)
    piles = tuple(
        Pile(f"{name}-{n}", name, (Evse(f"{name}-{n}*1", (connector,)),)) for n in range(plugs)
    )
    return Station(name, name, 0.0, km_east * KM_DEG, piles)


def asks(at_s: float, charge_s: float = 1800.0, name: str = "", soc_pct: float = 20.0) -> Demand:
    """A car that takes 60 kW, and so long, from its charge to 80 %."""
    battery_kwh = charge_s / 60.0 / ((80.0 - soc_pct) / 100.0)
    vehicle = Vehicle(battery_kwh, charging_curve=((0.0, 60.0), (100.0, 60.0)), setup_s=0.0)
    return Demand(at_s, 0.0, 0.0, soc_pct, vehicle, 80.0, car_id=name)


def all_policies() -> list[Policy]:
    product = Pilewise(FLAT_ROADS, Models(ranker=open_models().ranker))
    return [Nearest(), NearestFree(), QueueEta(), GreedyHold(), product]


@pytest.mark.parametrize("policy", all_policies(), ids=lambda p: p.name)
def test_lone_car_is_served_at_the_nearest_station(policy: Policy) -> None:
    """Alone in the city, under every policy, a car takes the nearest station and does not wait."""
    engine = Engine([station("a", 1.0, 2), station("b", 3.0, 2)], [asks(0.0)], policy, until_s=1e5)

    (car,) = engine.run()

    assert car.doing is Doing.LEFT
    assert car.station == 0
    assert car.wait_s == 0.0


@pytest.mark.parametrize(
    ("policy", "stations_used"),
    [
        (Nearest(), [0, 0, 0]),
        (NearestFree(), [0, 0, 0]),
        (GreedyHold(), [0, 1, 1]),
        (Pilewise(FLAT_ROADS), [0, 1, 1]),
    ],
    ids=lambda p: getattr(p, "name", ""),
)
def test_only_a_hold_keeps_three_cars_from_one_plug(
    policy: Policy, stations_used: list[int]
) -> None:
    """Three cars at once: without holds all are sent to the one near plug, with holds to three."""
    demands = [asks(0.0, name="x"), asks(1.0, name="y"), asks(2.0, name="z")]
    engine = Engine([station("a", 1.0, 1), station("b", 1.5, 2)], demands, policy, until_s=1e5)

    cars = engine.run()

    assert [car.station for car in cars] == stations_used
    if len(set(stations_used)) > 1:
        assert sum(car.wait_s for car in cars) == 0.0


def test_product_moves_a_car_when_its_pile_fails_on_the_way() -> None:
    """A fault of the held pile sends the car on its way to another station at once."""
    fault = Disturbance("a-0*1", DisturbanceKind.FAULT, 60.0)
    engine = Engine(
        [station("a", 1.5, 1), station("b", 2.0, 1)],
        [asks(0.0)],
        Pilewise(FLAT_ROADS),
        until_s=1e5,
        disturbances=[fault],
    )

    (car,) = engine.run()

    assert (car.station, car.switches, car.turned_away) == (1, 1, 0)


def test_product_moves_a_car_when_a_stranger_takes_its_plug() -> None:
    """A walk-in takes a softly held plug; the car that held it gets another before it arrives."""
    demands = [asks(0.0, name="guided"), Demand(0.0, 0.0, 1.2 * KM_DEG, 20.0, walk_in=True)]
    engine = Engine(
        [station("a", 1.3, 1), station("b", 2.0, 1)],
        demands,
        Pilewise(FLAT_ROADS),
        until_s=1e5,
        strangers=Nearest(),
    )

    guided, stranger = engine.run()

    assert stranger.station == 0
    assert guided.station == 1
    assert guided.wait_s == 0.0


def test_walk_in_is_a_claim_until_it_leaves() -> None:
    """The ledger hears of a car that nobody sent when it plugs in, and when it goes."""

    class Watched(Pilewise):
        seen: list[tuple[float, list[str]]]

        def react(self, engine: Engine) -> set[int]:
            touched = super().react(engine)
            claims = self._started(engine).claims.table.of_evse("a-0*1")
            held = [claim.vehicle_id for claim in claims if claim.state is ClaimState.OCCUPIED]
            self.seen.append((engine.now_s, held))
            return touched

    policy = Watched(FLAT_ROADS)
    policy.seen = []
    stranger = Demand(0.0, 0.0, 0.0, 20.0, walk_in=True, charge_s=900.0)

    (car,) = Engine(
        [station("a", 1.3, 1)], [stranger], policy, until_s=1e5, strangers=Nearest()
    ).run()

    there = [at_s for at_s, held in policy.seen if held == [""]]
    assert car.doing is Doing.LEFT
    assert there[0] == car.arrives_s
    assert 800.0 < there[-1] - there[0] < 900.0
    assert (car.arrives_s + 900.0, []) in policy.seen


def test_waiting_cars_take_turns_by_need() -> None:
    """Where strangers have the plugs, a car in great need waits no longer than one in little.

    Both kinds ask alternately, for the only station; whoever stands there gets what is free first.
    """
    strangers = [
        Demand(0.0, 0.0, 0.0, 20.0, walk_in=True, charge_s=1500.0 + 200 * n) for n in range(6)
    ]
    demands = [
        asks(1000.0 + 20.0 * n, 1800.0, name=f"x{n}", soc_pct=(50.0, 12.0)[n % 2]) for n in range(6)
    ]

    cars = Engine(
        [station("a", 1.0, 6)], [*strangers, *demands], Pilewise(FLAT_ROADS), until_s=1e5,
        strangers=Nearest(),
    ).run()[6:]  # fmt: skip

    low, high = (
        np.mean([car.wait_s for car in cars if car.demand.soc_pct == soc_pct])
        for soc_pct in (50.0, 12.0)
    )
    assert all(car.doing is Doing.LEFT for car in cars)
    assert high < low


def test_product_holds_are_exclusive_at_every_instant() -> None:
    """Far more cars than plugs: at every plug-in, no two cars hold one EVSE at the same time."""

    class Watched(Pilewise):
        most = 0

        def plugged(self, engine: Engine, car: Car) -> None:
            super().plugged(engine, car)
            for held in engine.held:
                windows = sorted(held.values())
                Watched.most = max(Watched.most, len(windows))
                assert all(a[1] <= b[0] for a, b in pairwise(windows))

    stations = [station("a", 1.0, 2), station("b", 2.0, 1), station("c", 4.0, 2)]
    demands = [asks(30.0 * n, charge_s=900.0 + 60 * n, name=f"x{n}") for n in range(24)]

    cars = Engine(stations, demands, Watched(FLAT_ROADS), until_s=1e5).run()

    assert all(car.doing is Doing.LEFT for car in cars)
    assert Watched.most > 1


def test_car_without_any_reachable_station_waits_and_asks_again() -> None:
    """A policy without an answer is asked again every two minutes; the car counts as unfinished."""

    class Silent(Nearest):
        asked = 0

        def choose(self, engine: Engine, car: object) -> None:
            Silent.asked += 1

    engine = Engine([station("a", 1.0, 1)], [asks(0.0)], Silent(), until_s=ASK_AGAIN_S * 3 - 1)

    (car,) = engine.run()

    assert Silent.asked == 3
    assert car.wait_s == ASK_AGAIN_S * 3 - 1
    assert not car.served


def test_district_shows_what_a_report_would_say() -> None:
    """Charging, broken, blocked and free EVSEs have the statuses of the standards."""
    disturbances = [
        Disturbance("a-1*1", DisturbanceKind.FAULT, 10.0),
        Disturbance("a-2*1", DisturbanceKind.BLOCKED, 10.0),
    ]
    engine = Engine(
        [station("a", 0.1, 4)],
        [asks(0.0, charge_s=3600.0)],
        Nearest(),
        until_s=1800.0,
        disturbances=disturbances,
    )
    engine.run()

    assert engine.district.status.tolist() == [
        EvseStatus.CHARGING,
        EvseStatus.OUTOFORDER,
        EvseStatus.BLOCKED,
        EvseStatus.AVAILABLE,
    ]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), which=st.integers(0, 4), cars=st.integers(1, 60))
def test_time_is_conserved_under_every_policy(seed: int, which: int, cars: int) -> None:
    """Whatever fails, each car's time from its request is drive, wait and charge, nothing else."""
    scene = campus(seed, cars, disturbed=True)
    until_s = 3 * 3600.0
    product = Pilewise(scene.roads(None))  # type: ignore[arg-type]
    policy = [Nearest(), NearestFree(), QueueEta(), GreedyHold(), product][which]
    engine = Engine(
        scene.stations,
        scene.demands,
        policy,
        until_s=until_s,
        disturbances=scene.disturbances,
        strangers=Nearest(),
    )

    for car in engine.run():
        known = car.drive_s + car.wait_s
        assert 0.0 <= known <= until_s - car.demand.at_s + 1e-6
        if car.doing in (Doing.DRIVING, Doing.WAITING) and car.done_share == 0.0:
            assert known == pytest.approx(until_s - car.demand.at_s)


def made(*names: str) -> dict[str, Callable[[Scenario], Policy]]:
    known = policies(open_models())
    return {name: known[name] for name in names}


@pytest.mark.slow
def test_campus_has_the_figures_of_the_field() -> None:
    """950 cars on the campus: blind nearest jams, a hold is worth a factor over free-now."""
    results = compare([campus(1)], made("nearest", "nearest-free", "greedy-hold", "pilewise"))

    minutes = {name: row["mean_drive_plus_wait_min"] for name, row in results.items()}
    assert minutes["nearest"] > 4 * minutes["nearest-free"]
    assert minutes["nearest-free"] > 1.5 * minutes["greedy-hold"]
    assert minutes["pilewise"] < 1.3 * minutes["greedy-hold"]
    assert results["pilewise"]["gini"] < results["nearest-free"]["gini"]


@pytest.mark.slow
def test_product_outdoes_fixed_holds_when_plans_fail() -> None:
    """With walk-ins and stations that stop, revising beats holding on to what was known at first.

    `greedy-exact` knows each charge ahead, as the product does, and never revises.
    """
    scene = campus(1, 700, disturbed=True)

    results = compare([scene], made("nearest", "greedy-exact", "pilewise"))

    minutes = {name: row["mean_drive_plus_wait_min"] for name, row in results.items()}
    assert minutes["pilewise"] < minutes["greedy-exact"] < minutes["nearest"]
    assert results["pilewise"]["switches"] > 0


def test_generated_day_is_the_same_twice() -> None:
    """One seed gives one day, to the last digit, streets, tariffs and faults included."""
    first, second = (play(generated(5, cars=60, stations=12), Nearest()) for _ in range(2))

    assert first == second
    assert first.served > 50


def test_any_list_of_stations_gets_a_day() -> None:
    """Stations from elsewhere become a city with demand, faults and streets that serve it."""
    city = city_of(generate_city(8, 15).stations)

    scene = day_in(city, seed=8, cars=80)
    product = Pilewise(scene.roads(District(scene.stations)))
    result = play(scene, product)

    assert len(scene.disturbances) == sum(len(s.piles) for s in city.stations) // 12
    assert result.cars == 80
    assert result.served >= 75


def test_table_shows_every_policy_on_a_line() -> None:
    """The printed comparison has a line a policy, in the order given."""
    results = compare([campus(1, cars=20)], {"nearest": lambda scene: Nearest()})

    lines = table(results).splitlines()

    assert len(lines) == 2
    assert lines[1].startswith("nearest")


def test_indexes_of_nobody_are_zero() -> None:
    """A run without cars has zeros, not a division by zero."""
    nothing = indexes([], np.zeros(3, dtype=np.int32))

    assert (nothing.cars, nothing.mean_drive_plus_wait_min, nothing.gini) == (0, 0.0, 0.0)


def test_equilibrium_is_counted_by_plug() -> None:
    """Gini and variation are 0 where every plug served alike, and large where one served all."""
    even = indexes([], np.array([3, 3, 3, 3], dtype=np.int32))
    uneven = indexes([], np.array([0, 0, 0, 8], dtype=np.int32))

    assert (even.gini, even.cv) == (0.0, 0.0)
    assert uneven.gini == pytest.approx(0.75)
    assert uneven.cv == pytest.approx(np.sqrt(3.0))
