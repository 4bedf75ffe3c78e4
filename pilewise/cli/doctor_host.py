"""What the doctor looks at on the host: Python and packages, clock, disk, limits, lines, programs.

Ports, configurations, models and the coordinator belong to `doctor_reach.py`.
"""

from __future__ import annotations

import ctypes
import getpass
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pilewise
from pilewise.cli.doctor_finding import Finding, error, note, ok, warning
from pilewise.version import __version__

# A module that only the extra brings, and what it is for.
EXTRAS: Final = {
    "agent": ("pymodbus", "the edge agent"),
    "coordinator": ("onnxruntime", "the coordinator"),
    "sim": ("pymodbus", "simulated piles"),
    "serial": ("serial", "piles on RS-485 lines"),
    "demo": ("amqtt", "pilewise demo"),
    "tui": ("textual", "pilewise sim tui"),
    "train": ("torch", "training"),
}
NEEDED: Final = ("agent", "coordinator", "sim")
# Programs of the system, what each is for, and the package that brings it.
PROGRAMS: Final = {
    "chromium": (("chromium", "chromium-browser", "google-chrome"), "browser tests", "chromium"),
    "node": (("node", "nodejs"), "the example car in JavaScript", "nodejs"),
    "mosquitto": (("mosquitto",), "bay sensors over MQTT", "mosquitto"),
}
LEAST_FREE_BYTES: Final = 64 << 20
LITTLE_FREE_BYTES: Final = 1 << 30
SLOW_SYNC_S: Final = 0.05
SYNCS: Final = 5
OPEN_FILES: Final = 1024
UNSYNCHRONIZED: Final = 5
PROGRAM_S: Final = 5.0
SERIAL: Final = ("serial/by-id/*", "ttyUSB*", "ttyACM*", "ttyAMA*")


def check_python() -> Iterator[Finding]:
    """The interpreter, and whether it is the one that the shell would find."""
    version = platform.python_version()
    where = f"pilewise {__version__} on Python {version} ({sys.executable})"
    yield ok("python", where)
    found = shutil.which("pilewise")
    own = Path(sys.executable).with_name("pilewise")
    if found is None:
        yield note(
            "python", "the shell does not find pilewise", f'export PATH="{own.parent}:$PATH"'
        )
    elif own.exists() and Path(found).resolve() != own.resolve():
        hint = f"the shell finds {found}; call {own} where this one is meant"
        yield warning("python", "several pilewise are installed", hint)


def check_packages() -> Iterator[Finding]:
    """Which extras are installed, and how to get the others."""
    there = [extra for extra, (module, _) in EXTRAS.items() if find_spec(module) is not None]
    if not any(extra in there for extra in NEEDED):
        hint = 'pip install "pilewise[all]", or [agent] on a gateway, [coordinator] in a district'
        yield error("packages", "no room is installed, only the command", hint)
    else:
        yield ok("packages", f"extras that are here: {', '.join(there)}")
    for extra, (_, use) in EXTRAS.items():
        if extra not in there:
            hint = f'pip install "pilewise[{extra}]"'
            yield note("packages", f"extra {extra} is not installed ({use})", hint)


def check_clock() -> Iterator[Finding]:
    """Whether the system's time can be right, and whether anything keeps it so."""
    hint = "set the clock and keep it set: timedatectl set-ntp true"
    now = datetime.fromtimestamp(time.time(), UTC)
    installed = datetime.fromtimestamp(Path(pilewise.__file__).stat().st_mtime, UTC)
    if now.timestamp() + 86_400 < installed.timestamp():
        text = f"it is {now:%Y-%m-%d}, but this software was installed on {installed:%Y-%m-%d}"
        yield error("clock", text, hint)
        return
    if _kernel_clock() == UNSYNCHRONIZED:
        yield warning("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC; nothing keeps the clock set", hint)
    else:
        yield ok("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _kernel_clock() -> int:
    """The state that the kernel tells of its clock; -1 where it tells none."""
    # Larger than struct timex of any platform; all zero asks and sets nothing.
    asked = ctypes.create_string_buffer(512)
    try:
        return int(ctypes.CDLL(None).adjtimex(asked))
    except (OSError, AttributeError):
        return -1


def check_disk(folders: list[Path]) -> Iterator[Finding]:
    """Room on the disks of these folders, and how long one durable write takes."""
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        there = next(one for one in (folder, *folder.parents) if one.is_dir())
        free = shutil.disk_usage(there).free
        text = f"{folder}: {free / (1 << 20):,.0f} MiB free"
        if not os.access(there, os.W_OK):
            yield error("disk", f"{there} cannot be written", "look at mount and owner")
        elif free < LEAST_FREE_BYTES:
            yield error("disk", text, "free space there")
        elif free < LITTLE_FREE_BYTES:
            yield warning("disk", text, "free space there; a spool alone may grow to 1 GiB")
        else:
            took_s = _sync_s(there)
            timed = f"{text}, {1000 * took_s:.1f} ms a durable write"
            hint = "use a disk of its own, not a network drive or a worn SD card"
            slow = took_s > SLOW_SYNC_S
            yield warning("disk", timed, hint) if slow else ok("disk", timed)


def _sync_s(folder: Path) -> float:
    """Seconds that a small write takes until the disk has it, the middle one of a few."""
    took = []
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".pilewise-doctor-") as file:
        for _ in range(SYNCS):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return sorted(took)[SYNCS // 2]


def check_limits() -> Iterator[Finding]:
    """Open files, and whether text comes out as it was meant."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES:
        yield warning("limits", f"{soft} open files are allowed", f"ulimit -n {min(hard, 65_536)}")
    else:
        yield ok("limits", f"{soft} open files are allowed")
    encoding = (sys.stdout.encoding or "").lower()
    if not encoding.startswith("utf"):
        hint = "export LC_ALL=C.UTF-8"
        yield warning("locale", f"text is written as {encoding or 'nothing known'}", hint)


def check_serial() -> Iterator[Finding]:
    """Whether serial lines that are plugged in may be opened."""
    lines = dict.fromkeys(path.resolve() for one in SERIAL for path in Path("/dev").glob(one))
    if not lines:
        yield note("serial", "no serial line is plugged in (needed for piles on RS-485 only)")
    for line in lines:
        if os.access(line, os.R_OK | os.W_OK):
            yield ok("serial", f"{line} may be opened")
        else:
            hint = f"sudo usermod -aG dialout {getpass.getuser()}, then log in anew"
            yield error("serial", f"{line} may not be opened", hint)


def check_programs() -> Iterator[Finding]:
    """Programs of the system that some uses need."""
    for check, (names, use, package) in PROGRAMS.items():
        found = next((path for name in names if (path := shutil.which(name))), None)
        if found is None:
            yield note(check, f"not installed ({use})", f"apt-get install {package}")
        else:
            yield ok(check, f"{found} {_version(found)}".rstrip())


def _version(program: str) -> str:
    flag = "-h" if program.endswith("mosquitto") else "--version"
    try:
        ran = subprocess.run(
            [program, flag], capture_output=True, text=True, timeout=PROGRAM_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = (ran.stdout.strip().splitlines() or [""])[0].split()
    return next((word.strip("v,") for word in words if any(c.isdigit() for c in word)), "")
