"""Each policy on scenes small enough to see what it must do; what each removed part leaves."""

from collections.abc import Mapping

import numpy as np
import pytest

from city_sim.cars import Car, Doing
from city_sim.demand import Demand, Disturbance, DisturbanceKind
from city_sim.engine import Engine
from city_sim.parts import REMOVABLE, WHOLE
from city_sim.past import NO_PAST, Past, with_past
from city_sim.policies import GreedyExact, GreedyHold, NearestFree, PaperMethod, QueueEta, Random
from city_sim.policies.named import policies, without
from city_sim.product import Pilewise
from city_sim.scenarios import campus
from city_sim.thinking import Learnt
from coordinator.core.district import District
from coordinator.core.pile import Connector, Evse, Pile, PowerType, Station
from coordinator.core.roads import EstimatedRoads
from coordinator.core.vehicle import Vehicle

KM_DEG = 1 / 111.1950802
FLAT_ROADS = EstimatedRoads(1.3, 25.0, (1.0,) * 24)


def station(name: str, km_east: float, plugs: int) -> Station:
    connector = Connector("1", 33, PowerType.DC, 60.0)
    piles = tuple(
        Pile(f"{name}-{n}", name, (Evse(f"{name}-{n}*1", (connector,)),)) for n in range(plugs)
    )
    return Station(name, name, 0.0, km_east * KM_DEG, piles)


def asks(at_s: float, charge_s: float = 1800.0, user: str = "", soc_pct: float = 20.0) -> Demand:
    battery_kwh = charge_s / 60.0 / ((80.0 - soc_pct) / 100.0)
    vehicle = Vehicle(battery_kwh, charging_curve=((0.0, 60.0), (100.0, 60.0)), setup_s=0.0)
    return Demand(at_s, 0.0, 0.0, soc_pct, vehicle, 80.0, car_id=f"{user}{at_s}", user_id=user)


def played(policy: object, stations: list[Station], demands: list[Demand]) -> list[Car]:
    return Engine(stations, demands, policy, until_s=1e5).run()  # type: ignore[arg-type]


def test_every_policy_has_its_name_and_serves_everybody() -> None:
    """All names lead to a policy that calls itself so, and with few cars nobody is left over."""
    scene = campus(2, cars=12)

    for name, make in policies().items():
        policy = make(scene)
        assert policy.name == (name if "-no-" not in name else "pilewise")
        cars = Engine(
            scene.stations, scene.demands, policy, until_s=scene.until_s,
            travel=scene.travel(District(scene.stations)),
        ).run()  # fmt: skip
        policy.ended()
        assert all(car.doing is Doing.LEFT for car in cars), name


def test_random_goes_where_most_plugs_are_and_is_the_same_twice() -> None:
    """Of one and nine plugs the nine get about nine tenths of the cars, in every run alike."""
    stations = [station("a", 1.0, 1), station("b", 2.0, 9)]
    demands = [asks(n * 1.0, 60.0) for n in range(200)]

    first, second = (played(Random(), stations, demands) for _ in range(2))

    share = np.mean([car.station for car in first])
    assert 0.82 < share < 0.97
    assert [car.station for car in first] == [car.station for car in second]


def test_nearest_free_passes_by_what_is_taken_now() -> None:
    """The near plug is taken, so the second car drives on to the free one."""
    cars = played(NearestFree(), [station("a", 0.1, 1), station("b", 3.0, 1)], [asks(0), asks(600)])

    assert [car.station for car in cars] == [0, 1]


def test_queue_eta_waits_where_that_is_sooner() -> None:
    """A plug that is free in two minutes is better than one ten minutes away."""
    stations = [station("a", 0.1, 1), station("b", 6.0, 1)]
    cars = played(QueueEta(), stations, [asks(0.0, 700.0), asks(600.0, 700.0)])

    assert [car.station for car in cars] == [0, 0]
    assert cars[1].wait_s > 0.0


