"""What the doctor says of clock, disk, SQLite and serial lines, on both sides of each bound."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_agent.commands import check_host
from edge_agent.commands.finding import Finding, Level

GIB = 1 << 30


def levels(findings: list[Finding]) -> list[str]:
    return [finding.level for finding in findings]


@pytest.mark.parametrize(
    ("skew_s", "level"),
    [(0.2, "ok"), (-5.0, "ok"), (5.1, "warning"), (-60.0, "warning"), (60.1, "error")],
)
def test_clock_skew_has_two_bounds(skew_s: float, level: str) -> None:
    """Up to 5 s is well, up to a minute a warning, beyond an error."""
    found = list(check_host.check_clock(skew_s))

    assert levels(found) == ["ok", level]


@pytest.mark.parametrize("now_s", [5.0, 1_700_000_000.0])
def test_T2_clock_that_was_never_set_is_an_error(
    now_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that believes to be in 1970 or before this software was made is told so."""
    monkeypatch.setattr(time, "time", lambda: now_s)

    (finding,) = check_host.check_clock(None)

    assert finding.level is Level.ERROR
    assert "timedatectl" in finding.hint


def test_T4_far_skew_is_named_as_the_cause_of_certificate_trouble() -> None:
    """A clock that is days away explains certificates that seem expired."""
    finding = list(check_host.check_clock(-31 * 86_400.0))[1]

    assert finding.level is Level.ERROR
    assert "certificates may seem expired or not yet valid" in finding.text


@pytest.mark.parametrize(
    ("free", "level"), [(20 * GIB, "ok"), (9 * GIB, "warning"), (10 << 20, "error")]
)
def test_disk_is_held_against_the_budget(
    tmp_path: Path, free: int, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room for the budget is well, less is a warning, next to none an error."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))

    found = list(check_host.check_disk(tmp_path, 10 * GIB))

    assert levels(found) == [level]


def test_old_sqlite_is_a_warning_that_says_why_it_is_harmless(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before 3.51.3 the WAL fault is named with the reason why one writer is safe."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 2))
    (old,) = check_host.check_sqlite()
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    (new,) = check_host.check_sqlite()

    assert (old.level, new.level) == (Level.WARNING, Level.OK)
    assert "exactly one writing connection" in old.text


def test_E16_serial_line_that_is_gone_is_an_error_with_the_known_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that changed is told with the lasting names that are there; a moving name warns."""
    device = tmp_path / "ttyUSB1"
    device.touch()
    lasting = tmp_path / "by-id"
    lasting.symlink_to(device)
    monkeypatch.setattr(check_host, "_names_by_id", lambda: {device: lasting})

    gone, moving, good = check_host.check_lines(
        {"A": str(tmp_path / "ttyUSB0"), "B": str(device), "C": str(lasting)}
    )

    assert (gone.level, moving.level, good.level) == (Level.ERROR, Level.WARNING, Level.OK)
    assert str(lasting) in gone.hint
    assert moving.hint == f"write {lasting}"
