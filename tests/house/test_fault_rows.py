"""Every fault on the list has a test that carries its name, and a line on the page of faults."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from bench.fault_tests import ROOT, find_tests, read_rows

PAGE = ROOT / "docs" / "faults.md"
ROWS = read_rows()
TESTS = find_tests()
COUNTS = {"E": 16, "L": 9, "C": 13, "S": 11, "M": 7, "V": 7, "T": 5, "K": 6}


def sections() -> dict[str, str]:
    """The page by row."""
    parts = re.split(r"^### ([A-Z]\d+): ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("row", ROWS)
def test_fault_has_a_test_of_its_name(row: str) -> None:
    """A row without a test is found here, not in the field; what has none yet says why."""
    named = {test.row for test in TESTS}

    assert row in named or ROWS[row].awaits


@pytest.mark.parametrize("row", ROWS)
def test_fault_has_a_line_with_its_tests(row: str) -> None:
    """The page says what is done about it, and names tests that are there."""
    told = sections().get(row, "")
    shown = re.findall(r"`(tests/[^`]+)`", told)

    assert ROWS[row].answer[1:] in told, "run: python -m bench.faults --page > docs/faults.md"
    assert shown or f"comes with {ROWS[row].awaits}" in told
    assert set(shown) <= {test.node for test in TESTS if test.row == row}


def test_list_of_faults_is_whole() -> None:
    """Rows are numbered without a hole, and no test is named after a row that is not there."""
    assert list(ROWS) == [
        f"{letter}{n + 1}" for letter, count in COUNTS.items() for n in range(count)
    ]
    assert Counter(row[0] for row in ROWS) == COUNTS
    assert {test.row for test in TESTS} <= set(ROWS)
