"""The bench of the operator's page, run as its command."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def test_bench_web_prints_what_tabs_cost() -> None:
    """One JSON object: shares of a core with tabs and without, and that frames arrived."""
    command = [sys.executable, "-m", "bench.web", "--json", "--seconds", "1", "--clients", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["broken"] == []
    assert result["clients"] == 3
    assert result["frames_per_client_s"] > 0
    assert result["cpu_share_with"] > 0
    assert isinstance(result["within_budget"], bool)
