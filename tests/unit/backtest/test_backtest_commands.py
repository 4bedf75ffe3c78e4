"""Backtests as their user runs them: a process, files, one JSON object or an error."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data"
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)

real_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="hint: put the data sets into ../shared/data beside the project"
)


def backtest(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, with torch made impossible to import."""
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['sklearn'] = None;"
        "from training.__main__ import main; sys.exit(main())"
    )
    return subprocess.run(
        [sys.executable, "-c", code, "backtest", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=ROOT,
    )


def figures(*arguments: str | Path) -> dict[str, object]:
    """The JSON object that a backtest prints."""
    ran = backtest(*arguments, "--json")
    assert ran.returncode == 0, ran.stderr
    found: dict[str, object] = json.loads(ran.stdout)
    return found


def write(path: Path, columns: str, rows: list[tuple[object, ...]]) -> Path:
    """A CSV file."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns.split(","))
        writer.writerows(rows)
    return path


def stations(folder: Path) -> Path:
    """Six stations in a row, a kilometre apart."""
    rows = [(f"S{n}", 22.5, 114.0 + 0.01 * n) for n in range(6)]
    return write(folder / "stations.csv", "station_id,lat,lon", rows)


def sessions(folder: Path, days: int = 60) -> Path:
    """Users who charge at one station in the morning and at another in the evening."""
    rng = np.random.default_rng(3)
    rows: list[tuple[object, ...]] = []
    for day in range(days):
        for user in range(8):
            for hour, at in ((8, user % 3), (19, 3 + user % 3)):
                if rng.random() < 0.4:
                    begin = BEGIN + timedelta(days=day, hours=hour, minutes=int(rng.integers(40)))
                    end = begin + timedelta(minutes=45)
                    times = (f"{when:%Y-%m-%d %H:%M:%S}" for when in (begin, end))
                    rows.append((f"U{user}", *times, f"S{at}", 9000))
    rows.append(("", "2026-01-05 01:00:00", "2026-01-05 01:01:00", "S0", 10))
    return write(folder / "sessions.csv", "user_id,begin,end,station_id,energy_wh", rows)


def test_choice_learns_morning_from_evening(tmp_path: Path) -> None:
    """Where users have a station for each hour, the model beats counting visits by far."""
    found = figures(
        "choice", "--sessions", sessions(tmp_path), "--stations", stations(tmp_path),
        "--test-from", "2026-02-15",
    )  # fmt: skip

    baselines = found["baselines"]
    assert isinstance(baselines, dict)
    assert found["hit1"] > 0.95  # type: ignore[operator]
    assert baselines["visits"]["hit1"] < 0.7
    assert baselines["popularity"]["hit1"] < 0.4
    assert found["ci"]["hit1"][0] <= found["hit1"] <= found["ci"]["hit1"][1]  # type: ignore[index]
    assert found["data"]["short_share"] > 0  # type: ignore[index]


def test_choice_takes_the_later_sessions_from_their_own_file(tmp_path: Path) -> None:
    """A split by file gives the figures of the same split by date."""
    whole = sessions(tmp_path)
    rows = list(csv.reader(whole.open()))
    cut = "2026-02-15"
    columns = ",".join(rows[0])
    early = write(tmp_path / "a.csv", columns, [tuple(r) for r in rows[1:] if r[1] < cut])
    late = write(tmp_path / "b.csv", columns, [tuple(r) for r in rows[1:] if r[1] >= cut])
    place = ("--stations", stations(tmp_path))

    by_date = figures("choice", "--sessions", whole, *place, "--test-from", cut)
    by_file = figures("choice", "--sessions", early, *place, "--test-sessions", late)

    for name in ("rows", "hit1", "mrr", "baselines"):
        assert by_date[name] == by_file[name]


def connectors(folder: Path) -> Path:
    """Forty connectors, two a post; those of type B are the bad ones."""
    rows = [(n, f"P:X{n // 2}", "AB"[n % 4 == 0], f"Street {n // 2}") for n in range(40)]
    return write(folder / "connectors.csv", "connector_id,cp,type,address", rows)


def intervals(folder: Path, days: int = 10) -> Path:
    """Connectors of type B fail every other day; in the evening all are in use for long."""
    rng = np.random.default_rng(5)
    rows: list[tuple[object, ...]] = []
    for number in range(40):
        changes: list[tuple[datetime, str]] = [(BEGIN, "available_or_unlisted")]
        for day in range(days):
            noon = BEGIN + timedelta(days=day, hours=12, minutes=int(rng.integers(60)))
            if number % 4 == 0 and rng.random() < 0.5:
                changes += [(noon, "oos"), (noon + timedelta(hours=1), "available_or_unlisted")]
            evening = BEGIN + timedelta(days=day, hours=18, minutes=int(rng.integers(30)))
            changes += [(evening, "occ"), (evening + timedelta(hours=2), "available_or_unlisted")]
        changes.append((BEGIN + timedelta(days=days), ""))
        for (start, state), (end, _) in pairwise(changes):
            rows.append((number, state, f"{start:%Y-%m-%d %H:%M:%S}", f"{end:%Y-%m-%d %H:%M:%S}"))
    return write(folder / "intervals.csv", "connector_id,state,start,end", rows)


def test_reliability_finds_the_kind_that_fails(tmp_path: Path) -> None:
    """Connectors of a kind that fails get high rates, and no baseline is surer of it."""
    found = figures(
        "reliability", "--connectors", connectors(tmp_path), "--intervals", intervals(tmp_path),
        "--test-from", "2026-01-12",
    )  # fmt: skip

    assert found["rows"] == 40
    assert found["auc"] > 0.95  # type: ignore[operator]
    assert found["brier"] < found["baselines"]["global"]["brier"]  # type: ignore[index,operator]
    assert set(found["baselines"]) == {  # type: ignore[call-overload]
        "global", "own_raw", "patent_eq1", "anchored_07",
    }  # fmt: skip
    served = found["served"]
    assert isinstance(served, dict)
    assert served["auc"] > 0.9
    assert set(found["before_map"]) == {"brier", "log_loss", "ece", "auc"}  # type: ignore[call-overload]
    assert served["frailty_shape"] < 1.0  # some fail every other day, the others never


def test_fleets_compare_estimates_pile_by_pile() -> None:
    """What is served beats counts, one rate for all and the printed Eq. (1); the truth beats it."""
    found = figures("fleets", "--fleets", "2", "--piles", "1000")

    paired = found["paired"]
    assert isinstance(paired, dict)
    assert found["fleets"] == 2
    for worse in ("raw", "global", "kind", "eb", "patent_eq1"):
        assert paired[worse]["brier_above"] > 0.0, worse
    assert paired["oracle"]["brier_above"] < 0.0
    assert found["ece"] < 0.05  # type: ignore[operator]


def test_fleets_need_a_bundle_that_serves(tmp_path: Path) -> None:
    """A folder without models is named, with what to do."""
    ran = backtest("fleets", "--bundle", tmp_path, "--json")

    assert ran.returncode == 3
    assert "error[TRAIN-012]" in ran.stderr
    assert "hint: " in ran.stderr


def test_arrival_knows_the_evening(tmp_path: Path) -> None:
    """What happens at an hour every day is expected before it happens."""
    found = figures(
        "arrival", "--connectors", connectors(tmp_path), "--intervals", intervals(tmp_path),
        "--test-from", "2026-01-12", "--horizons", "15,60",
    )  # fmt: skip

    horizons = found["horizons"]
    assert isinstance(horizons, list)
    assert [one["minutes"] for one in horizons] == [15.0, 60.0]
    for one in horizons:
        assert one["log_loss"] < min(one["baselines"].values())
        assert one["ci"]["log_loss"][0] <= one["log_loss"] <= one["ci"]["log_loss"][1]
        assert one["served"]["by"] == "model"
        assert 0.0 < one["served"]["log_loss"] < one["baselines"]["as_now"]
        assert one["in_contact"]["rows"] == one["rows"]  # none of these is ever silent
        assert one["in_contact"]["log_loss"] == one["log_loss"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--test-from", "2030-01-01"), "TRAIN-003", "nothing to test"),
        (("--test-from", "soon"), "TRAIN-004", "soon"),
        (("--test-sessions", "nowhere.csv"), "TRAIN-002", "nowhere.csv: no such file"),
    ],
)
def test_choice_refuses_what_cannot_be_tested(
    arguments: tuple[str, ...], code: str, says: str, tmp_path: Path
) -> None:
    """A split without rows, a date that is none and a missing file are named, with a hint."""
    ran = backtest(
        "choice", "--sessions", sessions(tmp_path), "--stations", stations(tmp_path), *arguments
    )

    assert ran.returncode == 3
    assert f"error[{code}]" in ran.stderr
    assert says in ran.stderr
    assert "hint:" in ran.stderr


def test_a_broken_row_is_named_by_its_line(tmp_path: Path) -> None:
    """A time that is none is told with file and line; a missing column by its name."""
    broken = write(
        tmp_path / "broken.csv", "connector_id,state,start,end", [(0, "occ", "today", "later")]
    )
    poor = write(tmp_path / "poor.csv", "connector_id,state", [(0, "occ")])
    options = ("--connectors", connectors(tmp_path), "--test-from", "2026-01-12")

    assert (
        "line 2: 'today' is no time" in backtest("arrival", "--intervals", broken, *options).stderr
    )
    assert "has no column start" in backtest("arrival", "--intervals", poor, *options).stderr


@pytest.mark.slow
@real_data
def test_choice_on_real_sessions_beats_every_baseline() -> None:
    """On a year of public sessions: mrr 1.08 and hit1 1.15 times those of counting visits."""
    folder = DATA / "lugano"
    found = figures(
        "choice", "--sessions", folder / "sessions.csv.gz", "--stations", folder / "stations.csv",
        "--test-from", "2017-10-24",
    )  # fmt: skip

    baselines = found["baselines"]
    assert isinstance(baselines, dict)
    for name in ("mrr", "hit1"):
        assert found[name] > max(one[name] for one in baselines.values())
    assert found["mrr"] >= 1.08 * baselines["visits"]["mrr"]
    assert found["hit1"] >= 1.15 * baselines["visits"]["hit1"]


@pytest.mark.slow
@real_data
def test_reliability_on_real_outages_is_calibrated() -> None:
    """On eleven days of 654 connectors: brier at most 0.85 of the own rate's, ece below 0.05."""
    folder = DATA / "ireland"
    found = figures(
        "reliability", "--connectors", folder / "connectors.csv",
        "--intervals", folder / "status_intervals.csv.gz", "--test-from", "2018-11-06T10:09",
    )  # fmt: skip

    baselines = found["baselines"]
    assert isinstance(baselines, dict)
    assert found["brier"] <= 0.85 * baselines["own_raw"]["brier"]
    assert found["ece"] <= 0.05  # type: ignore[operator]
    assert found["auc"] > max(one["auc"] for one in baselines.values())


@pytest.mark.slow
@real_data
def test_arrival_on_real_states_beats_both_baselines() -> None:
    """At 15 and 60 minutes the log loss is below that of the state now and of the table."""
    folder = DATA / "ireland"
    found = figures(
        "arrival", "--connectors", folder / "connectors.csv",
        "--intervals", folder / "status_intervals.csv.gz", "--test-from", "2018-11-06",
        "--horizons", "15,60",
    )  # fmt: skip

    for one in found["horizons"]:  # type: ignore[attr-defined]
        assert one["log_loss"] < min(one["baselines"].values())
