"""The coordinator moves to another address under the same name."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from coordinator_process import CoordinatorProcess

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
NAME = "coordinator.pilewise.test"


async def test_L9_coordinator_at_another_address_is_found_within_60_s(tmp_path: Path) -> None:
    """The name leads elsewhere from now on: the agent resolves it anew and reports there."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("hint: run as root with util-linux to give a process a hosts file of its own")
    hosts = tmp_path / "hosts"
    coordinator = CoordinatorProcess(tmp_path, agent_open=True, listen="127.0.0.1:0")
    await coordinator.start()
    port = coordinator.address.rpartition(":")[2]
    hosts.write_text(f"127.0.0.1 {NAME} localhost\n")
    # Its own mounts: the hosts file that it sees is ours, and everybody else's stays as it is.
    shown = f'mount --bind "{hosts}" /etc/hosts && exec "$0" "$@"'
    command = [str(ROOT / "tests/support/dialling_agent.py"), str(tmp_path / "agent")]
    process = await asyncio.create_subprocess_exec(
        *("unshare", "-m", "sh", "-c", shown, sys.executable, *command, f"{NAME}:{port}"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/support'}"},
    )
    assert process.stdout is not None
    try:
        await asyncio.wait_for(_connected(process.stdout), 60)
        await coordinator.stop()
        text = coordinator.config.read_text()
        coordinator.config.write_text(text.replace("127.0.0.1:0", f"127.0.0.2:{port}"))
        await coordinator.start()
        hosts.write_text(f"127.0.0.2 {NAME} localhost\n")
        moved_s = time.monotonic()
        await asyncio.wait_for(_connected(process.stdout), 75)
        took_s = time.monotonic() - moved_s
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await coordinator.stop()

    assert took_s <= 60.0


async def _connected(lines: asyncio.StreamReader) -> None:
    """Returns when the process says that a stream stands; its log is passed over."""
    while (line := await lines.readline()) != b"connected\n":
        assert line, "the process ended"
