"""How benches read the clock of another process and sum up what they saw."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used, user and system. Source: proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mib(pid: int) -> tuple[float, float]:
    """Memory that a process holds now and the most it ever held, MiB. Source: proc(5)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    sizes = dict(line.split(":", 1) for line in lines)
    now, most = (int(sizes[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return round(now, 1), round(most, 1)


def written_mib(pid: int) -> float:
    """What a process caused to be written to a disk, MiB; 0 on a file system in memory."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    figures = {name: int(value) for name, value in (line.split(": ") for line in lines)}
    return (figures["write_bytes"] - figures["cancelled_write_bytes"]) / 2**20


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of ascending values lies; NaN if there are none."""
    if not ordered:
        return float("nan")
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)


def last_json(output: bytes) -> Any:
    """The object on the last line of a process's output."""
    return json.loads(output.decode().strip().splitlines()[-1])
