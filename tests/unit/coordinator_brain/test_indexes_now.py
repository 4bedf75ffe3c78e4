"""The indexes of what really happened: from sessions, requests and promises of a window."""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.core.sessions import ChargeSession
from coordinator.usecases.indexes_now import Sent, Standing, indexes_of, sent
from coordinator.usecases.requests import StoredRequest

KM_DEG = 1 / 111.1950802


def standing() -> Standing:
    """Stations a at 1 km and b at 3 km east of the origin, with two plugs and one."""
    lon = np.array([1.0, 3.0]) * KM_DEG
    return Standing(np.zeros(2), lon, {"a": 0, "b": 1}, {"a*1": 0, "a*2": 1, "b*1": 2})


def session(evse: str, begin_min: float, minutes: float = 30.0, **more: object) -> ChargeSession:
    begin_s = begin_min * 60.0
    facts = {"station_id": evse[0], "price": 10.0, **more}
    return ChargeSession(evse, begin_s, begin_s + minutes * 60.0, **facts)  # type: ignore[arg-type]


def test_sessions_give_flow_cost_and_balance() -> None:
    """Three sessions at two of three plugs, one broken off, a gap of ten minutes between two."""
    told = indexes_of(
        standing(),
        [session("a*1", 0), session("a*1", 40), session("b*1", 0, ended_by_fault=True)],
        [],
    )

    assert (told["cars_served"], told["total_cost"], told["mean_price"]) == (3.0, 30.0, 10.0)
    assert told["gini"] == pytest.approx(4 / 9)
    assert told["cv"] == pytest.approx(np.std([2, 0, 1]))
    assert (told["idle_gap_count"], told["short_gap_share"]) == (1.0, 1.0)
    assert told["failed_charge_share"] == pytest.approx(1 / 3)
    assert "mean_wait_min" not in told
    assert "point_demand_km" not in told


def test_waits_go_by_the_level_of_the_request() -> None:
    """A car in need waited nothing, one without two minutes: half of them found no free plug."""
    sessions = [
        session("a*1", 0, recommendation_id="r1", wait_s=0.0),
        session("a*2", 0, recommendation_id="r2", wait_s=120.0),
        session("b*1", 0),
    ]
    cars = [Sent("r1", 0.0, 0.0, "a", 1), Sent("r2", 0.0, 0.0, "a", 3)]

    told = indexes_of(standing(), sessions, cars)

    assert (told["mean_wait_min"], told["wait_high_min"], told["wait_low_min"]) == (1.0, 0.0, 2.0)
    assert "wait_medium_min" not in told
    assert told["no_plug_occupied"] == 0.5


def test_requests_give_ways_and_load() -> None:
    """From 0 to b at 3 km: it passes a, drives 3.9 km of road, three times what nearest is."""
    told = indexes_of(standing(), [], [Sent("r", 0.0, 0.0, "b", 3), Sent("", 0.0, 0.0, "gone", 3)])

    assert told["point_demand_km"] == pytest.approx(3.9, rel=1e-3)
    assert told["cars_passing"] == 2.0
    assert told["max_edge_load"] == 1.0
    assert told["mean_load_change"] == 0.0


def test_a_request_from_another_continent_gives_no_way() -> None:
    """An imported place that nobody is sent from counts for no distance and no load."""
    far = Sent("f", 89.0, 179.0, "b", 3)

    alone, both = (
        indexes_of(standing(), [], cars) for cars in ([far], [far, Sent("r", 0.0, 0.0, "b", 3)])
    )

    assert "point_demand_km" not in alone
    assert both["point_demand_km"] == pytest.approx(3.9, rel=1e-3)


def test_request_is_counted_once_and_only_in_the_window() -> None:
    """The archive's rows of the window that were answered with a place, each once."""
    rows = [
        StoredRequest(
            "q1", 10.0, station_id="a", recommendation_id="r1", latitude_deg=1.0, level=2
        ),
        StoredRequest(
            "q1", 10.0, station_id="a", recommendation_id="r1", latitude_deg=1.0, level=2
        ),
        StoredRequest("q2", 20.0, recommendation_id="r2"),
        StoredRequest("q3", 30.0, station_id="b", recommendation_id="r3"),
    ]

    cars = sent(rows, [], 0.0, 30.0)

    assert [(car.recommendation_id, car.station_id, car.level) for car in cars] == [("r1", "a", 2)]


def test_nothing_that_happened_says_nothing_of_waits() -> None:
    """An empty window has no cars and no balance, and claims no means."""
    told = indexes_of(standing(), [], [])

    assert told == {"cars_served": 0.0, "gini": 0.0, "cv": 0.0, "idle_gap_count": 0.0}
