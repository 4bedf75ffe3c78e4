"""What is installed: a wheel with all that the rooms read, and the same archive each time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def build(kind: str, folder: Path, **environment: str) -> Path:
    """Builds offline, with what is installed, and gives the only file."""
    command = ("-m", "hatchling", "build", "-t", kind, "-d", str(folder))
    built = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PIP_NO_INDEX": "1", **environment},
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build("wheel", tmp_path_factory.mktemp("wheel")))


@pytest.mark.parametrize("room", ["edge_agent", "coordinator", "firmware_sim", "city_sim"])
def test_wheel_has_every_file_of_a_room(wheel: zipfile.ZipFile, room: str) -> None:
    """Profiles, units, models, pages, registers: all that is tracked under a room is shipped."""
    tracked = subprocess.run(
        ["git", "ls-files", room], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()

    assert len(tracked) > 20
    assert [name for name in tracked if name not in wheel.namelist()] == []


def test_wheel_carries_contract_and_default_weights(wheel: zipfile.ZipFile) -> None:
    """The contract's sources, the trained models and the unit files are inside."""
    names = wheel.namelist()

    assert "pilewise/proto/pilewise/v1/charging_service.proto" in names
    assert any(name.endswith("ranker.onnx") for name in names)
    assert "coordinator/systemd/pilewise-coordinator.service" in names
    assert "edge_agent/systemd/pilewise-agent.service" in names


def test_wheel_leaves_tests_and_benchmarks_out(wheel: zipfile.ZipFile) -> None:
    """Who installs it gets no test, no benchmark and no cache."""
    tops = {name.split("/")[0] for name in wheel.namelist()}

    assert not tops & {"tests", "bench", "docs", "deploy", ".ci"}
    assert not [name for name in wheel.namelist() if "__pycache__" in name]


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_archives_are_the_same_each_time(kind: str, tmp_path: Path) -> None:
    """Built twice, in other time zones and at other times, every byte is the same."""
    first = build(kind, tmp_path / "1", TZ="Asia/Shanghai")
    second = build(kind, tmp_path / "2", TZ="America/New_York")

    assert first.name == second.name
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)}
    assert len(digests) == 1


def test_source_archive_holds_what_is_tracked(tmp_path: Path) -> None:
    """Tests, documents and benchmarks come along, so that a distribution can check itself."""
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}

    for wanted in ("tox.ini", "docs/tour.md", "tests/support/small_district.py", "bench/README.md"):
        assert wanted in names
