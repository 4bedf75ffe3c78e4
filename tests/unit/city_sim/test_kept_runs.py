"""A comparison that is stopped goes on; far along it says how far; parts are judged on pairs."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from hears_keys import hearing_keys

from city_sim.compare import main
from city_sim.compare_page import page_of
from city_sim.gains import ablated, difference, summed
from city_sim.play_all import play_all
from city_sim.policies.named import without
from city_sim.progress import Watched
from city_sim.results_file import ResultsFile, ResultsUnreadable, key_of
from city_sim.runs import OPTIMUM, Run, outcome


def run(policy: str = "nearest", seed: int = 1, **more: Any) -> Run:
    return Run(policy, 10, seed, **more)


def row(minutes: float, **more: float | None) -> dict[str, Any]:
    return {
        "mean_drive_plus_wait_min": minutes, "switches_per_car": 0.0, "degraded_share": 0.0,
        "wait_high": 1.0, "wait_medium": 1.0, "wait_low": None, **more,
    }  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "runs.jsonl"


def test_kept_run_is_found_again(path: Path) -> None:
    """What was put is there for the next process, and only for the same run."""
    ResultsFile(path).put(run(), {"figure": 1.5})

    again = ResultsFile(path)

    assert again.get(run()) == {"figure": 1.5}
    assert again.get(run(seed=2)) is None
    assert again.get(run(load=0.5)) is None


def test_key_changes_with_the_station_list(tmp_path: Path) -> None:
    """The same file name with other stations is another run."""
    lists = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for number, file in enumerate(lists):
        file.write_text(f"stations {number}")

    one, other = (key_of(run(stations=str(file))) for file in lists)

    assert one != other


@pytest.mark.parametrize("cut", [1, 5, 40, 200])
def test_torn_last_line_is_left_out(path: Path, cut: int) -> None:
    """A line that the end of a process tore is forgotten, and what follows stands on its own."""
    kept = ResultsFile(path)
    for seed in (1, 2):
        kept.put(run(seed=seed), {"figure": float(seed)})
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])

    on = ResultsFile(path)
    assert (on.get(run(seed=1)), on.get(run(seed=2))) == ({"figure": 1.0}, None) or cut == 1
    on.put(run(seed=3), {"figure": 3.0})

    last = ResultsFile(path)
    assert last.get(run(seed=1)) == {"figure": 1.0}
    assert last.get(run(seed=3)) == {"figure": 3.0}


def test_file_of_something_else_is_refused(path: Path) -> None:
    """A file that holds no results is not taken for an empty one."""
    path.parent.mkdir()
    path.write_text("station_id,lat\n1,22.5\n2,22.6\n")

    with pytest.raises(ResultsUnreadable, match=r"runs\.jsonl:1 is no result"):
        ResultsFile(path)


def test_known_runs_are_not_played_again(path: Path) -> None:
    """A figure that no play would give comes back as it was kept."""
    kept = ResultsFile(path)
    kept.put(run(), {"figure": -7.0})

    assert play_all([run(), run()], 1, kept) == [{"figure": -7.0}, {"figure": -7.0}]


@pytest.mark.slow
def test_stopped_comparison_leaves_no_process(path: Path) -> None:
    """Ctrl-C ends it and those that play for it within seconds, without a traceback."""
    arguments = ["--policies", "nearest,pilewise", "--cars", "900", "--seeds", "9", "--jobs", "2"]
    process = subprocess.Popen(
        hearing_keys("city_sim", "compare", *arguments, "--resume", str(path)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    playing: set[int] = set()
    try:
        deadline = time.monotonic() + 120.0
        while len(playing) < 2 and time.monotonic() < deadline:
            found = psutil.Process(process.pid).children(recursive=True)
            playing = {c.pid for c in found if "spawn_main" in " ".join(c.cmdline())}
            time.sleep(0.02)
        while time.monotonic() < deadline and not path.exists():
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60.0)[1]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10.0)

    assert process.returncode == 130
    assert "Traceback" not in said
    assert "stopped" in said
    assert len(playing) == 2
    assert not [pid for pid in playing if psutil.pid_exists(pid)]


@pytest.mark.slow
def test_comparison_goes_on_after_a_kill(path: Path) -> None:
    """Killed after its first results, it plays only what is left, and ends as if never stopped."""
    arguments = ["--cars", "60", "--seeds", "40", "--jobs", "1", "--json", "--resume", str(path)]
    arguments += ["--policies", "nearest,queue-eta"]
    command = [sys.executable, "-m", "city_sim", "compare", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 60.0
        while time.monotonic() < deadline and process.poll() is None:
            if path.exists() and path.read_text().count("\n") >= 3:
                break
            time.sleep(0.02)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10.0)
    before = path.read_text().count("\n")
    assert 3 <= before < 80

    told = subprocess.run(command, capture_output=True, text=True, timeout=120.0, check=True)

    lines = path.read_text().splitlines()
    keys = [json.loads(line)["key"] for line in lines if line.endswith("}}")]
    assert len(keys) == len(set(keys)) == 80
    results = json.loads(told.stdout.splitlines()[-1])["results"]["60"]
    whole = [outcome(Run("nearest", 60, seed)) for seed in (1, 40)]
    assert results["nearest"]["cars"] == whole[0]["cars"] == whole[1]["cars"]


def test_progress_is_silent_at_first_then_speaks() -> None:
    """Nothing within two seconds; then a line, and no other before half a minute is over."""
    out, now = io.StringIO(), [0.0]
    with Watched("runs", 9, out, lambda: now[0]) as watched:
        watched.done()
        assert out.getvalue() == ""
        for at_s in (2.5, 3.0, 31.0, 33.0):
            now[0] = at_s
            watched.done()

    assert out.getvalue() == "2/9 runs, 2 s\n5/9 runs, 33 s\n"


def test_progress_is_a_bar_on_a_terminal() -> None:
    """Where a person looks, a bar counts; it is gone in the end."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out, now = Terminal(), [0.0]
    with Watched("runs", 9, out, lambda: now[0]) as watched:
        now[0] = 3.0
        watched.done(4)
        watched.look()

    assert "4/9" in out.getvalue()


