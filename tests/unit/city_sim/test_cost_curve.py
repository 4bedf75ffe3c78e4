"""The bench of a scene's cost: processes of their own, one row a size and policy, growth fitted."""

import json

import pytest

from bench.cost_curve import cut, growth, main, once
from city_sim.scenes.named import scene


def test_cut_scene_keeps_the_pace_and_ends_soon_after() -> None:
    """The first cars ask when they would have; half an hour after the last of them it is over."""
    whole = scene("shenzhen-130", 1)

    part = cut(whole, 20)

    assert part.demands == whole.demands[:20]
    assert part.until_s == part.demands[-1].at_s + 1_800.0


def test_growth_is_the_exponent_of_the_plugs() -> None:
    """What grows with the square has 2, what stays has 0, one size has none."""
    rows = [{"plugs": n, "square": n * n, "same": 3.0} for n in (10, 50, 170)]

    assert growth(rows, "square") == 2.0
    assert growth(rows, "same") == 0.0
    assert growth(rows[:1], "same") is None


def test_row_has_what_it_took() -> None:
    """Plugs, cars, events, seconds and memory of one run."""
    row = once(130, "nearest-free", 15, 1, None)

    assert (row["plugs"], row["cars"]) == (130, 15)
    assert row["events"] >= 30
    assert row["cpu_s"] >= 0.0
    assert row["peak_mib"] > 10.0


@pytest.mark.slow
def test_curve_has_a_row_for_each_size_and_policy(capsys: pytest.CaptureFixture[str]) -> None:
    """One object with the rows and the exponents of CPU and memory."""
    main(["--plugs", "130,260", "--policies", "nearest-free,pilewise", "--cars", "10", "--json"])

    told = json.loads(capsys.readouterr().out)
    assert [(row["plugs"], row["policy"]) for row in told["rows"]] == [
        (130, "nearest-free"), (130, "pilewise"), (260, "nearest-free"), (260, "pilewise"),
    ]  # fmt: skip
    assert set(told["cpu_exponent"]) == set(told["memory_exponent"]) == {"nearest-free", "pilewise"}
