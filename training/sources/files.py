"""Rows of a table in a file, each cell read by its schema, each row judged and counted.

What the columns mean is in the adapters; what was counted is told by `quality.py`.
Times of day are kept as written: a file says local time without a zone, and all of one file agree.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Literal, TextIO

from training.sources.quality import Quality

NAN = float("nan")


class SourceInvalid(Exception):
    """A file cannot be used; says which, where, and what to do."""

    def __init__(self, path: Path, what: str, hint: str) -> None:
        super().__init__(f"{path}: {what}")
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. Without a value in a needed one a row is dropped.

    `low` and `high` bound a number, `words` are all that a word may be; empty means any. What is
    in `unknown` says that there is no value.
    """

    name: str
    kind: Literal["word", "number", "time"] = "word"
    needed: bool = True
    low: float = -float("inf")
    high: float = float("inf")
    words: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    listed: bool = True  # whether the file must have the column at all


@dataclass(frozen=True, slots=True)
class Schema:
    """A table of a source: its columns, what names a row, and which columns bound its time.

    `each` names whose rows must not overlap in time.
    """

    source: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    begin: str = ""
    end: str = ""
    each: str = ""

    @property
    def listed(self) -> tuple[str, ...]:
        """Columns that a file of this table must have."""
        return tuple(column.name for column in self.columns if column.listed)

    def described(self) -> dict[str, str]:
        """Kinds of the columns by name."""
        return {c.name: c.kind if c.needed else f"{c.kind}, may be unknown" for c in self.columns}


def instant(text: str) -> float:
    """Seconds of a date or time as written, e.g. 2017-10-24 or 2017-10-24T18:00. ValueError."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """The text of a file, zipped or not. Raises `SourceInvalid`, also for what turns up later."""
    if not path.is_file():
        raise SourceInvalid(path, "no such file", "check the path; the data is not in the package")
    try:
        with path.open("rb") as plain:
            zipped = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            stream = gzip.GzipFile(fileobj=plain) if zipped else plain
            yield TextIOWrapper(stream, "utf-8-sig", newline="")
    except (OSError, EOFError, zlib.error) as error:
        raise SourceInvalid(path, f"not read: {error}", "copy the file again") from error
    except UnicodeDecodeError as error:
        raise SourceInvalid(path, "is no text in UTF-8", "give the file as CSV") from error
    except csv.Error as error:
        raise SourceInvalid(path, f"is no CSV: {error}", "give the file as CSV") from error


def header(path: Path) -> list[str]:
    """The first row of a CSV file. Raises `SourceInvalid`."""
    with opened(path) as text:
        return next(csv.reader(text), [])


def rows(
    path: Path, schema: Schema, quality: Quality, strict: bool = True
) -> Iterator[dict[str, Any]]:
    """The usable rows of a CSV file: words, numbers, times in seconds, by column.

    What cannot be used is dropped and counted. A time that is none, or a word that is not among
    the known, is an error of the file: raises `SourceInvalid` with its line, unless not `strict`.
    """
    seen: set[tuple[Any, ...]] = set()
    with opened(path) as text:
        reader = csv.DictReader(text)
        for name in schema.listed:
            if name not in (reader.fieldnames or ()):
                raise SourceInvalid(
                    path, f"has no column {name}", f"it needs {', '.join(schema.listed)}"
                )
        for raw in reader:
            quality.read += 1
            row, why = _row(raw, schema, quality)
            if why and strict and not why.dropped:
                raise SourceInvalid(path, f"line {reader.line_num}: {why.what}", why.hint)
            key = tuple(row.get(name) for name in schema.key)
            if why is not None:
                quality.drop(why.what if why.dropped else why.short)
            elif schema.key and key in seen:
                quality.repeat()
            elif not quality.bounded(*_span(row, schema)):
                quality.drop("ended before it began")
            else:
                seen.add(key)
                quality.keep(row.get(schema.each))
                yield row


@dataclass(frozen=True, slots=True)
class _Fault:
    """Why a row cannot be used; one that is not just `dropped` makes a strict reading end."""

    what: str
    hint: str = ""
    short: str = ""
    dropped: bool = True


def _row(
    raw: dict[str, Any], schema: Schema, quality: Quality
) -> tuple[dict[str, Any], _Fault | None]:
    row: dict[str, Any] = {}
    fault: _Fault | None = None
    for column in schema.columns:
        text = (raw.get(column.name) or "").strip()
        if not text or text in column.unknown:
            quality.missing[column.name] += 1
            row[column.name] = "" if column.kind == "word" else NAN
            if column.needed:
                fault = fault or _Fault(f"no {column.name}")
            continue
        row[column.name], found = _cell(column, text)
        fault = fault or found
    return row, fault


def _cell(column: Column, text: str) -> tuple[Any, _Fault | None]:
    """What a cell says, and what is wrong with it."""
    if column.kind == "word":
        if column.words and text not in column.words:
            known = f"use one of {', '.join(column.words)}"
            return text, _Fault(f"{column.name} {text!r}", known, f"unknown {column.name}", False)
        return text, None
    if column.kind == "time":
        try:
            return instant(text), None
        except ValueError:
            say = "write 2017-10-24 18:00:00"
            return NAN, _Fault(f"{text!r} is no time", say, f"{column.name} is no time", False)
    try:
        value = float(text)
    except ValueError:
        return NAN, _Fault(f"{column.name} is no number") if column.needed else None
    if not column.low <= value <= column.high:  # NaN is outside as well
        return value, _Fault(f"{column.name} outside {column.low:g} to {column.high:g}")
    return value, None


def _span(row: dict[str, Any], schema: Schema) -> tuple[float, float]:
    begin = row[schema.begin] if schema.begin else NAN
    return begin, row[schema.end] if schema.end else begin
