"""The bench of the city's clock: every car is three events, and the object has what it promises."""

import json

import pytest

from bench.events import STATIONS, engine_once, main


def test_car_that_nothing_happens_to_is_three_events() -> None:
    """It asks, arrives and leaves; the null policy spreads cars evenly, so nobody drives on."""
    events, wall_s, cpu_s = engine_once(3 * STATIONS, 1)

    assert events == 3 * 3 * STATIONS
    assert wall_s > 0.0
    assert cpu_s > 0.0


@pytest.mark.slow
def test_bench_prints_rates_of_product_and_ceiling(capsys: pytest.CaptureFixture[str]) -> None:
    """One object: events a second by clock and CPU, the bare heap's, and their ratio."""
    main(["--cars", "2000", "--json"])

    told = json.loads(capsys.readouterr().out)
    assert told["events"] == 6_000
    assert 0.0 < told["ratio"] < 1.0
    assert told["ceiling_events_per_s"] > told["events_per_s"] > 0
