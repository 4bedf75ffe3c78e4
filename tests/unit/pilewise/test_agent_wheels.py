"""What an agent needs comes as wheels on both kinds of gateways, and without numpy.

pip is asked what it would install from whatever index it is set up for; nothing is installed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TAGS = ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_34")
HEAVY = {"numpy", "scipy", "onnxruntime", "torch", "pandas", "h3", "typer-slim"}
UNREACHABLE = ("NewConnectionError", "ConnectTimeout", "Temporary failure", "ProxyError")


def needs() -> list[str]:
    """What `pilewise[agent]` asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["agent"]]


def resolved(machine: str, folder: Path) -> dict[str, str]:
    """Names of what pip would install for a machine, and the files they would come from."""
    platforms = [word for tag in TAGS for word in ("--platform", f"{tag}_{machine}")]
    report = folder / "report.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"),
            *("--only-binary=:all:", "--implementation", "cp", "--python-version", "3.11"),
            *("--target", str(folder / "nowhere"), "--report", str(report)),
            *(*platforms, *needs()),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if done.returncode and any(word in done.stderr for word in UNREACHABLE):
        pytest.skip("hint: pip reaches no package index from here")
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(report.read_text())["install"]
    return {
        item["metadata"]["name"].lower(): item["download_info"]["url"].rpartition("/")[2]
        for item in found
    }


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_agent_installs_from_wheels_without_numpy(machine: str, tmp_path: Path) -> None:
    """Every package has a wheel for the machine or for any, and none is made for coordinators."""
    files = resolved(machine, tmp_path)

    assert {"grpcio", "protobuf", "pymodbus", "ocpp", "aiomqtt"} <= files.keys()
    assert not HEAVY & files.keys()
    for name, file in files.items():
        assert file.endswith(("-any.whl", f"{machine}.whl")), f"{name} comes as {file}"
