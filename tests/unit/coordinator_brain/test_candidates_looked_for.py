"""How far out candidates are looked for."""

from __future__ import annotations

import numpy as np
from served_brain import CCS2, HERE, district_of, station

from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.asked import ask
from coordinator.core.recommend.candidates import find
from coordinator.core.recommend.context import Context
from coordinator.core.recommend.rules import DEFAULT_RULES
from coordinator.core.vehicle import ChargingRequest, Vehicle

STATIONS = 2 * DEFAULT_RULES.stations_at_first


def looked_at(only: frozenset[int] | None) -> tuple[list[int], int]:
    """EVSE rows found for a car among busy stations, and how many stations were looked at."""
    district = district_of([station(f"S{n}", 0.1 * n) for n in range(1, STATIONS + 1)], 0.0, 0.0)
    district.status[:] = EvseStatus.CHARGING
    car = ChargingRequest("r", "car", Vehicle(60.0, connector_mask=1 << CCS2), 90.0, *HERE)
    found = find(district, ask([car], [Context(only=only)], 0.0))
    return found.evse[found.valid].tolist(), int(np.unique(found.near.stations).size)


def test_car_without_free_candidates_is_looked_for_further_out() -> None:
    """While few candidates are free, the stations behind the nearest ones are looked at."""
    rows, stations = looked_at(None)

    assert len(rows) > DEFAULT_RULES.stations_at_first
    assert stations == STATIONS


def test_car_that_may_get_one_evse_is_not_looked_for_beyond_it() -> None:
    """What may not be given need not be looked at, however little of it is free."""
    assert looked_at(frozenset({3})) == ([3], DEFAULT_RULES.stations_at_first)


def test_the_one_evse_is_found_wherever_it_is() -> None:
    """An EVSE that a car may get is found beyond the nearest stations, too."""
    assert looked_at(frozenset({STATIONS - 1})) == ([STATIONS - 1], STATIONS)
