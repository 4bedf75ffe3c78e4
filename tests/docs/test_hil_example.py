"""The sample bench project passes as a stranger runs it: its own folder, the installed plugin."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench_runs import INSTALLED, properties

PROJECT = Path(__file__).resolve().parents[2] / "docs" / "examples" / "hil"
LIMIT_S = 240.0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_sample_project_needs_only_the_installed_plugin(tmp_path: Path) -> None:
    """Three tests pass, each with its requirement; neither this repository nor a path is named."""
    if not INSTALLED:
        pytest.skip("hint: pip install . registers the pytest plugin")
    project = tmp_path / "hil"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("__pycache__", ".pytest*"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST"))}

    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "--junitxml=report.xml", "-p", "no:cacheprovider"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = {
        case.get("name"): [value for name, value in properties(case) if name == "requirement"]
        for case in ElementTree.parse(project / "report.xml").iter("testcase")
    }
    assert told == {
        "test_welded_contactor_is_detected_in_time": ["HIL-001"],
        "test_fault_is_reported_upstream[MREC2GroundFailure]": ["HIL-002"],
        "test_car_is_rerouted": ["HIL-003"],
    }
