"""`city_sim paper`: what it prints, and how it says what is wrong."""

import io
import json

import pytest

from city_sim.__main__ import main
from city_sim.progress import Watched


class Terminal(io.StringIO):
    """Takes what is written and says that a person sees it."""

    def isatty(self) -> bool:
        return True


def run(*words: str) -> int:
    return main(["paper", *words, "--jobs", "1"])


@pytest.mark.slow
def test_json_names_the_figures_that_count(capsys: pytest.CaptureFixture[str]) -> None:
    """One object, the last line: reductions with spread and interval, methods by five indexes."""
    assert run("--config", "d", "--seeds", "2", "--json") == 0

    out, err = capsys.readouterr()
    told = json.loads(out)
    assert out.count("\n") == 1
    assert told["config"] == "D"
    for key in ("integrated", "pilewise", "pilewise_in_steps", "greedy_hold", "optimum"):
        low, high = told[f"{key}_reduction_ci_low"], told[f"{key}_reduction_ci_high"]
        assert low <= told[f"{key}_reduction"] <= high
        assert told[f"{key}_reduction_sd"] >= 0.0
    assert told["pilewise_over_capacity"] == 0
    assert told["pilewise_gini"] == 0.0
    assert set(told["methods"]) == {
        "distance", "preference", "traffic", "integrated", "greedy-hold", "pilewise-in-steps",
        "pilewise", "optimum",
    }  # fmt: skip
    indexes = {"total_km", "served", "passing", "cost", "gini", "cv", "mean_load", "max_load"}
    assert indexes <= set(told["methods"]["integrated"])
    assert "integrated" in err


@pytest.mark.slow
def test_all_configurations_stand_in_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    """`--config all` tells each by its letter; A loses what D gains."""
    assert run("--config", "all", "--seeds", "1", "--json") == 0

    out, err = capsys.readouterr()
    told = json.loads(out)["configs"]
    assert list(told) == list("ABCDEFGH")
    assert told["A"]["integrated_reduction"] < 0 < told["D"]["integrated_reduction"]
    assert [line[0] for line in err.splitlines()[-8:]] == list("ABCDEFGH")


@pytest.mark.slow
def test_literal_traffic_takes_the_longest_ways(capsys: pytest.CaptureFixture[str]) -> None:
    """As the text has it, the pile with the most load is chosen, and the cars drive far."""
    run("--seeds", "1", "--json")
    least = json.loads(capsys.readouterr().out)
    run("--seeds", "1", "--traffic", "max", "--json")
    most = json.loads(capsys.readouterr().out)

    assert most["traffic"] == "max"
    assert most["traffic_reduction"] < 0 < least["traffic_reduction"]
    assert most["pilewise_reduction"] == least["pilewise_reduction"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--config", "Z"], "--config is Z, must be one of A, B"),
        (["--seeds", "0"], "--seeds is 0, must be at least 1"),
        (["--seed", "-1"], "--seed is -1"),
        (["--size", "1x1"], "--size is 1x1, must be one of 100x10, 500x280"),
        (["--cars-per-pile", "-2"], "--cars-per-pile is -2.0"),
        (["--slots", "3"], "--slots is 3, must be at least 10"),
        (["--traffic", "most"], "--traffic is most, must be min or max"),
    ],
)
def test_wrong_option_is_named(
    words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error says which option, what was seen and what is expected; nothing is computed."""
    assert run(*words, "--json") == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert f"error[PAPER-001]: {named}" in err


def test_negative_jobs_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The hint says what 0 means."""
    assert main(["paper", "--jobs", "-1"]) == 2
    assert "hint: 0 takes one process a core" in capsys.readouterr().err


@pytest.mark.parametrize(("passed_s", "shown"), [(3.0, True), (1.0, False)])
def test_bar_is_shown_to_who_waits_at_a_terminal(
    passed_s: float, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After two seconds there is a bar, before them nothing."""
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()

    with Watched("configuration D", 2, terminal, iter((0.0, passed_s, passed_s)).__next__) as watch:
        watch.done()
        watch.done()

    assert ("configuration D" in terminal.getvalue()) is shown


def test_no_bar_is_drawn_into_a_file() -> None:
    """Elsewhere there is a plain line now and then, not one for each that is done."""
    out = io.StringIO()

    with Watched("configuration D", 9, out, iter((0.0, 3.0, 4.0, 40.0)).__next__) as watch:
        for _ in range(3):
            watch.done()

    assert out.getvalue() == "1/9 configuration D, 3 s\n3/9 configuration D, 40 s\n"
