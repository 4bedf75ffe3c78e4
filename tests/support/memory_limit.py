"""A control group of its own, in which the kernel kills what wants too much memory."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """The group; `used` and `limit` in bytes."""

    folder: Path
    limit_file: str
    used_file: str

    def take(self, pid: int) -> None:
        """Puts a process in, with all that it begins later."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    def limit(self, size: int) -> None:
        """Whoever brings the group above this is killed."""
        (self.folder / self.limit_file).write_text(str(size))

    @property
    def used(self) -> int:
        """What the group uses."""
        return int((self.folder / self.used_file).read_text())


@contextlib.contextmanager
def memory_limit() -> Iterator[MemoryLimit]:
    """A fresh group; skips the test where none can be made."""
    name = f"pilewise-test-{os.getpid()}"
    if (V1 / "memory.limit_in_bytes").exists():
        group = MemoryLimit(V1 / name, "memory.limit_in_bytes", "memory.usage_in_bytes")
    else:
        group = MemoryLimit(V2 / name, "memory.max", "memory.current")
    try:
        group.folder.mkdir()
        group.limit(1 << 40)
    except OSError as error:
        with contextlib.suppress(OSError):
            group.folder.rmdir()
        pytest.skip(f"hint: run as root where control groups of memory can be made ({error})")
    try:
        yield group
    finally:
        # The group is busy until the kernel has done away with its dead.
        deadline_s = time.monotonic() + 10.0
        while time.monotonic() < deadline_s:
            with contextlib.suppress(OSError):
                group.folder.rmdir()
                break
            time.sleep(0.05)
