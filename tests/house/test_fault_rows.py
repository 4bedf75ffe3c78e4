"""Every fault that concerns an agent or a model has a test that carries the name of its row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
ROWS = [
    *(f"E{n}" for n in range(1, 17)),
    *(f"L{n}" for n in range(1, 10)),
    *(f"S{n}" for n in range(1, 8)),
    *(f"T{n}" for n in (1, 2, 4)),
    *(f"K{n}" for n in range(1, 7)),
    *(f"M{n}" for n in range(1, 8)),
]
NAMED = {
    name
    for path in TESTS.rglob("test_*.py")
    for name in re.findall(r"def test_([A-Z]\d+)_\w+\(", path.read_text())
}


@pytest.mark.parametrize("row", ROWS)
def test_fault_has_a_test_of_its_name(row: str) -> None:
    """A row without a test is found here, not on a gateway or in a district."""
    assert row in NAMED
