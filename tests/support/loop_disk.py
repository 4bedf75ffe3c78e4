"""A disk in a file, mounted for one test, and copies of it as a power cut would leave them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

TIMEOUT_S = 30


@contextmanager
def loop_disk(folder: Path, size_mib: int) -> Iterator[tuple[Path, Path]]:
    """The file behind an ext4 file system, and where that is mounted."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("hint: run as root with e2fsprogs to mount a loop image")
    image, mounted = folder / "disk.img", folder / "disk"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(size_mib << 20)
    subprocess.run(
        ["mkfs.ext4", "-q", "-F", "-J", "size=4", str(image)], check=True, timeout=TIMEOUT_S
    )
    if not _mount(image, mounted):
        pytest.skip("hint: mounting a loop image is not allowed here")
    try:
        yield image, mounted
    finally:
        subprocess.run(["umount", "-l", str(mounted)], check=True, timeout=TIMEOUT_S)


def copy_disk(image: Path, copy: Path) -> None:
    """The disk as it is now, holes left out."""
    command = ["cp", "--sparse=always", str(image), str(copy)]
    subprocess.run(command, check=True, timeout=TIMEOUT_S)


@contextmanager
def mounted_copy(copy: Path, folder: Path) -> Iterator[Path]:
    """What a machine would find on this copy of a disk after its power came back."""
    folder.mkdir(exist_ok=True)
    assert _mount(copy, folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=TIMEOUT_S)


def _mount(image: Path, folder: Path) -> bool:
    command = ["mount", "-o", "loop", str(image), str(folder)]
    return (
        subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False).returncode == 0
    )
