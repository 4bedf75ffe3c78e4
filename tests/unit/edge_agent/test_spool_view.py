"""A spool folder seen from outside, while its agent runs and after."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.core.reading import EvseStatus, Record, RecordKind, StatusSource
from edge_agent.errors import SpoolBroken, SpoolTooNew
from edge_agent.uplink.spool_file import SpoolFile
from edge_agent.uplink.spool_view import SpoolView, kinds, view_spool


def record(at_ms: int, kind: RecordKind = RecordKind.METER) -> Record:
    urgent = kind is not RecordKind.METER
    return Record("A*1", kind, at_ms, EvseStatus.CHARGING, StatusSource.MODBUS, urgent=urgent)


def test_view_of_a_running_spool_counts_what_waits(tmp_path: Path) -> None:
    """Depth, instants, identifiers, gaps and news are read while the writer has the file open."""
    file = SpoolFile(tmp_path, lambda: "one")
    file.append([record(10), record(20)])
    file.append([record(30, RecordKind.FAULT)])
    file.thin(2, "THINNED")

    seen = view_spool(tmp_path)

    assert (seen.depth, seen.records, seen.news) == (3, 1, 1)
    assert (seen.oldest_at_ms, seen.newest_at_ms) == (30, 30)
    assert seen.spool_ids == ("one",)
    assert [(g.spool_id, g.first, g.last, g.reason) for g in seen.gaps] == [
        ("one", 1, 2, "THINNED")
    ]
    assert seen.size_bytes > 0
    assert kinds(tmp_path) == {"FAULT": 1}
    file.append([record(40)])
    file.close()


def test_view_names_what_was_put_aside(tmp_path: Path) -> None:
    """A damaged database that lies beside is named."""
    SpoolFile(tmp_path, lambda: "one").close()
    (tmp_path / "spool.db").write_bytes(b"none" * 2000)
    SpoolFile(tmp_path, lambda: "two").close()

    assert "spool.db.damaged-1" in view_spool(tmp_path).quarantined


def test_view_of_an_empty_folder_is_empty(tmp_path: Path) -> None:
    """Where no agent ran there is nothing, which is no error."""
    assert view_spool(tmp_path) == SpoolView()


def test_view_of_junk_is_refused(tmp_path: Path) -> None:
    """A file that is no spool is told as such, and one of a newer agent by its schema."""
    (tmp_path / "spool.db").write_bytes(b"none" * 2000)

    with pytest.raises(SpoolBroken, match="cannot be read"):
        view_spool(tmp_path)


def test_S7_view_refuses_a_newer_file(tmp_path: Path) -> None:
    """The view never guesses what a newer agent meant."""
    file = SpoolFile(tmp_path, lambda: "one")
    file.connection.execute("PRAGMA user_version=99")
    file.close()

    with pytest.raises(SpoolTooNew):
        view_spool(tmp_path)
