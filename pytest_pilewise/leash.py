"""Becomes a room that ends when whoever started it is gone, however that ended.

`python -m pytest_pilewise.leash PARENT_PID ROOM ARGS...`. Linux only; elsewhere the room just runs.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def leashed(room: str, *args: str) -> list[str]:
    """The command line that runs a room on a leash held by this process."""
    held_by = str(os.getpid())
    return [sys.executable, "-m", "pytest_pilewise.leash", held_by, room, *args]


def main() -> None:
    """Asks the system for SIGTERM at the parent's end, then turns into the room."""
    parent_pid, room, *args = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != int(parent_pid):  # it was gone before it was asked about
            sys.exit(1)
    os.execv(sys.executable, [sys.executable, "-m", room, *args])


if __name__ == "__main__":
    main()
