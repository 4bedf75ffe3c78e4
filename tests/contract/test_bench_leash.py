"""What a killed test run leaves behind: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RUN = """
import sys, time
from pathlib import Path
from pytest_pilewise.process import Room

room = Room("firmware_sim", "sim", Path(sys.argv[1]))
room.start('''
[sim]
bench = "127.0.0.1:0"
[[pile]]
pile_id = "A-01"
face = "modbus"
model = "keba-p30"
max_power_kw = 11
''')
print(room.pid, flush=True)
time.sleep(120)
"""


def is_there(pid: int) -> bool:
    """Whether a process of that id runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="hint: only Linux tells a child of its parent")
def test_rooms_end_with_a_run_that_was_killed(tmp_path: Path) -> None:
    """SIGKILL of whoever started a simulator ends the simulator, too."""
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    pid = int(run.stdout.readline())
    assert is_there(pid)

    run.send_signal(signal.SIGKILL)
    run.wait(10)

    end_s = time.monotonic() + 30
    while is_there(pid) and time.monotonic() < end_s:
        time.sleep(0.05)
    assert not is_there(pid)
