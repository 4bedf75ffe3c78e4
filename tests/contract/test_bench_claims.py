"""The bench of the ledger: its audit finds broken promises, and its small forms find none."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from bench.claims import fences_rising
from bench.claims_audit import audit

ROOT = Path(__file__).resolve().parents[2]


def claim(
    name: str, evse: str, car: str, from_s: float, state: int = 1, *, ahead: bool = False
) -> list[object]:
    """A claim of 600 s as it stands in a row."""
    return [name, evse, car, from_s, from_s + 600.0, 3, state, 0.0, 1, "", False, ahead]


def journal(path: Path, *rows: list[list[object]]) -> Path:
    """A journal with these rows."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE step (seq INTEGER PRIMARY KEY, kind, claims)")
        for row in rows:
            body = (json.dumps(row).encode(),)
            connection.execute("INSERT INTO step (kind, claims) VALUES (0, ?)", body)
    connection.close()
    return path


def test_audit_counts_two_claims_that_share_an_instant(tmp_path: Path) -> None:
    """Also where the second is a window in the future, until the first has ended."""
    first, second = claim("a", "E1", "car-1", 0.0), claim("b", "E1", "car-2", 599.0, ahead=True)
    third = claim("c", "E1", "car-3", 1_199.0)
    ended = claim("a", "E1", "car-1", 0.0, state=5)

    assert audit(journal(tmp_path / "1", [first], [second])).overlaps == 1
    assert audit(journal(tmp_path / "2", [first], [second, ended], [third])).overlaps == 0


def test_audit_counts_cars_with_more_than_they_may_hold(tmp_path: Path) -> None:
    """One place, and beside it one window in the future."""
    now, other = claim("a", "E1", "car-1", 0.0), claim("b", "E2", "car-1", 0.0)
    ahead = claim("w", "E3", "car-1", 9_000.0, ahead=True)
    more = claim("v", "E4", "car-1", 9_000.0, ahead=True)

    assert audit(journal(tmp_path / "1", [now], [other])).double_cars == 1
    assert audit(journal(tmp_path / "2", [ahead], [more])).double_cars == 1
    assert audit(journal(tmp_path / "3", [now], [ahead])).double_cars == 0


def test_fences_must_rise_and_be_kept() -> None:
    """The same twice is no rise, and what the disk does not know is not kept."""
    assert fences_rising({"E1": [1, 2]}, {"E1": 2})
    assert not fences_rising({"E1": [2, 2]}, {"E1": 2})
    assert not fences_rising({"E1": [1, 2]}, {"E1": 1})


def figures(*options: str) -> dict[str, object]:
    """What the bench prints."""
    command = [sys.executable, "-m", "bench.claims", "--json", *options]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, check=True)
    found: dict[str, object] = json.loads(ran.stdout.decode().splitlines()[-1])
    return found


@pytest.mark.slow
def test_contended_claims_neither_overlap_nor_get_lost() -> None:
    """A small form of the bench, over a real file."""
    found = figures("--attempts", "4000")

    assert found["attempts"] >= 4000
    assert isinstance(found["granted_share"], float)
    assert found["granted_share"] >= 0.2
    assert (found["overlaps"], found["double_cars"], found["granted_lost"]) == (0, 0, 0)
    assert found["fences_rising"] is True
    assert {"p50_ms", "p99_ms", "rows_per_s", "ceiling_rows_per_s"} <= found.keys()


@pytest.mark.slow
def test_what_a_killed_ledger_had_told_is_on_the_disk() -> None:
    """SIGKILL at three random points of one file; nothing that was told is lost or undone."""
    found = figures("--kill", "--kills", "3")

    assert isinstance(found["granted"], int)
    assert found["granted"] > 0
    assert (found["granted_lost"], found["told_undone"], found["fences_lost"]) == (0, 0, 0)
    assert (found["overlaps"], found["double_cars"], found["live_unlike_journal"]) == (0, 0, 0)
    assert found["fences_rising"] is True
