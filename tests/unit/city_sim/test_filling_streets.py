"""Streets that fill: times grow with the cars that set out, and both sides are told the same."""

import numpy as np
import pytest

from city_sim.cars import Doing
from city_sim.city import StraightTravel
from city_sim.demand import Demand
from city_sim.engine import Engine
from city_sim.grid import Frame
from city_sim.policies import Nearest
from city_sim.product import Pilewise
from city_sim.streets import PERIOD_S, TOLD_KMH, Streets
from coordinator.core.district import District
from coordinator.core.pile import Connector, Evse, Pile, PowerType, Station
from coordinator.core.vehicle import Vehicle

FRAME = Frame(22.6, 114.0, 3.0)
FLAT = (0.8,) * 24


def station(name: str, east_km: float, north_km: float, plugs: int = 2) -> Station:
    connector = Connector("1", 19, PowerType.DC, 60.0)
    piles = tuple(
        Pile(f"{name}-{n}", name, (Evse(f"{name}-{n}*1", (connector,)),)) for n in range(plugs)
    )
    return Station(name, name, *FRAME.at(east_km, north_km), piles)


def streets(*stations: Station) -> Streets:
    district = District(stations)
    return Streets(FRAME, district.station_lat_deg, district.station_lon_deg, 0.4, 0.0, FLAT)


TWO = (station("east", 2.0, 0.0), station("west", -2.0, 0.0))


def test_way_grows_with_the_cars_sent_along_it() -> None:
    """A thousand cars to one station lengthen the way there and not the one to the other."""
    ways, here = streets(*TWO), FRAME.at(0.0, 0.0)
    before = ways.drive_s(*here, 0.0)
    for _ in range(1_000):
        ways.set_out(*here, 0)

    unseen = ways.drive_s(*here, 0.0)
    ways.look(PERIOD_S)
    after = ways.drive_s(*here, 0.0)
    for n in range(2, 12):
        ways.look(n * PERIOD_S)

    assert unseen.tolist() == before.tolist()
    assert after[0] > 1.2 * before[0]
    assert after[1] == pytest.approx(before[1])
    assert ways.drive_s(*here, 0.0) == pytest.approx(before, rel=0.01)


def test_coordinator_is_told_the_times_that_cars_drive() -> None:
    """Km at the told speed make the same seconds, to stations in any order and one by one."""
    ways, here = streets(*TWO), FRAME.at(0.7, -1.1)
    for _ in range(500):
        ways.set_out(*here, 1)
    ways.look(PERIOD_S)
    seconds = ways.drive_s(*here, 0.0)

    km = ways.distance_km(*here, np.array([1, 0]), np.zeros(2))

    assert km / TOLD_KMH * 3600.0 == pytest.approx(seconds[[1, 0]])
    assert ways.speed_kmh(8.0) == TOLD_KMH
    west = (TWO[1].latitude_deg, TWO[1].longitude_deg)
    assert ways.between_km(here, west) / TOLD_KMH * 3600.0 == pytest.approx(seconds[1])
    assert ways.to_s(*here, 1, 0.0) == pytest.approx(seconds[1])


def test_grade_of_a_full_way_is_worse() -> None:
    """The way on which everybody drives is graded worse than an equal one without them."""
    ways, here = streets(*TWO), FRAME.at(0.0, 0.0)
    for _ in range(2_000):
        ways.set_out(*here, 0)
    ways.look(PERIOD_S)

    full, empty = ways.grades(*here, np.array([0, 1]), 0.0).tolist()

    assert 1.0 <= empty < full <= 5.0


def test_streets_follow_the_hour() -> None:
    """Without guided cars the streets move at the share of the free speed that the hour has."""
    district = District(TWO)
    hours = tuple(1.0 if hour < 6 else 0.5 for hour in range(24))
    ways = Streets(FRAME, district.station_lat_deg, district.station_lon_deg, 0.4, 0.0, hours)
    here = FRAME.at(2.0, 2.0)
    night = ways.drive_s(*here, 0.0)[0]

    ways.look(12 * 3600.0)

    assert 1.8 < ways.drive_s(*here, 0.0)[0] / night < 3.5


def test_straight_ways_to_one_and_to_all_agree() -> None:
    """The time to one station is that in the times to all, here and at the station itself."""
    ways = StraightTravel(District(TWO))
    for place in (FRAME.at(0.3, 1.0), (TWO[0].latitude_deg, TWO[0].longitude_deg)):
        both = ways.drive_s(*place, 0.0)
        assert [ways.to_s(*place, n, 0.0) for n in (0, 1)] == pytest.approx(both, abs=0.05)


def asks(at_s: float, **others: object) -> Demand:
    vehicle = Vehicle(40.0, charging_curve=((0.0, 60.0), (100.0, 60.0)), setup_s=0.0)
    return Demand(at_s, *FRAME.at(0.5, 0.0), 30.0, vehicle, **others)  # type: ignore[arg-type]


def test_engine_fills_the_streets_as_time_passes() -> None:
    """Cars that ask after a look drive longer where earlier ones were sent."""
    demands = [asks(n * 0.5, car_id=f"c{n}") for n in range(1_200)]
    engine = Engine(
        [station("east", 2.0, 0.0, 8)], demands, Nearest(), until_s=1_000.0,
        travel=streets(station("east", 2.0, 0.0, 8)),
    )  # fmt: skip

    cars = engine.run()

    driven = [car.drive_s for car in cars]
    assert driven[-1] > 1.1 * driven[0]
    assert driven[: int(PERIOD_S)] == pytest.approx([driven[0]] * int(PERIOD_S))


def test_driver_who_disobeys_takes_the_nearest_and_its_hold_lapses() -> None:
    """It says yes and drives to the nearest all the same; the place kept for it is free again."""
    stations = [station("east", 2.0, 0.0, 1), station("west", -2.0, 0.0, 1)]
    demands = [
        asks(0.0, car_id="first", charge_s=9_000.0),
        asks(1.0, car_id="wilful", disobeys=True),
        asks(3_000.0, car_id="later"),
    ]
    product = Pilewise(streets(*stations))
    engine = Engine(
        stations, demands, product, until_s=5_000.0,
        travel=streets(*stations), strangers=Nearest(),
    )  # fmt: skip

    first, wilful, later = engine.run()

    assert (first.station, first.doing) == (0, Doing.CHARGING)
    assert (wilful.station, wilful.doing, wilful.switches) == (0, Doing.WAITING, 0)
    assert later.station == 1
    assert later.wait_s == 0.0


def test_vip_is_known_to_the_coordinator() -> None:
    """A car of a VIP is answered with the highest level, another in the same state is not."""
    product = Pilewise(streets(*TWO))
    demands = [
        asks(0.0, car_id="a", user_id="u1", vip=True, charge_s=600.0),
        asks(10.0, car_id="b", user_id="u2", charge_s=600.0),
    ]
    wide = [station(f"s{n}", 0.3 * n - 1.0, 0.5, 4) for n in range(8)]

    Engine(wide, demands, product, until_s=4_000.0, travel=streets(*wide)).run()

    assert product.levels[0] == 1
    assert product.levels[1] > 1
