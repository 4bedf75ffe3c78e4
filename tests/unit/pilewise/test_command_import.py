"""`pilewise coordinator import` and `export`, with and without a running coordinator."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pilewise.rooms import RoomProcess

pytestmark = pytest.mark.slow
STATIONS = """station_id,longitude,latitude,charge_count,TAZID,area,perimeter
7,114.05,22.54,2,1,1,1
8,114.09,22.56,3,1,1,1
"""


def pilewise(*args: str) -> subprocess.CompletedProcess[str]:
    """The command as people run it."""
    code = "from pilewise.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A coordinator's configuration on a port that was free a moment ago, and a station list."""
    (tmp_path / "stations.csv").write_text(STATIONS)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = tmp_path / "coordinator.toml"
    path.write_text(
        f'[coordinator]\ndistrict = "t"\nlisten = "127.0.0.1:{port}"\n'
        f'data_dir = "{tmp_path / "data"}"\n'
    )
    return path


def evses(config: Path) -> set[str]:
    """EVSEs that the export names."""
    ran = pilewise("coordinator", "export", "-c", str(config), "--format", "geojson")
    assert ran.returncode == 0, ran.stderr
    found: set[str] = set()

    def collect(value: object) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("evse_id"), str):
                found.add(value["evse_id"])
            for inner in value.values():
                collect(inner)
        elif isinstance(value, list):
            for inner in value:
                collect(inner)

    collect(json.loads(ran.stdout))
    return found


async def test_what_was_imported_comes_out_again_stopped_and_running(config: Path) -> None:
    """An import with no coordinator and one through a running coordinator are both exported."""
    stations = ["--stations", str(config.parent / "stations.csv")]
    first = pilewise("coordinator", "import", "-c", str(config), *stations, "--limit", "1",
                     "--near", "22.53,114.04", "--json")  # fmt: skip
    stopped = evses(config)
    async with RoomProcess("coordinator", ("-c", str(config)), config.parent / "log"):
        second = pilewise("coordinator", "import", "-c", str(config), *stations, "--json")
        running = evses(config)

    assert json.loads(first.stdout)["stations"] == 1
    assert json.loads(second.stdout)["stations"] == 2
    assert len(stopped) == 2
    assert len(running) == 5
    assert stopped < running


def test_every_bad_row_is_named_with_its_line_and_nothing_is_stored(config: Path) -> None:
    """A file with two bad rows ends with exit code 3, both lines named, and the store empty."""
    bad = config.parent / "bad.csv"
    bad.write_text(STATIONS + "9,900,22.5,2,1,1,1\n10,114.0,north,2,1,1,1\n")

    ran = pilewise("coordinator", "import", "-c", str(config), "--stations", str(bad))

    assert ran.returncode == 3
    assert f"{bad.name}:4" in ran.stderr
    assert f"{bad.name}:5" in ran.stderr
    assert evses(config) == set()


SESSIONS = """evse_id,started_at,ended_at,user_id,vehicle_id,energy_kwh,price,currency
7-1*1,2026-11-20T08:00:00+08:00,2026-11-20T08:40:00+08:00,u1,v1,21.5,33.1,CNY
7-1*1,2026-11-21T08:00:00+08:00,2026-11-21T08:40:00+08:00,,,,,
"""
REQUESTS = """request_id,asked_at,latitude_deg,longitude_deg,soc_pct,user_id,evse_id,level
q1,2026-11-20T00:00:00Z,22.54,114.05,18,u1,7-1*1,MEDIUM
"""


async def test_sessions_and_requests_read_back_as_they_were_written(config: Path) -> None:
    """What is exported is a file that the import takes, stopped and running, without doubling."""
    kinds = {"sessions": SESSIONS, "requests": REQUESTS}
    files = []
    for kind, text in kinds.items():
        (config.parent / f"{kind}.csv").write_text(text)
        files += [f"--{kind}", str(config.parent / f"{kind}.csv")]
    stations = ["--stations", str(config.parent / "stations.csv")]
    first = pilewise("coordinator", "import", "-c", str(config), *stations, *files, "--json")
    stopped = {kind: exported(config, kind) for kind in kinds}
    for kind, text in stopped.items():
        (config.parent / f"{kind}.csv").write_text(text)
    async with RoomProcess("coordinator", ("-c", str(config)), config.parent / "log"):
        second = pilewise("coordinator", "import", "-c", str(config), *files, "--json")
        running = {kind: exported(config, kind) for kind in kinds}

    for ran in (first, second):
        assert ran.returncode == 0, ran.stderr
        counts = json.loads(ran.stdout)
        assert (counts["sessions"], counts["requests"]) == (2, 1)
    assert running == stopped
    assert (
        stopped["sessions"]
        .splitlines()[1]
        .startswith("7-1*1,2026-11-20T00:00:00+00:00,2026-11-20T00:40:00+00:00,7,v1,u1,21.5,2400,")
    )
    assert ",MEDIUM,7-1*1," in stopped["requests"]


def exported(config: Path, form: str) -> str:
    """The file that the command writes."""
    ran = pilewise("coordinator", "export", "-c", str(config), "--format", form)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


async def test_surroundings_are_imported_stopped_and_running(config: Path) -> None:
    """The same file is taken by the store and by a running coordinator; a bad row by neither."""
    good, bad = config.parent / "good.csv", config.parent / "bad.csv"
    head = "latitude_deg,longitude_deg,name,value,source\n"
    good.write_text(f"{head}22.54,114.05,temperature_c,31,weather\n")
    bad.write_text(f"{head}22.54,114.05,temperature_c,nan,weather\n")
    command = ("coordinator", "import", "-c", str(config), "--json", "--context")

    stopped, refused = pilewise(*command, str(good)), pilewise(*command, str(bad))
    async with RoomProcess("coordinator", ("-c", str(config)), config.parent / "log"):
        running = pilewise(*command, str(good))

    for ran in (stopped, running):
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout)["context"] == 1
    assert refused.returncode == 3
    assert "bad.csv:2" in refused.stderr


async def test_piles_are_entered_and_scrapped_stopped_and_running(config: Path) -> None:
    """A pile that is scrapped is gone from the export until --piles brings it back."""
    stations = ["--stations", str(config.parent / "stations.csv")]
    assert pilewise("coordinator", "import", "-c", str(config), *stations).returncode == 0
    (config.parent / "piles.csv").write_text("pile_id,station_id,maker\n7-1,7,ABB\n")
    back = ("coordinator", "import", "-c", str(config), "--piles", str(config.parent / "piles.csv"))
    retire = ("coordinator", "retire", "7-1", "-c", str(config), "--reason", "burnt")

    counts = []
    for ran in (pilewise(*retire), pilewise(*back)):
        assert ran.returncode == 0, ran.stderr
        counts.append(len(evses(config)))
    async with RoomProcess("coordinator", ("-c", str(config)), config.parent / "log"):
        for ran in (pilewise(*retire), pilewise(*back)):
            assert ran.returncode == 0, ran.stderr
            counts.append(len(evses(config)))
        unknown = pilewise("coordinator", "retire", "nobody", "-c", str(config))

    assert counts[1] == counts[3] == 5
    assert unknown.returncode != 0
    assert "nobody" in unknown.stderr
