"""Adapters of data that were not made here: tiny files in, typed columns out, troubles counted."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from city_sim.log import play_logged
from city_sim.policies import GreedyHold
from city_sim.scenarios import generated
from training.__main__ import main
from training.sources import (
    SourceInvalid,
    read_dc_sessions,
    read_sessions,
    read_usage,
)
from training.sources.city_log import read_log
from training.sources.quality import Quality

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data"
real_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="hint: put the data sets into ../shared/data beside the project"
)

EPFL = [
    "Session",
    "CCS",
    "Arrival",
    "Departure",
    "Stay (min)",
    "Energy (Wh)",
    "Pmax (W)",
    "SOC arrival",
    "SOC departure",
]


def write(path: Path, columns: list[str], rows: list[list[object]]) -> Path:
    """A CSV file, zipped if its name says so."""
    text = io.StringIO()
    csv.writer(text).writerows([columns, *rows])
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def reported(capsys: pytest.CaptureFixture[str], *paths: Path) -> list[dict[str, Any]]:
    """The reports that `python -m training data` prints."""
    assert main(["data", *map(str, paths), "--json"]) == 0
    sources: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["sources"]
    return sources


def dc_rows() -> list[list[object]]:
    """Two good sessions out of order, one repeated, one that ended early, one charged to 130 %."""
    return [
        ["2", "CCS2", "2022-05-02 08:00:00", "2022-05-02 08:30:00", 31, 30000, 90000, 20, 80],
        ["1", "CCS1", "2022-05-01 08:00:00", "2022-05-01 08:20:00", 20, 20000, "", "", 60],
        ["1", "CCS1", "2022-05-01 08:00:00", "2022-05-01 08:20:00", 20, 20000, "", "", 60],
        ["3", "CCS1", "2022-05-03 08:00:00", "2022-05-03 07:00:00", 20, 20000, 90000, 20, 80],
        ["4", "CCS1", "2022-05-04 08:00:00", "2022-05-04 09:00:00", 20, 20000, 90000, 20, 130],
    ]


def test_dc_sessions_become_columns_in_order_of_time(tmp_path: Path) -> None:
    """Units are converted at the boundary; unknown is NaN; nobody is named."""
    sessions = read_dc_sessions(write(tmp_path / "s.csv", EPFL, dc_rows()))

    assert len(sessions) == 2
    assert sessions.energy_kwh.tolist() == [20.0, 30.0]
    assert np.isnan(sessions.start_soc_pct[0])
    assert sessions.start_soc_pct[1] == 20.0
    assert sessions.power_kw[1] == 90.0
    assert sessions.user.tolist() == [-1, -1]
    assert [sessions.plug_ids[n] for n in sessions.plug] == ["CCS1", "CCS2"]
    assert (np.diff(sessions.begin_s) > 0).all()


def test_report_of_dc_sessions_says_what_was_dropped_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every row read is kept or counted under a reason; missing are shares of what was read."""
    (told,) = reported(capsys, write(tmp_path / "s.csv", EPFL, dc_rows()))

    assert told["source"] == "dc_sessions"
    assert (told["read"], told["rows"], told["duplicates"]) == (5, 2, 1)
    assert told["dropped"] == {
        "repeated": 1,
        "ended before it began": 1,
        "SOC departure outside 0 to 100": 1,
    }
    assert told["missing"] == {"Pmax (W)": 0.4, "SOC arrival": 0.4}
    assert told["clock"] == {"out_of_order": 1, "ended_before_begin": 1}
    assert told["span"] == ["2022-05-01T08:00:00", "2022-05-02T08:30:00"]
    assert told["columns"]["Arrival"] == "time"
    assert told["read"] == told["rows"] + sum(told["dropped"].values())


def usage(folder: Path) -> Path:
    """Two stations for four hours, one hour missing, one value none, zipped and not."""
    stations = [[0, -46.6, -23.5, 1, 7.4], [1, -46.7, -23.6, 2, 22.0]]
    columns = ["station_id", "longitude", "latitude", "pile_num", "avg_power"]
    write(folder / "stations.csv", columns, [list(row) for row in stations])
    hours = ["00", "01", "03"]
    table = [[f"2023-04-01 {h}:00:00", 0.5, n] for n, h in enumerate(hours)]
    write(folder / "duration.csv.gz", ["", "1", "0"], [list(row) for row in table])
    volume = [[f"2023-04-01 {h}:00:00", 3.5, "" if n else 2] for n, h in enumerate(hours)]
    write(folder / "volume.csv", ["", "1", "0"], volume)
    return folder


def test_hourly_use_becomes_columns_by_station(tmp_path: Path) -> None:
    """Columns follow the stations by name; a price that is not there is unknown."""
    found = read_usage(usage(tmp_path))

    assert found.station_ids == ("1", "0")
    assert found.used_h.tolist() == [[0.5, 0.0], [0.5, 1.0], [0.5, 2.0]]
    assert np.isnan(found.energy_kwh[1, 1])
    assert np.isnan(found.energy_price).all()
    assert found.pile_count.tolist() == [2, 1]
    assert found.places[1].tolist() == [-23.5, -46.6]
    assert found.report["beyond_piles_share"] > 0  # two pile-hours of one pile


