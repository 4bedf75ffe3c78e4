"""The figures of a window: what they are of, and what is unknown."""

from __future__ import annotations

from coordinator.core.sessions import ChargeSession
from coordinator.core.vehicle import WarningLevel
from coordinator.usecases.evaluation import BUCKETS, Place, Told, Window, evaluate

PART_S = 100.0


def window(sessions: list[ChargeSession], told: list[Told] | None = None) -> Window:
    row = {"P*1": 0, "P*2": 1, "Q*1": 2}
    places = [Place("P", "P", (0, 1)), Place("Q", "Q", (2,))]
    return Window(0.0, PART_S * BUCKETS, sessions, told or [], row, places)


def test_use_is_the_share_of_time_with_a_car() -> None:
    """A car for half a part at one of two EVSEs is a quarter; one that stays counts until now."""
    sessions = [
        ChargeSession("P*1", 50.0, 100.0),
        ChargeSession("Q*1", PART_S * (BUCKETS - 1), None),
    ]
    told = evaluate(window(sessions), {})

    shares = {strip["id"]: strip["shares"] for strip in told["use"]}
    assert shares["P"][0] == 0.25
    assert shares["Q"][-1] == 1.0
    assert sum(shares["P"]) + sum(shares["Q"]) == 1.25


def test_waits_are_told_by_the_level_of_the_promise_and_unknown_ones_nowhere() -> None:
    """Measured waits go to the level behind their recommendation; a car without one to none."""
    sessions = [
        ChargeSession("P*1", 10.0, 20.0, wait_s=30.0, recommendation_id="r1"),
        ChargeSession("P*1", 30.0, 40.0, recommendation_id="r1"),
        ChargeSession("P*2", 10.0, 20.0, wait_s=500.0),
    ]
    promises = [Told(5.0, WarningLevel.HIGH, 2.0, 60.0)]
    told = evaluate(window(sessions, promises), {"r1": WarningLevel.HIGH})

    high, low = told["by_level"]["high"], told["by_level"]["low"]
    assert (high["measured"], high["mean_wait_s"], high["told_wait_s"]) == (1, 30.0, 60.0)
    assert (low["measured"], low["mean_wait_s"], low["cars"]) == (0, None, 0)
    assert told["five"]["point_demand_km"] == 2.0


def test_equilibrium_of_nothing_is_unknown_and_of_one_pile_is_unequal() -> None:
    """No session, no Gini; all at one of three EVSEs is two thirds."""
    one = [ChargeSession("P*1", 10.0, 20.0), ChargeSession("P*1", 30.0, 40.0)]

    assert evaluate(window([]), {})["five"]["gini"] is None
    assert round(evaluate(window(one), {})["five"]["gini"], 3) == 0.667
    assert evaluate(window(one), {})["served"] == [2, 0, 0]


def test_a_charge_whose_price_is_not_known_yet_costs_no_zero() -> None:
    """A part with one that runs has no cost, one with a priced charge has it, an empty one 0."""
    nan = float("nan")
    sessions = [
        ChargeSession("P*1", 10.0, None, price=nan),
        ChargeSession("P*2", PART_S + 10.0, PART_S + 20.0, price=12.0, currency="CNY"),
        ChargeSession("Q*1", PART_S + 30.0, None, price=nan),
    ]
    told = evaluate(window(sessions), {})

    assert [part["cost"] for part in told["over_time"][:3]] == [None, 12.0, 0.0]