def test_greedy_hold_counts_who_is_on_the_way() -> None:
    """Two cars at once and one near plug: the second is sent on, though nobody stands there yet."""
    cars = played(GreedyHold(), [station("a", 1.0, 1), station("b", 1.5, 1)], [asks(0), asks(1)])

    assert [car.station for car in cars] == [0, 1]


def test_greedy_exact_knows_when_the_plug_is_free() -> None:
    """It queues for a short charge, where the mean charge would have sent the car away."""
    stations = [station("a", 0.5, 1), station("b", 5.0, 1)]
    exact, mean = (
        played(policy, stations, [asks(0.0, 300.0), asks(1.0, 300.0)])
        for policy in (GreedyExact(), GreedyHold())
    )

    assert [car.station for car in exact] == [0, 0]
    assert [car.station for car in mean] == [0, 1]


@pytest.mark.parametrize(
    ("method", "visits", "expected"),
    [
        ("distance", {"a": 1, "b": 9}, 0),
        ("preference", {"a": 1, "b": 9}, 1),  # 9 visits at 2 km beat 1 at 1 km
        ("preference", {"a": 5, "b": 9}, 0),  # 4.5 per km do not beat 5
        # At a the way is easiest (I = 0 + 1); at b, liked best, it is easier than at c (I = 1 + x).
        ("integrated", {"b": 9}, 1),
    ],
)
def test_paper_methods_choose_as_printed(
    method: str, visits: Mapping[str, int], expected: int
) -> None:
    """Least distance; greatest c / dist of Eq. (3), (4); both factors of Eq. (8)."""
    policy = PaperMethod(method, {"U": visits})

    stations = [station("a", 1.0, 1), station("b", 2.0, 1), station("c", 9.0, 1)]

    (car,) = played(policy, stations, [asks(0.0, user="U")])

    assert (policy.name, car.station) == (f"paper-{method}", expected)


def test_paper_traffic_takes_the_lesser_load() -> None:
    """A way of ten times the length is never the one with less load."""
    stations = [station("far", 10.0, 1), station("near", 1.0, 1)]

    cars = played(PaperMethod("traffic"), stations, [asks(1e4 * n) for n in range(8)])

    assert {car.station for car in cars} == {1}


def test_paper_methods_look_at_no_queue() -> None:
    """Ten cars from one corner all go to the one plug that is nearest."""
    stations = [station("a", 1.0, 1), station("b", 1.1, 9)]

    cars = played(PaperMethod("distance"), stations, [asks(float(n)) for n in range(10)])

    assert {car.station for car in cars} == {0}


def test_product_without_hold_promises_nothing() -> None:
    """Three cars at once: with holds one takes the near plug, without all are sent there."""
    stations = [station("a", 1.0, 1), station("b", 1.5, 2)]
    demands = [asks(0.0), asks(1.0), asks(2.0)]

    whole = played(Pilewise(FLAT_ROADS), stations, demands)
    removed = played(Pilewise(FLAT_ROADS, parts=WHOLE.without("hold")), stations, demands)

    assert [car.station for car in whole] == [0, 1, 1]
    assert [car.station for car in removed] == [0, 0, 0]
    assert all(car.doing is Doing.LEFT for car in removed)


def test_product_without_replan_makes_no_plan() -> None:
    """The joint plan runs every half minute with the part, and never without."""
    for parts, runs in ((WHOLE, True), (WHOLE.without("replan"), False)):
        policy = Pilewise(FLAT_ROADS, parts=parts)

        played(policy, [station("a", 9.0, 1)], [asks(0.0)])

        assert np.isfinite(policy._planned_s) is np.bool_(runs)


