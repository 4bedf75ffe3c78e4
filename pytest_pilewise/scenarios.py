"""Plays scenario files in virtual time, as a process; what was not met fails the test.

Scenarios themselves belong to the simulator: `pilewise sim scenario list`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_pilewise.errors import BenchError, NotMet

LIMIT_S = 600.0


def play_scenario(
    what: str | Path, *, seed: int = 0, record: Callable[[str, object], None] | None = None
) -> dict[str, Any]:
    """The report of one scenario, by its name or as a file; raises NotMet with what was seen.

    `record` takes seed and hash of the result for the test's report.
    """
    __tracebackhide__ = True
    words = ["-m", "firmware_sim", "scenario", "run", str(what), "--seed", str(seed), "--json"]
    ran = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    if ran.returncode not in (0, 1) or not ran.stdout.strip():
        raise BenchError(f"scenario {what}: exit code {ran.returncode}\n{ran.stderr}")
    report: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])["results"][0]
    if record is not None:
        record("scenario", report["name"])
        record("scenario_seed", seed)
        record("scenario_hash", report["result_hash"])
    if not report["passed"]:
        raise NotMet(f"scenario {report['name']}, seed {seed}:\n{ran.stderr.strip()}")
    return report
