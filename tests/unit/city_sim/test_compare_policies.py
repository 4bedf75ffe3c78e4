"""Policies against each other on paired seeds: figures, levels, and how sure a gain is."""

import json

import pytest

from city_sim.compare import Run, gain, main, outcome, summed
from city_sim.runs import MEASURED
from city_sim.scenarios import campus


def run(policy: str, cars: int = 40, seed: int = 3, walk_in: float = 0.0, fail: float = 0.0) -> Run:
    return Run(policy, cars, seed, walk_in, fail, 280)


def test_product_serves_everybody_and_is_the_same_twice() -> None:
    """The coordinator's parts in the city: one seed gives one outcome, to the last digit."""
    first, second = (
        {key: value for key, value in outcome(run("pilewise")).items() if key not in MEASURED}
        for _ in range(2)
    )

    assert first == second
    assert first["served"] == first["cars"] == 40
    assert first["wait_high"] is not None


def test_stations_stand_where_they_stood_and_shares_are_as_asked() -> None:
    """Seeds vary the cars, not the campus; a share of cars and stations misbehaves as asked."""
    one, two = campus(1, 200), campus(2, 200, walk_in_share=0.5, failing_share=0.25)

    assert one.stations == two.stations
    assert one.demands[0].at_s != two.demands[0].at_s
    assert 0.35 < sum(demand.walk_in for demand in two.demands) / 200 < 0.65
    assert len({stop.evse_id.split("-")[0] for stop in two.disturbances}) == 10


def test_gain_is_judged_on_paired_seeds() -> None:
    """What always saves a tenth does so surely, however much the days differ."""
    assert gain([9.0, 18.0, 45.0], [10.0, 20.0, 50.0]) == (0.1, 0.1, 0.1)
    middle, low, high = gain([9.0, 21.0, 50.0], [10.0, 20.0, 50.0])
    assert low <= middle <= high
    assert low < 0.0


@pytest.mark.slow
def test_comparison_prints_what_it_promises(capsys: pytest.CaptureFixture[str]) -> None:
    """One compact object with the gain, its bound, switches and waits by level."""
    arguments = ["--cars", "30,60", "--seeds", "2", "--jobs", "2", "--json"]
    arguments += ["--policies", "nearest,greedy-hold,pilewise", "--walk-in-share", "0.2"]

    assert main(arguments) == 0

    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(told["results"]) == {"30", "60"}
    assert set(told["wait_by_level"]) == {"high", "medium", "low"}
    for key in ("gain_over_greedy_hold", "gain_ci_low", "switches_per_car", "greedy_hold_min"):
        assert isinstance(told[key], float)


def test_sum_of_runs_without_the_product_has_no_gain() -> None:
    """A comparison of others alone says nothing of ours."""
    runs = [run("nearest", 10), run("greedy-hold", 10)]

    told = summed(runs, [outcome(one) for one in runs])

    assert "gain_over_greedy_hold" not in told
    assert set(told["results"]["10"]) == {"nearest", "greedy-hold"}


@pytest.mark.slow
def test_product_serves_sooner_than_greedy_holds_where_strangers_come_and_stations_stop() -> None:
    """Three in ten just come, a tenth of the stations stops: 4 % less drive and wait at least."""
    day = (950, 1, 0.3, 0.1, 7)
    ours, greedy = outcome(Run("pilewise", *day)), outcome(Run("greedy-hold", *day))

    key = "mean_drive_plus_wait_min"
    assert ours[key] < 0.96 * greedy[key]