def test_product_without_portrait_has_no_history() -> None:
    """A driver who always charges at b is sent there; without the part, to the nearer a."""
    stations = [station("a", 1.9, 1), station("b", 2.0, 1)]
    past = Past(visits={"U": {"b": 40}, "V": {"b": 30}})
    seen = []
    for parts in (WHOLE, WHOLE.without("portrait")):
        policy = Pilewise(FLAT_ROADS, parts=parts, learnt=Learnt(past))
        engine = Engine(stations, [asks(0.0, user="U", soc_pct=50.0)], policy, until_s=1e5)
        world = policy._started(engine).world
        seen.append((dict(world.visits), world.tastes is not None))
        policy.ended()

    assert seen == [({"U": {"b": 40}, "V": {"b": 30}}, True), ({}, False)]


def test_product_without_knowledge_map_expects_the_usual_rate() -> None:
    """The plug that failed 30 times in 60 days has a high rate with the map, the usual without."""
    stations = [station("a", 1.0, 4), station("b", 1.2, 4)]
    faults = np.array([30, 0, 0, 0, 0, 0, 0, 0], np.int32)
    past = Past(fault_count=faults, exposure_days=np.full(8, 60.0))
    rates = []
    for parts in (WHOLE, WHOLE.without("knowledge-map")):
        policy = Pilewise(FLAT_ROADS, parts=parts, learnt=Learnt(past))
        engine = Engine(stations, [asks(0.0)], policy, until_s=1e5)
        policy._started(engine)
        rates.append(engine.district.failure_rate.copy())
        policy.ended()

    assert rates[0][0] > 0.2 > rates[0][4]
    assert (rates[1] == rates[1][0]).all()


def test_product_without_chain_knows_no_urgency() -> None:
    """A car with 10 % charge is of high level with the chain, of low without."""
    for parts, level in ((WHOLE, 1), (WHOLE.without("chain"), 3)):
        policy = Pilewise(FLAT_ROADS, parts=parts)
        stations = [station(f"s{n}", 1.0 + n / 10, 2) for n in range(6)]

        played(policy, stations, [asks(0.0, soc_pct=10.0)])

        assert policy.levels == {0: level}


def test_names_of_removed_parts_are_those_of_the_parts() -> None:
    """One name a part, and all of them are policies."""
    assert {without(part) for part in REMOVABLE} == {
        "pilewise-no-hold", "pilewise-no-replan", "pilewise-no-portrait",
        "pilewise-no-knowledge-map", "pilewise-no-chain",
    }  # fmt: skip
    assert {without(part) for part in REMOVABLE} < policies().keys()


def test_past_is_the_same_twice_and_fits_its_scene() -> None:
    """One seed, one past: each asking car has a driver with visits near by; bad plugs fail more."""
    scene = campus(4, cars=60, walk_in_share=0.3, failing_share=0.0)

    (first, past), (second, again) = with_past(scene, 4), with_past(scene, 4)

    assert first == second
    assert past.visits == again.visits
    asking = [demand for demand in first.demands if not demand.walk_in]
    assert all(demand.user_id in past.tastes for demand in asking)
    assert not any(demand.user_id for demand in first.demands if demand.walk_in)
    assert {s for seen in past.visits.values() for s in seen} <= {
        s.station_id for s in scene.stations
    }
    failing = {d.evse_id for d in first.disturbances if d.kind is DisturbanceKind.FAULT}
    rows = [District(scene.stations).row[evse_id] for evse_id in failing]
    assert past.fault_count[rows].mean() > 4 * past.fault_count.mean()


def test_nothing_known_teaches_nothing() -> None:
    """Without a past the coordinator begins as always."""
    district = District([station("a", 1.0, 2)])
    before = district.failure_rate.copy()

    Learnt(NO_PAST).teach(district, None, WHOLE)  # type: ignore[arg-type]

    assert (district.failure_rate == before).all()


def test_a_blocked_plug_is_not_free() -> None:
    """Nearest-free does not send a car to a bay that is blocked."""
    stations = [station("a", 0.5, 1), station("b", 2.0, 1)]
    block = Disturbance("a-0*1", DisturbanceKind.BLOCKED, 0.0)
    (car,) = Engine(
        stations, [asks(10.0)], NearestFree(), until_s=1e5, disturbances=[block]
    ).run()  # fmt: skip

    assert car.station == 1
