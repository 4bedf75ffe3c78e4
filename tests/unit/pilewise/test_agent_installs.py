"""The extra `agent` installs on a gateway: without numpy, from wheels, on both processors."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[3]
SIZE_LIMIT = 100_000_000  # bytes of files that a gateway's flash is asked for
COMES_WITH_PYTHON = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
HEAVY = {"numpy", "scipy", "onnxruntime", "torch", "h3"}
PLATFORMS = {
    machine: [f"manylinux_2_{n}_{machine}" for n in range(28, 16, -1)]
    + [f"manylinux2014_{machine}", f"linux_{machine}"]
    for machine in ("x86_64", "aarch64")
}


def declared() -> list[str]:
    """What a gateway installs: the base and the extras agent and serial."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *extras["agent"], *extras["serial"]]


def closure(wanted: list[str]) -> set[str]:
    """Names of everything that the requirements pull in, as the installed packages declare it."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in wanted]
    while waiting:
        requirement = waiting.pop()
        name = requirement.name.lower().replace("_", "-")
        try:
            more = requires(requirement.name) or []
        except PackageNotFoundError:
            more = []
        known = name in found
        found.add(name)
        for text in more:
            inner = Requirement(text)
            extras = requirement.extras or {""}
            if inner.marker and not any(inner.marker.evaluate({"extra": e}) for e in extras):
                continue
            if not known or requirement.extras:
                waiting.append(inner)
    return found


def pip(*words: str, within_s: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *words],
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )


def installed_bytes(packages: Path) -> int:
    """Size of all files but those that any fresh environment has, in bytes."""
    ours = [p for p in packages.iterdir() if not p.name.startswith(COMES_WITH_PYTHON)]
    files = [file for part in ours for file in (part, *part.rglob("*")) if file.is_file()]
    return sum(file.stat().st_size for file in files)


def needs_an_index(folder: Path) -> None:
    """Skips where pip or its index cannot be reached."""
    tried = pip("download", "-q", "--no-deps", "-d", str(folder / "probe"), "structlog")
    if tried.returncode:
        pytest.skip("hint: run where pip reaches a package index")


def test_agent_extra_pulls_no_heavy_package() -> None:
    """Neither the base nor the extra agent leads to numpy, by whatever way."""
    names = closure(declared())

    assert {"pymodbus", "sqlite-utils", "websockets", "aiomqtt", "grpcio"} <= names
    assert names & HEAVY == set()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("machine", sorted(PLATFORMS))
def test_agent_has_a_wheel_for_everything(tmp_path: Path, machine: str) -> None:
    """Everything the agent needs exists as a wheel for this processor; numpy is not among it.

    A package that is pure Python but only sold as source would need a compiler's tools too.
    """
    needs_an_index(tmp_path)
    tags = [word for tag in PLATFORMS[machine] for word in ("--platform", tag)]
    abis = ["--abi", "cp311", "--abi", "abi3", "--abi", "none"]

    got = pip(
        "download",
        "-q",
        "--only-binary=:all:",
        *tags,
        *abis,
        "--implementation",
        "cp",
        "--python-version",
        "3.11",
        "-d",
        str(tmp_path / "wheels"),
        *declared(),
        within_s=500,
    )

    wheels = sorted(path.name for path in (tmp_path / "wheels").glob("*"))
    assert got.returncode == 0, got.stderr[-2000:]
    assert [name for name in wheels if not name.endswith(".whl")] == []
    assert [name for name in wheels if name.split("-")[0].lower() in HEAVY] == []
    assert any(machine in name for name in wheels)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_agent_runs_from_a_fresh_environment(tmp_path: Path) -> None:
    """With the extra agent alone the commands of a gateway work; no numpy, at most 100 MB."""
    needs_an_index(tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True, timeout=120)
    made = subprocess.run(
        [str(python), "-m", "pip", "install", "-q", f"{ROOT}[agent]"],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        cwd=tmp_path,
    )
    config = tmp_path / "agent.toml"
    config.write_text('[agent]\nid = "G1"\ncoordinator = "127.0.0.1:1"\ndata_dir = "data"\n')

    def ran(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(python), *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=tmp_path,
        )

    assert made.returncode == 0, made.stderr[-2000:]
    assert ran("-c", "import numpy").returncode == 1
    (packages,) = (tmp_path / "venv" / "lib").glob("python3*/site-packages")
    assert 0 < installed_bytes(packages) <= SIZE_LIMIT
    assert ran("-m", "edge_agent", "-c", str(config), "--check").returncode == 0
    unit = ran("-m", "edge_agent", "unit").stdout
    assert f"ExecStart={python} -m edge_agent" in unit
    doctor = ran("-m", "edge_agent", "doctor", "-c", str(config), "--offline", "--json")
    assert doctor.returncode == 0, doctor.stderr
