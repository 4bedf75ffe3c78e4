"""E1 and E2: nothing that was answered is lost when the agent is killed or the power is cut.

PILEWISE_LONG=1 makes 1,000 kills and 50 cuts of the short forms.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.uplink.spool_file import SpoolFile

ROOT = Path(__file__).resolve().parents[3]
LONG = os.environ.get("PILEWISE_LONG") == "1"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(0 if LONG else 120)]
KILLS = 1000 if LONG else 12
CUTS = 50 if LONG else 5
END = 1 << 62

Numbers = set[tuple[str, int]]


class Writer:
    """The writing process, its answers read as they come."""

    def __init__(self, folder: Path, pragma: str = "") -> None:
        command = [sys.executable, str(ROOT / "tests/support/spool_writer.py"), str(folder)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [*command, pragma], stdout=subprocess.PIPE, text=True, env=environment
        )
        self.answered: Numbers = set()
        self.begun = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.endswith("\n"):
                return
            spool_id, first, last = line.split()
            self.answered.update((spool_id, n) for n in range(int(first), int(last) + 1))
            self.begun.set()

    def run(self, moment_s: float) -> None:
        """Lets it write for a moment after its first commit."""
        assert self.begun.wait(30)
        threading.Event().wait(moment_s)

    def signal(self, number: signal.Signals) -> None:
        """Sends the process a signal."""
        self._process.send_signal(number)

    def kill(self) -> Numbers:
        """SIGKILL; what it had answered until then."""
        self.signal(signal.SIGKILL)
        self._process.wait(10)
        self._thread.join(10)
        return self.answered


def drain(folder: Path, far: Counter[tuple[str, int]]) -> Numbers:
    """What the far side stores of the spool (each send counted), and numbers lost in gaps."""
    file = SpoolFile(folder, lambda: "never")
    lost = {(gap.spool_id, n) for gap in file.gaps(1000) for n in range(gap.first, gap.last + 1)}
    position = 0
    while run := file.read_run(position, END, 500, 1 << 20):
        numbers = range(run.first_record_seq, run.first_record_seq + len(run.records))
        far.update((run.spool_id, n) for n in numbers)
        position = run.position + len(run.records)
        file.settle(run.spool_id, ((numbers[0], numbers[-1]),))
    file.close()
    return lost


def test_E1_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """Killed at random moments, each record that was answered reaches the far side exactly once."""
    rng = random.Random(11)
    answered: Numbers = set()
    far: Counter[tuple[str, int]] = Counter()
    lost: Numbers = set()
    for turn in range(KILLS):
        writer = Writer(tmp_path)
        writer.run(rng.uniform(0.0, 0.15))
        answered |= writer.kill()
        if turn % 3 == 0:
            lost |= drain(tmp_path, far)
    lost |= drain(tmp_path, far)

    print(f"kills {KILLS} answered {len(answered)} stored {len(far)}")
    assert answered - set(far) == set()
    assert [number for number, times in far.items() if times > 1] == []
    assert lost == set()
    assert len({spool_id for spool_id, _ in far}) == 1
    assert sorted(n for _, n in far) == list(range(1, len(far) + 1))


@pytest.fixture
def loop_disk(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A mounted ext4 image and the file behind it."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("hint: run as root with e2fsprogs to mount a loop image")
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(24 << 20)
    run("mkfs.ext4", "-q", "-F", str(image))
    if run("mount", "-o", "loop", str(image), str(folder), check=False):
        pytest.skip("hint: mounting a loop image is not allowed here")
    yield image, folder
    run("umount", "-l", str(folder))


def run(*command: str, check: bool = True) -> int:
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.returncode


def missing_after_cut(image: Path, writer: Writer, folder: Path, place: str) -> int:
    """Numbers answered before a copy of the disk was taken that the copy does not have."""
    # Stopped meanwhile: a copy that takes its time would mix two instants, as no power cut does.
    writer.signal(signal.SIGSTOP)
    answered = set(writer.answered)
    shutil.copyfile(image, folder / "cut.img")
    writer.signal(signal.SIGCONT)
    mounted = folder / "cut"
    mounted.mkdir(exist_ok=True)
    run("mount", "-o", "loop", str(folder / "cut.img"), str(mounted))
    try:
        if not (mounted / place / "spool.db").exists():
            return len(answered)
        far: Counter[tuple[str, int]] = Counter()
        drain(mounted / place, far)
        return len(answered - set(far))
    finally:
        run("umount", str(mounted))


@pytest.mark.parametrize("pragma", ["FULL", "OFF"])
def test_E2_power_cuts_lose_nothing_that_was_answered(
    tmp_path: Path, loop_disk: tuple[Path, Path], pragma: str
) -> None:
    """With FULL every answered record is on the disk's copy; without syncing the check fails."""
    image, folder = loop_disk
    rng = random.Random(5)
    missing, answered = [], 0
    for cut in range(CUTS if pragma == "FULL" else 3):
        # A spool of its own for each cut: reading an ever larger copy would take ever longer.
        place = folder / str(cut)
        place.mkdir()
        writer = Writer(place, pragma)
        try:
            writer.run(rng.uniform(0.05, 0.4))
            missing.append(missing_after_cut(image, writer, tmp_path, place.name))
        finally:
            answered += len(writer.kill())
        shutil.rmtree(place)

    print(f"{pragma}: cuts {len(missing)} answered {answered} missing {missing}")
    assert (sum(missing) == 0) == (pragma == "FULL")
