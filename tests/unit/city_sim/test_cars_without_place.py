"""Cars that lost their places on the way: the product's own parts look after them in runs."""

import pytest

from city_sim.cars import Doing
from city_sim.demand import Demand, Disturbance, DisturbanceKind
from city_sim.engine import Engine
from city_sim.parts import WHOLE, Parts
from city_sim.product import Pilewise
from coordinator.core.pile import Connector, Evse, Pile, PowerType, Station
from coordinator.core.roads import EstimatedRoads
from coordinator.core.vehicle import Vehicle

KM_DEG = 1 / 111.1950802
FULL_KWH = 60.0


def station(name: str, km_east: float, plugs: int) -> Station:
    connector = Connector("1", 33, PowerType.DC, 60.0)
    piles = tuple(
        Pile(f"{name}-{n}", name, (Evse(f"{name}-{n}*1", (connector,)),)) for n in range(plugs)
    )
    return Station(name, name, 0.0, km_east * KM_DEG, piles)


def asks(at_s: float, soc_pct: float) -> Demand:
    """A car with so much charge that stays for half an hour."""
    return Demand(at_s, 0.0, 0.0, soc_pct, Vehicle(FULL_KWH, setup_s=0.0), charge_s=1800.0)


@pytest.mark.parametrize("parts", [WHOLE, Parts(replan=False)], ids=["planned", "by themselves"])
@pytest.mark.parametrize("socs_pct", [(60.0, 11.0), (11.0, 60.0)])
def test_the_car_in_need_is_given_the_first_place_that_there_is(
    socs_pct: tuple[float, float], parts: Parts
) -> None:
    """Two drive to a station that fails; where one plug is mended, the needier charges first."""
    fault = DisturbanceKind.FAULT
    broken = [
        Disturbance("near-0*1", fault, 0.0, 605.0),
        *[Disturbance(f"far-{plug}*1", fault, 120.0) for plug in range(2)],
    ]
    cars = Engine(
        [station("near", 4.0, 1), station("far", 12.0, 2)],
        [asks(10.0, socs_pct[0]), asks(20.0, socs_pct[1])],
        Pilewise(EstimatedRoads(1.3, 25.0, (1.0,) * 24), parts=parts),
        until_s=1e5,
        disturbances=broken,
    ).run()

    needy = cars[socs_pct.index(min(socs_pct))]
    other = cars[socs_pct.index(max(socs_pct))]
    assert [car.doing for car in cars] == [Doing.LEFT, Doing.LEFT]
    assert [car.station for car in cars] == [0, 0]
    assert needy.wait_s < 60.0 < other.wait_s