def test_part_is_judged_by_paired_differences() -> None:
    """Each day is two minutes worse without the part: surely two, however days differ."""
    told = difference([5.0, 12.0, 32.0], [3.0, 10.0, 30.0])

    assert told == {"difference": 2.0, "ci_low": 2.0, "ci_high": 2.0}


def test_ablation_has_what_was_played_and_is_known() -> None:
    """One row a removed part that took part, one figure each that both had on some day."""
    runs = {
        "pilewise": {1: row(3.0, burden_min=None), 2: row(4.0, burden_min=None)},
        without("hold"): {1: row(5.0, burden_min=9.0), 2: row(8.0, burden_min=9.0)},
    }
    for rows in runs.values():
        for one in rows.values():
            one.update(p95_drive_plus_wait_min=1.0, no_plug_share=0.1, failed_charge_share=0.0)

    told = ablated(runs)

    assert set(told) == {"pilewise-no-hold"}
    assert told["pilewise-no-hold"]["mean_drive_plus_wait_min"]["difference"] == 3.0
    assert "burden_min" not in told["pilewise-no-hold"]
    assert ablated({without("hold"): {1: row(1.0)}}) == {}


def test_ratio_and_gap_are_plain_values() -> None:
    """Ours 3 minutes, nearest-free 6, the bound 2: half as long, half as much above the bound."""
    policies = {"pilewise": 3.0, "nearest-free": 6.0, OPTIMUM: 2.0}
    runs = [run(policy) for policy in policies]

    told = summed(runs, [row(minutes) for minutes in policies.values()])

    assert told["pilewise_over_nearest_free"] == 0.5
    assert told["pilewise_over_nearest_free_ci_high"] == 0.5
    assert (told["optimum_min"], told["gap_to_optimum"]) == (2.0, 0.5)
    assert told["wait_by_level"] == {"high": 1.0, "medium": 1.0, "low": None}


def test_unknown_scene_and_policy_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is none says which there are."""
    for arguments, hint in (
        (["--scenario", "moon-9"], "campus-280"),
        (["--policies", "clever"], "pilewise-no-hold"),
    ):
        with pytest.raises(SystemExit):
            main(arguments)
        assert hint in capsys.readouterr().err


@pytest.mark.slow
def test_ablation_flag_plays_every_part_and_writes_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One command gives the table, the JSON, the kept runs, and the page with both."""
    pytest.importorskip("matplotlib")
    arguments = ["--ablation", "--cars", "25", "--seeds", "2", "--jobs", "1", "--json"]
    arguments += ["--out", str(tmp_path / "out"), "--report", str(tmp_path / "page")]

    assert main(arguments) == 0

    said = capsys.readouterr()
    told = json.loads(said.out.splitlines()[-1])
    assert set(told["ablation"]) == {
        "pilewise-no-hold", "pilewise-no-replan", "pilewise-no-portrait",
        "pilewise-no-knowledge-map", "pilewise-no-chain",
    }  # fmt: skip
    assert told["past"] is True
    figures = told["ablation"]["pilewise-no-portrait"]
    assert {"difference", "ci_low", "ci_high"} == figures["burden_min"].keys()
    assert "pilewise-no-hold" in said.err
    assert json.loads((tmp_path / "out" / "compare.json").read_text()) == told
    page = (tmp_path / "page" / "report.html").read_text()
    assert "What each part is worth" in page
    assert "knowledge-map" in page


def test_page_of_a_comparison_says_what_came_out() -> None:
    """The summary has the ratio, the sections a table for each number of cars."""
    pytest.importorskip("matplotlib")
    from datetime import UTC, datetime

    runs = [run("pilewise"), run("nearest-free")]
    told = {
        "scenario": "campus-280", "seed": 1, "seeds": 1,
        **summed(runs, [row(3.0, gini=0.1), row(6.0, gini=0.2)]),
    }  # fmt: skip

    made = page_of(told, ["--seeds", "1"], datetime(2026, 1, 1, tzinfo=UTC))

    assert "0.50 times as long" in made.summary
    assert [section.heading for section in made.sections] == ["10 cars"]
    assert made.origin.command == "pilewise city compare --seeds 1"
