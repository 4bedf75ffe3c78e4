"""What a car at a full station costs those after it, in the one cost and in the joint plan."""

from __future__ import annotations

import numpy as np
import pytest
from served_brain import HERE, district_of, station

from coordinator.core.areas.assignment import Problem, assign
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.context import Context, Models, OwnPlace
from coordinator.core.recommend.pipeline import rank
from coordinator.core.recommend.rules import DEFAULT_RULES
from coordinator.core.vehicle import ChargingRequest, Vehicle

NOW_S = 1_795_000_000.0


def town() -> District:
    """A station whose two EVSEs are taken by strangers, and one with two free ones farther on."""
    district = district_of([station("FULL", 1.0, 2), station("SPARE", 3.0, 2)], NOW_S, 0.0)
    district.status[:2] = EvseStatus.CHARGING
    district.changed_at_s[:2] = NOW_S - 60.0
    return district


def load_s(district: District, soc_pct: float, context: Context | None = None) -> list[float]:
    """The load that a car pays at FULL and SPARE; so thin an area lifts its level by one."""
    asking = ChargingRequest("r", "car", Vehicle(60.0), soc_pct, *HERE)
    columns = rank(district, asking, context or Context(), Models(), NOW_S).columns
    assert columns is not None
    rows = columns.candidates.evse.tolist()
    return [float(columns.cost.load[rows.index(min(r for r in rows if r >= at))]) for at in (0, 2)]


def test_turn_at_a_full_station_costs_half_a_stay_divided_by_its_plugs() -> None:
    """One car beyond two plugs puts off who comes next by half a stay, of which half counts."""
    district = town()
    stay_s = float(district.usual_stay.mean_s[int(district.dc[0])])

    full_s, spare_s = load_s(district, 60.0)

    assert full_s == pytest.approx(DEFAULT_RULES.crowding * stay_s / 2.0)
    assert spare_s == 0.0


def test_car_in_great_need_pays_for_others_too() -> None:
    """At level high as well: else it would join lines that it must then wait in."""
    assert load_s(town(), 10.0) == load_s(town(), 60.0)


def test_own_place_is_no_car_beyond_the_plugs() -> None:
    """A car that holds the free plug of a station is not counted against itself there."""
    district = town()
    district.status[1] = EvseStatus.AVAILABLE
    district.hold(1, 7, NOW_S + 1800.0)
    mine = Context(own=(OwnPlace(1, float("-inf"), 0),))

    assert load_s(district, 60.0)[0] > 0.0
    assert load_s(district, 60.0, mine)[0] == 0.0


def test_queue_of_strangers_makes_the_next_turn_dearer() -> None:
    """Each car that a counter sees waiting adds a turn that those after it lose."""
    district = town()
    one_s = load_s(district, 60.0)[0]
    district.queue_length[0] = 1

    assert one_s > 0.0
    assert load_s(district, 60.0)[0] == pytest.approx(2.0 * one_s)


def test_plan_leaves_a_turn_to_others_where_they_lose_more() -> None:
    """A place that is 100 s worse for its car is taken if it spares others 300 s."""

    def planned(others_s: float) -> int:
        problem = Problem(
            np.array([3]), np.array([0]), np.array([False]), np.array([0, 0]), np.array([0, 1]),
            np.array([100.0, 200.0]), np.array([0, 1]), np.array([others_s, 0.0]),
        )  # fmt: skip
        return int(assign(problem).place[0])

    assert planned(300.0) == 1
    assert planned(100.0) == 0


def test_plan_never_makes_a_car_much_worse_for_others_alone() -> None:
    """What others save does not count against the bound of five minutes."""
    problem = Problem(
        np.array([3]), np.array([0]), np.array([False]), np.array([0, 0]), np.array([0, 1]),
        np.array([100.0, 401.0]), np.array([0, 1]), np.array([5000.0, 0.0]),
    )  # fmt: skip

    assert assign(problem).place.tolist() == [0]
