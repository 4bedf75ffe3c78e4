"""What the laboratory's commands print: results on stdout, all else on stderr."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_stdout_holds_the_result_and_nothing_else(tmp_path: Path) -> None:
    """A run in which cars are sent elsewhere logs nothing on stdout: one line, the object."""
    ran = subprocess.run(
        [sys.executable, "-m", "city_sim", "compare", "--policies", "pilewise", "--cars", "60",
         "--seeds", "1", "--failing-share", "0.5", "--walk-in-share", "0.3", "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    (line,) = ran.stdout.splitlines()
    assert json.loads(line)["results"]["60"]["pilewise"]["switches"] > 0
