"""The example cars of the documents drive to a real coordinator's pile and plug in."""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from served_brain import HERE, ServedBrain, serve_brain, station

from coordinator.core.areas.ledger import ClaimState
from coordinator.core.pile import EvseStatus

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
DEADLINE_S = 60.0
INSTALL_S = 120.0


async def trip(served: ServedBrain, *command: str, cwd: Path) -> tuple[int, list[str]]:
    """Exit code and lines of an example car; its session begins once it has arrived."""
    where = ["--latitude", str(HERE[0]), "--longitude", str(HERE[1]), "--step", "0.05"]
    process = await asyncio.create_subprocess_exec(
        *command, served.target, *where, cwd=cwd, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    lines = []
    try:
        async with asyncio.timeout(DEADLINE_S):
            async for line in process.stdout:
                lines.append(line.decode().strip())
                if lines[-1] == "arrived":
                    await arrival(served)
                    served.see("A-1*1", EvseStatus.CHARGING)
            return await process.wait(), lines
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def arrival(served: ServedBrain) -> None:
    """Returns once the coordinator has heard that the car is there."""
    while not any(math.isfinite(p.arrived_link_s) for p in served.brain.promises.open()):
        await asyncio.sleep(0.01)


def check(served: ServedBrain, code: int, lines: list[str]) -> None:
    """The car was told area and pile, plugged in, and its place is occupied."""
    assert code == 0, lines
    assert lines[0].startswith("A-1 · free")
    assert "revision 1: drive to Station A, hold SOFT" in lines
    assert any(line.startswith("revision 2: drive to A-1*1") for line in lines)
    assert lines[-2:] == ["arrived", "end: ARRIVED"]
    assert [c.state for c in served.brain.claims.table.live()] == [ClaimState.OCCUPIED]


@pytest.mark.slow
async def test_the_example_car_in_python_drives_and_plugs_in(tmp_path: Path) -> None:
    """`docs/examples/car.py` runs as its first lines say."""
    async with serve_brain([station("A", 5.0)]) as served:
        told = await trip(
            served, sys.executable, str(EXAMPLES / "car.py"), "--connector", "27", cwd=tmp_path
        )

        check(served, *told)


@pytest.mark.slow
async def test_the_example_car_in_node_drives_and_plugs_in(tmp_path: Path) -> None:
    """`docs/examples/node/car.js` does the same with @grpc/grpc-js and @grpc/proto-loader."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("hint: apt-get install nodejs npm")
    home = tmp_path / "node"
    shutil.copytree(EXAMPLES / "node", home)
    install = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
    try:
        done = await asyncio.to_thread(
            subprocess.run, install, cwd=home, capture_output=True, text=True, timeout=INSTALL_S
        )
    except subprocess.TimeoutExpired:
        pytest.skip("hint: the packages of docs/examples/node come from npm, which did not answer")
    if done.returncode:
        pytest.skip(f"hint: npm install needs its registry: {done.stderr[-200:]}")

    async with serve_brain([station("A", 5.0)]) as served:
        wishes = ["--connector", "IEC_62196_T2_COMBO", "--proto", str(ROOT / "proto")]
        told = await trip(served, node, "car.js", *wishes, cwd=home)

        check(served, *told)
