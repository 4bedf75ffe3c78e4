"""The bench of faults: it runs what is named after a row, and hides nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from bench.fault_tests import ROOT, FaultRow, FaultTest, find_tests
from bench.faults import read_report, summed

ROWS = {name: FaultRow(name, "a fault", "an answer", "a part") for name in ("E1", "E2", "E3", "E4")}
TESTS = [
    FaultTest(row, "tests/a.py", f"test_{row}_stands", "It stands.") for row in ("E1", "E2", "E3")
]


def test_rows_without_a_test_with_a_failed_one_and_with_skipped_ones_are_told() -> None:
    """A row that was not shown never counts as shown, whatever the others are."""
    ended = {
        "tests/a.py::test_E1_stands": Counter(passed=2),
        "tests/a.py::test_E2_stands": Counter(passed=5, failed=1),
        "tests/a.py::test_E3_stands": Counter(skipped=1),
    }

    found = summed(ROWS, TESTS, ended)

    assert (found["rows"], found["missing"], found["failed"], found["skipped"]) == (4, 1, 1, 1)
    assert found["missing_rows"] == ["E4"]
    assert found["failed_rows"] == ["E2"]
    assert found["skipped_rows"] == ["E3"]
    assert found["missing_await"] == {"E4": "a part"}


def test_test_that_reported_nothing_has_failed() -> None:
    """A run that broke off in the middle does not look like a good one."""
    found = summed(ROWS, TESTS, {"tests/a.py::test_E1_stands": Counter(passed=1)})

    assert found["failed_rows"] == ["E2", "E3"]


def test_report_tells_passed_failed_and_skipped_cases(tmp_path: Path) -> None:
    """Parameters of a test are counted together; tests of other names are left out."""
    report = tmp_path / "junit.xml"
    report.write_text(
        '<testsuites><testsuite><testcase file="t.py" name="test_E1_a[x]"/>'
        '<testcase file="t.py" name="test_E1_a[y]"><failure/></testcase>'
        '<testcase file="t.py" name="test_E2_b"><skipped/></testcase>'
        '<testcase file="t.py" name="test_other"/></testsuite></testsuites>'
    )

    assert read_report(report) == {
        "t.py::test_E1_a": Counter(passed=1, failed=1),
        "t.py::test_E2_b": Counter(skipped=1),
    }


def test_tests_are_found_by_their_names(tmp_path: Path) -> None:
    """In every file below tests/, with the first words of what they state."""
    folder = tmp_path / "tests" / "deep"
    folder.mkdir(parents=True)
    (folder / "test_one.py").write_text('async def test_E9_x_is_y():\n    """It\n    is."""\n')

    assert find_tests(tmp_path) == [
        FaultTest("E9", "tests/deep/test_one.py", "test_E9_x_is_y", "It is.")
    ]


@pytest.mark.slow
def test_rows_are_run_and_counted() -> None:
    """The command runs the tests of a row and prints one object."""
    command = [sys.executable, "-m", "bench.faults", "--json", "--rows", "K2,E7"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=110, check=True)
    found = json.loads(ran.stdout.decode().splitlines()[-1])

    assert (found["rows"], found["missing"], found["failed"]) == (2, 0, 0)
    assert found["cases_passed"] >= 5
