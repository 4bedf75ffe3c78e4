"""Long work beside the loop: its result and its error come back, and the end waits for nobody."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from coordinator.jobs.aside import aside

ROOT = Path(__file__).resolve().parents[3]
CANCELLED_WHILE_BUSY = """
import asyncio, threading, time
from coordinator.jobs.aside import aside

async def main():
    begun = threading.Event()
    def work():
        begun.set()
        time.sleep(600)
    task = asyncio.create_task(aside(work))
    await asyncio.to_thread(begun.wait, 60)
    task.cancel()

asyncio.run(main())
print("ended")
"""


async def test_result_comes_from_another_thread() -> None:
    """The work is done elsewhere, and what it gives is given."""
    where = await aside(threading.current_thread)

    assert where is not threading.current_thread()
    assert where.name == "coordinator:aside"


async def test_error_is_raised_where_it_is_awaited() -> None:
    """What goes wrong in the thread is not lost."""

    def fail() -> None:
        raise LookupError("no such pile")

    with pytest.raises(LookupError, match="no such pile"):
        await aside(fail)


def test_process_ends_while_the_work_goes_on() -> None:
    """Work of ten minutes does not keep a process that was told to stop."""
    ended = subprocess.run(
        [sys.executable, "-c", CANCELLED_WHILE_BUSY],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "ended\n"
