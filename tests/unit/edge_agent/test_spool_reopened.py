"""After an I/O error the spool's file is opened anew, and again until that succeeds."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import SpoolBroken
from edge_agent.uplink import spool_disk
from edge_agent.uplink.spool_disk import SpoolDisk
from edge_agent.uplink.spool_file import SpoolFile


def test_S3_a_file_that_could_not_be_opened_anew_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second error while opening is no end: the next piece of work opens it."""
    disk = SpoolDisk(tmp_path, iter(["s-1", "s-2"]).__next__, 0)
    troubles = iter([True, True])

    def opened(*given: Any, **named: Any) -> SpoolFile:
        if next(troubles, False):
            raise SpoolBroken("disk I/O error")
        return SpoolFile(*given, **named)

    monkeypatch.setattr(spool_disk, "SpoolFile", opened)
    disk.mend(SpoolBroken("disk I/O error"))

    with pytest.raises(SpoolBroken):
        disk.with_room(lambda file: file.next_record_seq)
    assert disk.with_room(lambda file: (file.spool_id, file.next_record_seq)) == ("s-1", 1)


def test_S3_what_sqlite_says_is_an_error_of_the_spool(tmp_path: Path) -> None:
    """Work that meets an I/O error fails with the spool's error, which has the file mended."""
    disk = SpoolDisk(tmp_path, iter(["s-1"]).__next__, 0)

    def failing(file: SpoolFile) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(SpoolBroken):
        disk.with_room(failing)