def test_report_of_hourly_use_finds_the_hole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing hour is clock trouble; missing cells are a share of all cells; a folder works."""
    told = {Path(one["file"]).name: one for one in reported(capsys, usage(tmp_path))}

    assert told["duration.csv.gz"]["clock"] == {"missing_hours": 1}
    assert told["volume.csv"]["missing"] == {"value": 0.3333}
    assert told["stations.csv"]["source"] == "usage_stations"


def test_unknown_users_are_missing_and_not_a_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The word that a source writes for nobody names nobody."""
    columns = ["session_id", "user_id", "begin", "end", "station_id"]
    times = ["2017-01-01 10:00:00", "2017-01-01 11:00:00"]
    file = write(
        tmp_path / "s.csv", columns, [[1, "Sconosciuto", *times, "A"], [2, "u", *times, "A"]]
    )
    stations = write(tmp_path / "st.csv", ["station_id", "lat", "lon"], [["A", 46.0, 8.9]])

    sessions = read_sessions([file], stations)

    assert sessions.user_ids == ("u",)
    assert sessions.user.tolist() == [-1, 0]
    assert reported(capsys, file)[0]["missing"]["user_id"] == 0.5


def test_overlapping_states_of_a_connector_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two states at once are clock trouble; the same span of another connector is none."""
    day = "2018-11-01 "
    rows = [
        [0, "occ", day + "10:00:00", day + "11:00:00"],
        [0, "oos", day + "10:30:00", day + "12:00:00"],
        [1, "occ", day + "10:00:00", day + "11:00:00"],
        [1, "gone", day + "11:00:00", day + "12:00:00"],
        [1, "occ", "noon", day + "12:00:00"],
    ]
    file = write(
        tmp_path / "i.csv", ["connector_id", "state", "start", "end"], list(map(list, rows))
    )

    (told,) = reported(capsys, file)

    assert told["clock"] == {"overlaps": 1}
    assert told["dropped"] == {"unknown state": 1, "start is no time": 1}


def test_the_city_s_log_comes_back_as_sessions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every car served in the made-up city is a session, at a placed station, with its energy."""
    scene = generated(3, cars=40, stations=12)
    file = tmp_path / "city.jsonl"
    with file.open("w") as out:
        cars = play_logged(scene, GreedyHold(), out)

    sessions = read_log(file)

    left = [car for car in cars if car.doing.value == "left"]
    assert len(sessions) >= len(left) > 30
    assert set(sessions.user_ids) <= {car.demand.user_id for car in cars}
    assert np.isfinite(sessions.places).all()
    assert (sessions.end_s > sessions.begin_s).all()
    assert np.nanmax(sessions.energy_kwh) > 5.0
    (told,) = reported(capsys, file)
    assert (told["source"], told["rows"]) == ("city_log", len(sessions))


def test_a_torn_line_of_a_log_is_named_or_counted(tmp_path: Path) -> None:
    """Learning stops at the line; the report counts it and goes on."""
    file = tmp_path / "city.jsonl"
    whole = {
        "kind": "session", "car_id": "c", "station_id": "S", "evse_id": "S*1",
        "asked_at_s": 0.0, "begin_at_s": 10.0, "end_at_s": 400.0,
    }  # fmt: skip
    file.write_text(json.dumps(whole) + "\n" + json.dumps(whole)[:30] + "\n")
    quality = Quality()

    with pytest.raises(SourceInvalid, match="line 2"):
        read_log(file)
    assert len(read_log(file, quality, strict=False)) == 1
    assert quality.dropped["neither station nor session"] == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gone.csv", None, "no such file"),
        ("empty.csv", b"", "no source has these columns: none"),
        ("other.csv", b"a,b\n1,2\n", "no source has these columns: a, b"),
        ("binary.csv", b"\xff\xfe\x00\x01", "is no text in UTF-8"),
        ("torn.csv.gz", gzip.compress(b"begin,end\n" * 999, mtime=0)[:14], "not read"),
    ],
)
def test_a_file_that_cannot_be_used_ends_with_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None, says: str
) -> None:
    """The error names the file, what is wrong and what to do; nothing is printed on stdout."""
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)

    assert main(["data", str(file), "--json"]) == 3

    out, err = capsys.readouterr()
    assert out == ""
    assert "error[TRAIN-002]" in err
    assert name in err
    assert says in err
    assert "hint:" in err


@real_data
def test_real_dc_sessions_are_what_they_are_known_to_be() -> None:
    """Mean stay 32.9 min and 32.2 kWh, from 33.7 to 79.1 %: the figures published with them."""
    sessions = read_dc_sessions(DATA / "epfl_dc" / "sessions.csv")

    assert len(sessions) == 1878
    assert sessions.energy_kwh.mean() == pytest.approx(32.2, abs=0.1)
    assert sessions.start_soc_pct.mean() == pytest.approx(33.7, abs=0.1)
    assert sessions.end_soc_pct.mean() == pytest.approx(79.1, abs=0.1)
    assert (sessions.end_s - sessions.begin_s).mean() / 60 == pytest.approx(32.4, abs=1.0)


@real_data
def test_real_hourly_use_has_every_hour_of_every_station() -> None:
    """183 days of 47 stations without a hole, use and energy known in every hour."""
    found = read_usage(DATA / "saopaulo")

    assert found.used_h.shape == (4392, 47)
    assert np.isfinite(found.used_h).all()
    assert np.isfinite(found.energy_kwh).all()
    assert found.report["dropped"] == 0.0
