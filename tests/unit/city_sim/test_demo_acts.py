"""A demo of any length has as much to see a minute as the one that README shows."""

from __future__ import annotations

import itertools

import pytest

from city_sim import scene
from city_sim.demand import Disturbance, DisturbanceKind
from city_sim.demo import Options, Show


@pytest.mark.parametrize(
    ("for_s", "speed", "count"),
    [
        (20.0, 120.0, 1),
        (90.0, 60.0, 1),
        (179.0, 60.0, 1),
        (180.0, 60.0, 2),
        (3600.0, 60.0, 40),
        (90.0, 600.0, 1),  # nobody can watch ten acts in a minute and a half
        (600.0, 6.0, 1),  # and cars do not ask more often than piles can serve
    ],
)
def test_an_act_is_never_shorter_than_a_show(for_s: float, speed: float, count: int) -> None:
    """As many acts as fit, in wall time and in domain time; together they last the show."""
    acts = scene.acts(1000.0, for_s, speed)

    assert len(acts) == count
    assert acts[0][0] == 1000.0
    ends = [begin_s + length_s for begin_s, length_s in acts]
    assert ends == pytest.approx([*(begin_s for begin_s, _ in acts[1:]), 1000.0 + for_s * speed])


def test_cars_come_in_every_act_of_a_long_show() -> None:
    """Half an hour of watching never waits more than half an act for the next car."""
    stations = scene.demo_stations()
    acts = scene.acts(0.0, 1800.0, 60.0)

    trips = scene.show_trips(7, stations, 24, acts)

    assert len({trip.vehicle_id for trip in trips}) == len(trips) == 24 * len(acts)
    at_s = sorted(trip.at_s for trip in trips)
    assert max(b - a for a, b in itertools.pairwise(at_s)) < scene.ACT_S / 2
    for n, (begin_s, length_s) in enumerate(acts):
        mine = trips[24 * n : 24 * (n + 1)]
        assert all(begin_s < trip.at_s < begin_s + length_s for trip in mine)
        assert [trip.user_id for trip in mine].count(scene.VIP) == 1
        assert mine[0].at_s == mine[1].at_s  # two that want the same plug


def test_the_first_act_is_the_show_that_it_always_was() -> None:
    """A short show has the very cars that its seed gives, whatever comes after in a longer one."""
    stations = scene.demo_stations()
    acts = scene.acts(0.0, 180.0, 60.0)

    long = scene.show_trips(7, stations, 24, acts)

    assert long[:24] == scene.trips(7, stations, 24, 0.0, scene.ACT_S)
    assert [trip.soc_pct for trip in long[24:]] != [trip.soc_pct for trip in long[:24]]


def test_an_evse_that_was_mended_may_break_again() -> None:
    """A long show does not run out of piles that bad luck can strike."""

    class Clock:
        def now_s(self) -> float:
            return 100.0

    show = Show(Options(), None, None, Clock())  # type: ignore[arg-type]
    show.disturbances = [
        Disturbance("A-01*1", DisturbanceKind.FAULT, 0.0, 100.0),
        Disturbance("A-02*1", DisturbanceKind.BLOCKED, 0.0, 101.0),
    ]

    assert show._disturbed() == {"A-02*1"}
