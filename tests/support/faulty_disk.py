"""A library that makes one process's disk fail or lie on demand; built by the test with gcc."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("faulty_disk.c")


@dataclass(frozen=True, slots=True)
class FaultyDisk:
    """The library, and the file that says what it does now."""

    library: Path
    control: Path
    under: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the process must be started with."""
        return {
            "LD_PRELOAD": str(self.library),
            "FAULTY_DISK_UNDER": str(self.under),
            "FAULTY_DISK_CONTROL": str(self.control),
        }

    def fail(self) -> None:
        """Every sync fails with EIO from now on."""
        self.control.write_text("e")

    def lie(self) -> None:
        """Every sync succeeds without being done from now on."""
        self.control.write_text("l")

    def refuse(self) -> None:
        """Whatever writes fails with EROFS from now on, as on a disk that was made read-only."""
        self.control.write_text("r")

    def mend(self) -> None:
        """The disk does its work again."""
        self.control.unlink(missing_ok=True)


def faulty_disk(folder: Path, under: Path) -> FaultyDisk:
    """A library for the files below `under`; skips the test where it cannot be built."""
    if shutil.which("gcc") is None:
        pytest.skip("hint: apt-get install gcc libc6-dev, which builds a disk that fails")
    library = folder / "faulty_disk.so"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    return FaultyDisk(library, folder / "faulty_disk.mode", under)
