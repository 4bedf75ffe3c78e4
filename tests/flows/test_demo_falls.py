"""A room that dies in the middle of the demo is told as what it is."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.flow, pytest.mark.slow]
COMMAND = (sys.executable, "-c", "from pilewise.cli import main; main()", "demo")


def coordinator_in(folder: Path) -> int:
    """The process whose configuration lies in that folder."""
    wanted = f"{folder}/coordinator.toml".encode()
    (found,) = (
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and wanted in _words(entry)
    )
    return found


def _words(entry: Path) -> list[bytes]:
    try:
        return (entry / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


async def test_a_coordinator_that_dies_ends_the_show_with_an_error_and_no_traceback() -> None:
    """The room, how it ended and what to do; nothing is left on the disk."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--for", "10m", "--no-browser",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    assert process.stderr is not None
    folder = Path()
    async with asyncio.timeout(120):
        while b"charges at" not in (line := await process.stderr.readline()):
            assert line, "the demo ended by itself"
            if b"data in " in line:
                folder = Path(line.decode().split("data in ")[1].split(" ")[0])

    os.kill(coordinator_in(folder), signal.SIGKILL)
    _, err = await asyncio.wait_for(process.communicate(), 120)

    said = err.decode()
    assert process.returncode == 1
    assert "error[ENV-002]: coordinator exited with -9" in said
    assert "Traceback" not in said.partition("error[ENV-002]")[0]
    assert not folder.exists()
