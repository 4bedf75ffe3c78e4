"""Surroundings from CSV or JSON: a place or a cell, a name, a value, who says so, when."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coordinator.core.surroundings import (
    TTL_S,
    ContextValue,
    cell_at,
    cell_of,
    fault_of,
)
from coordinator.errors import ImportInvalid, Problem
from coordinator.importers.rows import Cells, raise_if, read_json, read_rows
from coordinator.importers.tables import instant

COLUMNS = ("h3_cell", "latitude_deg", "longitude_deg", "name", "value", "source", "observed_at",
           "ttl_s")  # fmt: skip


def load_context(path: Path, now_s: float | None = None) -> list[ContextValue]:
    """Values of a file: .json is a list of objects, else CSV; raises `ImportInvalid`."""
    values, problems = read_context(Path(path), time.time() if now_s is None else now_s)
    raise_if(problems)
    return values


def read_context(path: Path, now_s: float) -> tuple[list[ContextValue], list[Problem]]:
    """The values of a file that are in order, and what is wrong with each of the others.

    Raises `ImportInvalid` for a file that cannot be read at all.
    """
    values: list[ContextValue] = []
    problems: list[Problem] = []
    for where, cells in _rows(path):
        try:
            values.append(_value(cells, now_s))
        except ValueError as error:
            problems.append(Problem("IMP-003", where, str(error)))
    return values, problems


def _rows(path: Path) -> Iterator[tuple[str, Cells]]:
    if path.suffix.lower() != ".json":
        yield from (
            (f"{path}:{line}", cells) for line, cells in read_rows(path, ("name", "value"), COLUMNS)
        )
        return
    entries = read_json(path)
    if not isinstance(entries, list):
        raise ImportInvalid([Problem("IMP-004", str(path), "holds no list of values")])
    for number, entry in enumerate(entries):
        texts = {key: str(value) for key, value in entry.items()} if _plain(entry) else {}
        yield f"{path}: [{number}]", Cells(texts)


def _plain(entry: Any) -> bool:
    return isinstance(entry, dict)


def _value(cells: Cells, now_s: float) -> ContextValue:
    told = cells.text("observed_at", "")
    value = ContextValue(
        _cell(cells),
        cells.text("name"),
        cells.number("value", -1e12, 1e12),
        cells.text("source", "import"),
        instant(told) if told else now_s,
        cells.number("ttl_s", 0, 1e12, 0.0) or TTL_S,
    )
    if fault := fault_of(value, now_s):
        raise ValueError(" ".join(fault))
    return value


def _cell(cells: Cells) -> int:
    """The cell that is named, or that of the place that is named."""
    if text := cells.text("h3_cell", ""):
        return cell_of(text)
    return cell_at(cells.number("latitude_deg", -90, 90), cells.number("longitude_deg", -180, 180))
