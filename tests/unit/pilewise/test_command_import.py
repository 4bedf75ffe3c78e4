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
