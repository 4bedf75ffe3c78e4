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


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of ascending values lies; NaN if there are none."""
    if not ordered:
        return float("nan")
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)


def last_json(output: bytes) -> Any:
    """The object on the last line of a process's output."""
    return json.loads(output.decode().strip().splitlines()[-1])
