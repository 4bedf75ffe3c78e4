"""Puts a report into a folder: whole or not at all, and never over something else."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from city_sim.reports.errors import ReportRefused
from city_sim.reports.page import MARK, page
from city_sim.reports.report import Report

NAME = "report.html"
_SEARCHED = 2_048  # the mark stands in the first lines


def ready(folder: Path) -> None:
    """Returns if a report can be made there, so that a long run does not end in an error.

    Makes the folder. Raises `ReportRefused`, or `FiguresUnavailable` without matplotlib.
    """
    from city_sim.reports.drawing import require

    require()
    _check(folder / NAME)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, made = tempfile.mkstemp(prefix=".report-", dir=folder)
        os.close(handle)
        Path(made).unlink()
    except OSError as error:
        raise _refused(folder / NAME, error) from error


def write(report: Report, folder: Path) -> Path:
    """The file written: `report.html` in the folder, which is made. Replaces a report.

    Raises `ReportRefused` for a file of that name that is no report, or a refusing disk.
    """
    path = folder / NAME
    _check(path)
    made = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", prefix=".report-", dir=folder, delete=False
        ) as file:
            made = Path(file.name)
            file.write(page(report))
            file.flush()
            os.fsync(file.fileno())
        made.chmod(0o644)
        made.replace(path)
        made = None
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        if made is not None:
            made.unlink(missing_ok=True)
    return path


def _check(path: Path) -> None:
    """Raises `ReportRefused` for what stands in the way."""
    try:
        if not os.path.lexists(path):
            return
        if not path.is_file():
            raise ReportRefused(path, "something that is no file has this name")
        with path.open("rb") as file:
            begin = file.read(_SEARCHED)
    except OSError as error:
        raise _refused(path, error) from error
    if MARK.encode() not in begin:
        raise ReportRefused(path, "the file of this name was not written as a report",
                            "move that file away, or give another folder")  # fmt: skip


def _refused(path: Path, error: OSError) -> ReportRefused:
    return ReportRefused(path, error.strerror or str(error))
