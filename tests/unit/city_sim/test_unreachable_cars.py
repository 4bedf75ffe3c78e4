"""A car that has nothing in reach: what it is told, and what its driver does then."""

from city_sim.cars import Doing
from city_sim.demand import Demand
from city_sim.engine import Engine
from city_sim.policies import Nearest
from city_sim.product import Pilewise
from coordinator.core.pile import Connector, Evse, Pile, PowerType, Station
from coordinator.core.roads import EstimatedRoads
from coordinator.core.vehicle import Vehicle


def station(name: str, longitude_deg: float) -> Station:
    connector = Connector("1", 33, PowerType.DC, 60.0)
    return Station(
        name, name, 0.0, longitude_deg, (Pile(name, name, (Evse(f"{name}*1", (connector,)),)),)
    )


def test_car_with_nothing_in_reach_tries_the_nearest_free_plug() -> None:
    """With an empty battery no pile can be recommended: the driver does not stand still for ever.

    The near plug is taken by a stranger, so it drives to the other; nothing is held for it.
    """
    empty = Demand(600.0, 0.0, 0.0, 0.0, Vehicle(60.0, setup_s=0.0), car_id="empty")
    stranger = Demand(0.0, 0.0, 0.01, 20.0, walk_in=True, charge_s=7200.0)

    _, car = Engine(
        [station("a", 0.01), station("b", 0.02)], [stranger, empty],
        Pilewise(EstimatedRoads(1.3, 25.0, (1.0,) * 24)), until_s=1e5, strangers=Nearest(),
    ).run()  # fmt: skip

    assert (car.doing, car.station) == (Doing.LEFT, 1)
    assert car.wait_s == 0.0
