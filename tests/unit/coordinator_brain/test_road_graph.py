"""Distances along imported roads, and what happens where no road leads."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hand_brain import HandBrain

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.pile import Connector, Evse, Pile, PowerType, Station
from coordinator.core.road_graph import RoadEdge, RoadGraph
from coordinator.core.vehicle import ChargingRequest, Vehicle
from coordinator.store.claims import MemoryClaims
from coordinator.usecases.mirror import Mirror
from coordinator.usecases.roads import RoadKeeper
from coordinator.usecases.telemetry import Road
from coordinator.usecases.world import World

SOUTH, WEST = 22.50, 114.00
KM_LAT = 1.0 / 111.2


def at(north_km: float, east_km: float = 0.0) -> tuple[float, float]:
    return SOUTH + north_km * KM_LAT, WEST + east_km * KM_LAT / np.cos(np.radians(SOUTH))


def chain(*places: tuple[float, float], km: float, two_way: bool = True) -> list[RoadEdge]:
    """Roads of so many km from each place to the next."""
    return [RoadEdge(a, b, km, 50.0, two_way) for a, b in pairwise(places)]


def graph(edges: list[RoadEdge], *stations: tuple[float, float]) -> RoadGraph:
    places = np.array(stations)
    return RoadGraph(edges, places[:, 0], places[:, 1])


def ways_km(roads: RoadGraph, start: tuple[float, float], count: int) -> list[float]:
    rows = np.arange(count)
    return roads.distance_km(*start, rows, np.full(count, 0.1)).tolist()


def test_the_way_follows_the_roads_and_not_the_straight_line() -> None:
    """A detour through three crossings counts in full."""
    roads = graph(chain(at(0), at(0, 3), at(2, 3), at(2), km=3.0), at(2))

    assert ways_km(roads, at(0), 1) == pytest.approx([9.0], abs=0.01)


def test_the_free_speed_of_a_place_is_that_of_its_roads() -> None:
    """Each crossing has its roads' mean by length; far from all of them the network's counts."""
    street, motorway = RoadEdge(at(0), at(1), 1.0, 40.0), RoadEdge(at(1), at(4), 3.0, 120.0)
    roads = graph([street, motorway], at(4))

    assert roads.free_kmh_at(at(0.1)) == pytest.approx(40.0)
    assert roads.free_kmh_at(at(0.9)) == pytest.approx((40.0 + 3.0 * 120.0) / 4.0)
    assert roads.free_kmh_at(at(3.9)) == pytest.approx(120.0)
    assert roads.free_kmh_at(at(9.0)) == roads.free_speed_kmh == pytest.approx(100.0)


async def test_cars_are_measured_by_the_imported_roads() -> None:
    """What a keeper of surroundings asks is the graph as soon as there is one, else the default."""
    station = Station("S", "S", *at(4), (Pile("P", "S", (Evse("P*1", ()),)),))
    hand = HandBrain([station])
    keeper = hand.brain.surroundings
    assert keeper.free_kmh_at(at(3.9)) == 40.0

    hand.brain.roads.on_roads([Road("1", "4", at(1), at(4), 3.0, 120.0)])
    await hand.brain.roads.refresh()

    assert keeper.free_kmh_at(at(3.9)) == pytest.approx(120.0)


def test_a_one_way_road_leads_one_way() -> None:
    """Against it the longer way round is driven."""
    direct = RoadEdge(at(0), at(2), 2.0, 50.0, two_way=False)
    around = chain(at(2), at(1, 3), at(0), km=4.0, two_way=True)
    roads = graph([direct, *around], at(2), at(0))

    assert ways_km(roads, at(0), 2)[0] == pytest.approx(2.0, abs=0.01)
    assert ways_km(roads, at(2), 2)[1] == pytest.approx(8.0, abs=0.01)


def test_of_two_parallel_roads_the_shorter_is_taken() -> None:
    """They do not add up."""
    edges = [*chain(at(0), at(2), km=5.0), *chain(at(0), at(2), km=3.0)]

    assert ways_km(graph(edges, at(2)), at(0), 1) == pytest.approx([3.0], abs=0.01)


def test_where_no_road_leads_the_distance_is_estimated() -> None:
    """An unconnected station costs 1.3 times the straight line."""
    edges = chain(at(0), at(1), km=1.0) + chain(at(50), at(51), km=1.0)
    roads = graph(edges, at(51))

    way = roads.distance_km(*at(0), np.array([0]), np.array([51.0]))

    assert way.tolist() == pytest.approx([66.3])


def test_grades_and_speed_come_from_the_edges() -> None:
    """Length-weighted over the network, by the hour."""
    busy = tuple(5.0 if hour == 8 else 1.0 for hour in range(24))
    calm = (1.0,) * 24
    edges = [
        RoadEdge(at(0), at(1), 1.0, 60.0, grade_by_hour=busy),
        RoadEdge(at(1), at(4), 3.0, 40.0, grade_by_hour=calm),
    ]
    roads = graph(edges, at(1))

    assert roads.speed_kmh(3.0) == pytest.approx(45.0)
    assert roads.grades(*at(0), np.array([0]), 8.5) == pytest.approx(2.0)
    assert roads.grades(*at(0), np.array([0]), 12.0) == 1.0


def test_a_network_that_is_none_is_refused() -> None:
    """No edges, no graph."""
    with pytest.raises(ValueError, match="0 crossings"):
        graph([], at(0))


def one_station(name: str, place: tuple[float, float]) -> Station:
    plug = Connector("1", 27, PowerType.DC, 100.0)
    return Station(name, name, *place, (Pile(name, name, (Evse(f"{name}*1", (plug,)),)),))


async def test_imported_roads_serve_until_the_stations_change() -> None:
    """The graph is of its stations only; in between distances are estimated, never wrong rows."""
    district = District([one_station("A", at(2))])
    world = World(district, Mirror(district, MemoryClaims().table), Clock())
    keeper = RoadKeeper(district, world)
    request = ChargingRequest("r", "car", Vehicle(60.0), 50.0, *at(0))
    keeper.on_roads([Road("a", "b", at(0), at(2), 7.0, 50.0, two_way=True)])

    await keeper.refresh()
    with_roads = world.around(request).roads.quality
    district.put_stations([one_station("B", at(1))])
    changed = world.around(request).roads.quality
    await keeper.refresh()
    rebuilt = world.around(request).roads

    assert (with_roads, changed, rebuilt.quality) == ("EXACT", "ESTIMATED", "EXACT")
    way = rebuilt.distance_km(*at(0), np.array([district.station_row["A"]]), np.array([2.0]))
    assert way.tolist() == pytest.approx([7.0], abs=0.01)
