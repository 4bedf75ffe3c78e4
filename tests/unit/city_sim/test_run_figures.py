"""What is written down of a run and what it comes to, on scenes that are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from city_sim.bound import least_drive_plus_wait_s
from city_sim.cars import Car
from city_sim.city import StraightTravel
from city_sim.demand import Demand, Disturbance, DisturbanceKind
from city_sim.engine import Engine
from city_sim.past import Past
from city_sim.policies import GreedyHold, Nearest
from city_sim.population import Tastes
from city_sim.recorder import Record, Recorder
from city_sim.report import play
from city_sim.run_figures import Played, run_figures
from city_sim.run_money import burden_min
from city_sim.run_ways import driven_legs
from city_sim.scenarios import Scenario, campus
from city_sim.scenes.named import scene as named_scene
from coordinator.core.district import District
from coordinator.core.pile import (
    Connector,
    Evse,
    Pile,
    PowerType,
    Station,
    Tariff,
    TariffElement,
)
from coordinator.core.roads import EstimatedRoads
from coordinator.core.vehicle import Vehicle

KM_DEG = 1 / 111.1950802
KMH = 60.0  # a km takes a minute


def station(name: str, km_east: float, plugs: int, tariff: str = "") -> Station:
    connector = Connector("1", 33, PowerType.DC, 60.0)
    piles = tuple(
        Pile(f"{name}-{n}", name, (Evse(f"{name}-{n}*1", (connector,)),)) for n in range(plugs)
    )
    return Station(name, name, 0.0, km_east * KM_DEG, piles, tariff_id=tariff)


def asks(at_s: float, minutes: float = 30.0, km_east: float = 0.0, user: str = "") -> Demand:
    vehicle = Vehicle(60.0, setup_s=0.0)
    return Demand(
        at_s, 0.0, km_east * KM_DEG, 30.0, vehicle, 80.0, user_id=user, charge_s=minutes * 60.0
    )


def scene(
    stations: list[Station],
    demands: list[Demand],
    *faults: Disturbance,
    tariffs: tuple[Tariff, ...] = (),
) -> Scenario:
    return Scenario(
        "hand", tuple(stations), tuple(demands), 1e5,
        lambda district: StraightTravel(district, KMH, 1.0),
        lambda district: EstimatedRoads(1.0, KMH, (1.0,) * 24), faults, tariffs,
    )  # fmt: skip


def recorded(made: Scenario, past: Past | None = None) -> tuple[Played, list[Car]]:
    record = Record()
    engine = Engine(
        made.stations, made.demands, Recorder(Nearest(), record), until_s=made.until_s,
        disturbances=made.disturbances, travel=made.travel(District(made.stations)),
        tariffs=made.tariffs,
    )  # fmt: skip
    cars = engine.run()
    return Played(engine.district, engine.travel, cars, record, past or Past()), cars


def test_ways_gaps_and_arrivals_of_two_cars_at_one_plug() -> None:
    """Both drive 2 km to one plug; the second finds it taken, and between them nothing is idle."""
    made = scene([station("b", 2.0, 1), station("c", 40.0, 1)], [asks(0.0), asks(60.0)])

    told = run_figures(recorded(made)[0])

    assert told["point_demand_km"] == pytest.approx(4.0, rel=1e-3)
    assert told["cars_passing"] == 2.0
    assert told["no_plug_share"] == told["no_plug_occupied"] == 0.5
    assert told["idle_gap_count"] == 0.0
    assert told["failed_charge_share"] == 0.0
    assert told["mean_load_change"] == 0.0  # nearest is unguided demand
    assert told["total_cost"] is told["price_saving"] is told["burden_min"] is None


def test_idle_time_between_two_sessions_is_a_gap() -> None:
    """The second car plugs in ten minutes after the first left; sessions last thirty."""
    made = scene([station("a", 1.0, 1)], [asks(0.0), asks(40 * 60.0)])

    told = run_figures(recorded(made)[0])

    assert (told["idle_gap_count"], told["short_gap_share"]) == (1.0, 1.0)


def test_arrivals_tell_blocked_from_broken() -> None:
    """One finds a blocked bay and one a dead plug; neither is counted as occupied."""
    made = scene(
        [station("a", 1.0, 1), station("b", 60.0, 1)],
        [asks(0.0), asks(0.0, km_east=60.0)],
        Disturbance("a-0*1", DisturbanceKind.BLOCKED, 0.0),
        Disturbance("b-0*1", DisturbanceKind.FAULT, 0.0),
    )

    played, _ = recorded(made)
    first = {one.car: one for one in reversed(played.record.arrivals)}

    assert (first[0].free, first[0].working, first[0].blocked) == (0, 0, 1)
    assert (first[1].free, first[1].working, first[1].blocked) == (0, 0, 0)


def test_charge_that_a_fault_ends_has_failed() -> None:
    """The plug breaks down halfway: one of one charges failed, though the car is served later."""
    fault = Disturbance("a-0*1", DisturbanceKind.FAULT, 15 * 60.0, 20 * 60.0)

    played, (car,) = recorded(scene([station("a", 1.0, 1)], [asks(0.0)], fault))

    assert car.served
    assert [stay.broken for stay in played.record.stays] == [True, False]
    assert run_figures(played)["failed_charge_share"] == 1.0


def test_price_is_by_the_tariff_and_saves_against_the_nearest() -> None:
    """30 kWh at 1.0 cost 30; where the near station is dead, the far one costs 45: -50 % saved."""
    tariffs = (
        Tariff("low", "CNY", (TariffElement("ENERGY", 1.0),)),
        Tariff("high", "CNY", (TariffElement("ENERGY", 1.5),)),
    )
    stations = [station("a", 1.0, 1, "low"), station("b", 3.0, 1, "high")]
    dead = Disturbance("a-0*1", DisturbanceKind.FAULT, 0.0)

    near = run_figures(recorded(scene(stations, [asks(0.0)], tariffs=tariffs))[0])
    far = run_figures(recorded(scene(stations, [asks(0.0)], dead, tariffs=tariffs))[0])

    assert (near["total_cost"], near["price_saving"]) == (30.0, 0.0)
    assert (far["mean_price"], far["price_saving"]) == (45.0, -0.5)


def test_burden_counts_what_a_driver_minds() -> None:
    """Drive 2, charge 30 min at 0.1, less 5 · ln(1 + 3) for a station it knows."""
    tastes = Tastes(wait=2.0, price=0.0, risk=60.0, habit=5.0, detour=0.0, charge=0.1)
    past = Past(visits={"U": {"a": 3}}, tastes={"U": tastes})

    played, cars = recorded(scene([station("a", 2.0, 1)], [asks(0.0, user="U")]), past)

    known = burden_min(played.district, cars, past, {0: 1800.0})
    broken = burden_min(played.district, cars, past, {0: 1800.0}, frozenset({0}))
    assert known == pytest.approx(2.0 + 3.0 - 5.0 * np.log(4.0), abs=0.01)
    assert broken - known == pytest.approx(60.0, abs=0.01)


def test_way_of_a_car_that_drives_on_has_two_legs() -> None:
    """It finds the near station dead and drives on: from here to a, from a to b."""
    dead = Disturbance("a-0*1", DisturbanceKind.FAULT, 0.0)

    _, cars = recorded(scene([station("a", 1.0, 1), station("b", 3.0, 1)], [asks(0.0)], dead))
    legs = driven_legs(District([station("a", 1.0, 1), station("b", 3.0, 1)]), cars)

    assert legs.km.round(2).tolist() == [1.0, 2.0]


def test_decision_time_is_measured_once_a_car() -> None:
    """A watch that ticks a second at each look: one second for each car that asks."""
    ticks = iter(range(1_000))
    record = Record()
    watched = Recorder(Nearest(), record, watch=lambda: float(next(ticks)))

    Engine([station("a", 1.0, 1)], [asks(0.0), asks(5.0)], watched, until_s=1e5).run()

    assert record.decisions_s == [1.0, 1.0]


def test_bound_of_two_cars_at_one_plug_is_what_happens() -> None:
    """One plug a minute away, two charges of 10 and 30 minutes: 1 + (1 + 10) minutes in all."""
    made = scene([station("a", 1.0, 1)], [asks(0.0, 30.0), asks(0.0, 10.0)])

    least_s = least_drive_plus_wait_s(made)

    assert least_s == pytest.approx((60.0 + 660.0) / 2, rel=1e-3)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bound_is_below_every_policy(seed: int) -> None:
    """On a busy campus nobody gets below it, and it is not nothing."""
    made = campus(seed, cars=400)

    least_s = least_drive_plus_wait_s(made)

    assert least_s is not None
    for policy in (Nearest(), GreedyHold()):
        assert least_s / 60.0 <= play(made, policy).mean_drive_plus_wait_min + 1e-9
    assert least_s > 30.0


def test_bound_is_left_out_where_it_takes_too_long() -> None:
    """Nobody asks, or too many: no figure instead of a wrong one."""
    made = scene([station("a", 1.0, 1)], [asks(0.0), asks(0.0)])

    assert least_drive_plus_wait_s(made, most_arcs=5) is None
    assert least_drive_plus_wait_s(scene([station("a", 1.0, 1)], [])) is None


def test_drives_over_jammed_ways_are_counted_where_streets_fill() -> None:
    """Streets of a real city's scene grade each drive; straight ways of the campus know nothing."""
    made = named_scene("shenzhen-60", 1, 40)

    played, cars = recorded(made)
    told = run_figures(played)

    assert {car for car, _ in played.record.grades} == {car.index for car in cars}
    jammed = np.mean([grade >= 4.0 for _, grade in played.record.grades])
    assert told["jammed_share"] == pytest.approx(jammed, abs=1e-4)
    assert run_figures(recorded(campus(1, cars=5))[0])["jammed_share"] is None
