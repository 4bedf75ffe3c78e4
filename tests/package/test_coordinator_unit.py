"""The coordinator's systemd unit, as it is printed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ANALYZE = shutil.which("systemd-analyze")
MOST_EXPOSURE = 2.0


def printed() -> str:
    code = "from pilewise.cli import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", code, "coordinator", "unit"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.slow
def test_unit_runs_this_python_and_keeps_to_itself() -> None:
    """The interpreter that printed it is named; data has a directory of its own."""
    text = printed()

    assert f"ExecStart={sys.executable} -m coordinator" in text
    for line in ("DynamicUser=yes", "StateDirectory=pilewise-coordinator", "ProtectSystem=strict"):
        assert line in text


@pytest.mark.slow
@pytest.mark.skipif(ANALYZE is None, reason="hint: apt-get install systemd")
def test_systemd_accepts_the_unit_and_finds_little_exposed(tmp_path: Path) -> None:
    """`verify` says nothing, `security` computes an exposure below 2."""
    assert ANALYZE is not None
    path = tmp_path / "pilewise-coordinator.service"
    path.write_text(printed())
    verified = subprocess.run(
        [ANALYZE, "verify", str(path)], capture_output=True, text=True, timeout=60
    )
    judged = subprocess.run(
        [ANALYZE, "security", "--offline=true", str(path)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    exposure = re.search(r"Overall exposure level.*?: (\d+\.\d+)", judged.stdout)

    assert "pilewise-coordinator.service:" not in verified.stderr
    assert exposure is not None, judged.stdout + judged.stderr
    assert float(exposure[1]) < MOST_EXPOSURE
