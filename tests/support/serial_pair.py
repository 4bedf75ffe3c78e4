"""Two pseudo-terminals joined by socat, like the two ends of a serial line."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

DEADLINE_S = 60.0


@dataclass
class SerialPair:
    """The paths of both ends, and the process that joins them."""

    device: Path
    master: Path
    process: subprocess.Popen[bytes]

    def pull(self) -> None:
        """Takes the line away: both ends hang up and their paths vanish."""
        self.process.terminate()
        self.process.wait(DEADLINE_S)


def need(tool: str) -> str:
    """The path of a tool; skips the test with a hint where it is absent."""
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"hint: apt-get install {tool}")
    return found


def need_pyserial() -> None:
    """Skips the test with a hint where the extra is absent."""
    pytest.importorskip("serial", reason="hint: pip install 'pilewise[serial]'")


@asynccontextmanager
async def serial_pair(folder: Path) -> AsyncIterator[SerialPair]:
    """A joined pair in a folder: `device` and `master`."""
    need_pyserial()
    device, master = folder / "device", folder / "master"
    process = _join(device, master)
    pair = SerialPair(device, master, process)
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not (device.exists() and master.exists()):
                await asyncio.sleep(0.01)
        yield pair
    finally:
        pair.pull()


def _join(device: Path, master: Path) -> subprocess.Popen[bytes]:
    ends = [f"pty,raw,echo=0,link={end}" for end in (device, master)]
    return subprocess.Popen([need("socat"), *ends], stderr=subprocess.DEVNULL)
