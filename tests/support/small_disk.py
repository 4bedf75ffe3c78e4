"""A small file system of its own, mounted for one test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def mount(folder: Path, options: str) -> None:
    """Mounts a file system in memory; skips the test where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("hint: run as root to mount a small tmpfs")
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, timeout=10, check=False)
    if done.returncode:
        pytest.skip("hint: mounting is not allowed here")


def remount(folder: Path, options: str) -> None:
    """Changes its size, or whether it can be written."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True, timeout=10)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A folder with a file system of its own."""
    folder.mkdir()
    mount(folder, options)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=10)
