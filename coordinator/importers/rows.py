"""Reading rows of tables so that everything wrong with a file is said at once."""

from __future__ import annotations

import csv
import difflib
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from coordinator.errors import ImportInvalid, Problem

T = TypeVar("T")
PROBLEMS_LIMIT = 50
ALIKE = 0.85  # of two names, by difflib: vip_untill is meant as vip_until, station is no typo


class Cells:
    """One row; reading a cell that is wrong raises ValueError naming the column."""

    def __init__(self, cells: dict[str, str]) -> None:
        self._cells = cells

    def text(self, name: str, default: str | None = None) -> str:
        """The cell without surrounding blanks; without a default it must not be empty."""
        value = (self._cells.get(name) or "").strip()
        if not value:
            if default is None:
                raise ValueError(f"{name} is missing")
            return default
        return value

    def number(
        self, name: str, least: float, greatest: float, default: float | None = None
    ) -> float:
        """The cell as a number within bounds."""
        value = self.text(name, None if default is None else "")
        if not value and default is not None:
            return default
        try:
            number = float(value)
        except ValueError:
            raise ValueError(f"{name} is {value!r}, not a number") from None
        if not (math.isfinite(number) and least <= number <= greatest):
            raise ValueError(f"{name} is {value}, not within {least:g} to {greatest:g}")
        return number

    def whole(self, name: str, least: int, greatest: int, default: int | None = None) -> int:
        """The cell as a whole number within bounds."""
        number = self.number(name, least, greatest, default)
        if number != int(number):
            raise ValueError(f"{name} is {number:g}, not a whole number")
        return int(number)

    def words(self, name: str) -> tuple[str, ...]:
        """The cell split at semicolons."""
        return tuple(word.strip() for word in self.text(name, "").split(";") if word.strip())


def read_table(
    path: Path,
    needed: tuple[str, ...],
    read: Callable[[Cells], T],
    columns: tuple[str, ...] = (),
) -> list[tuple[int, T]]:
    """Line numbers and what `read` makes of each row of a CSV file.

    Raises `ImportInvalid` for a file without the needed columns or with a misspelling of one of
    `columns`, and for all rows in which `read` raises ValueError.
    """
    rows: list[tuple[int, T]] = []
    problems: list[Problem] = []
    for line, cells in read_rows(path, needed, columns):
        try:
            rows.append((line, read(cells)))
        except ValueError as error:
            problems.append(Problem("IMP-003", f"{path}:{line}", str(error)))
    raise_if(problems)
    return rows


def read_rows(
    path: Path, needed: tuple[str, ...], known: tuple[str, ...] = ()
) -> Iterator[tuple[int, Cells]]:
    """Line numbers and rows of a CSV file.

    Raises `ImportInvalid` if a needed column is missing, or a known one misspelt; columns that
    are like none are left alone.
    """
    reader = csv.DictReader(read_text(path).splitlines())
    try:
        columns = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = columns
        rows = [(reader.line_num, Cells(cells)) for cells in reader]
    except csv.Error as error:
        problem = Problem("IMP-002", f"{path}:{reader.line_num}", f"not CSV: {error}")
        raise ImportInvalid([problem]) from error
    problems: list[str] = []
    if missing := [name for name in needed if name not in columns]:
        problems = [f"columns are missing: {', '.join(missing)}"]
    problems += _misspelt(columns, known)
    raise_if([Problem("IMP-002", f"{path}:1", message) for message in problems])
    yield from rows


def _misspelt(columns: list[str], known: tuple[str, ...]) -> Iterator[str]:
    """What to say of each column that is meant as a known one which the file lacks."""
    absent = [name for name in known if name not in columns]
    for name in columns:
        if name not in known and (meant := difflib.get_close_matches(name, absent, 1, ALIKE)):
            yield f"column {name!r} is not known: did you mean {meant[0]!r}?"


def read_header(path: Path) -> list[str]:
    """Column names of a CSV file."""
    first = read_text(path).partition("\n")[0]
    try:
        return [name.strip() for name in next(csv.reader([first]), [])]
    except csv.Error as error:
        raise ImportInvalid([Problem("IMP-002", f"{path}:1", f"not CSV: {error}")]) from error


def read_text(path: Path) -> str:
    """The file's text; raises `ImportInvalid` if it cannot be read."""
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ImportInvalid([Problem("IMP-001", str(path), f"cannot be read: {error}")]) from error


def read_json(path: Path) -> Any:
    """The file's JSON value; raises `ImportInvalid` with the line if it is none."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        problem = Problem("IMP-004", f"{path}:{error.lineno}", f"not JSON: {error.msg}")
        raise ImportInvalid([problem]) from error
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, or brackets within brackets without end.
        problem = Problem("IMP-004", str(path), f"JSON that nobody can use: {error}")
        raise ImportInvalid([problem]) from error


def collect(path: Path, entries: Iterator[tuple[str, Any]], read: Callable[[Any], T]) -> list[T]:
    """What `read` makes of each entry; raises `ImportInvalid` for all in which it fails."""
    made: list[T] = []
    problems: list[Problem] = []
    for where, entry in entries:
        try:
            made.append(read(entry))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            problems.append(Problem("IMP-003", f"{path}: {where}", what))
    raise_if(problems)
    return made


def raise_if(problems: list[Problem]) -> None:
    """Raises `ImportInvalid` if there are problems; of very many only the first are named."""
    if len(problems) > PROBLEMS_LIMIT:
        more = len(problems) - PROBLEMS_LIMIT
        where = problems[0].where.rpartition(":")[0]
        problems = [*problems[:PROBLEMS_LIMIT], Problem("IMP-003", where, f"and {more} more")]
    if problems:
        raise ImportInvalid(problems)
