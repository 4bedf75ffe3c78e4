"""The feed of a real network as two CSV files give it: connectors, and their states over time.

The feed lists only what is not available, so unlisted is available. States are kept as written;
what they mean to a coordinator is in `network.py`, which outages count is its own affair.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from city_sim.replay.timeline import STATES, Timeline

CONNECTOR_COLUMNS = ("connector_id", "type", "lat", "lon")
INTERVAL_COLUMNS = ("connector_id", "state", "start", "end")
_STATE = {name: number for number, name in enumerate(STATES)}


class FeedInvalid(Exception):
    """A file cannot be used; says which, in which line and column, what was seen, what to do."""

    code = "REPLAY-001"

    def __init__(self, path: Path, what: str, hint: str, line: int = 0, column: str = "") -> None:
        where = f", line {line}" if line else ""
        where += f", column {column}" if column else ""
        super().__init__(f"{path}{where}: {what}")
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Plug:
    """One connector of the feed. `post` names what a car blocks as a whole; empty is unknown."""

    connector_id: str
    type: str
    latitude_deg: float
    longitude_deg: float
    post: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Feed:
    """States over time, one timeline for each plug, in their order; instants in seconds."""

    lines: tuple[Timeline, ...]
    from_s: float
    to_s: float


def instant(text: str) -> float:
    """Seconds of a date or a time as written, in the file's own clock. Raises ValueError.

    >>> instant("2018-11-08") - instant("2018-11-07T12:00")
    43200.0
    """
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def read_plugs(path: Path, known_types: Sequence[str]) -> tuple[Plug, ...]:
    """The connectors, from connector_id, type, lat, lon; cp and address where the file has them.

    Raises `FeedInvalid`.
    """
    plugs: dict[str, Plug] = {}
    for line, row in _rows(path, CONNECTOR_COLUMNS):
        name, kind = row["connector_id"], row["type"]
        if name in plugs:
            _bad(path, line, "connector_id", f"{name!r} is there twice", "give each connector once")
        if kind not in known_types:
            _bad(path, line, "type", f"{kind!r} is no plug that is known",
                 f"use one of {', '.join(known_types)}")  # fmt: skip
        place = (_degrees(path, line, row, "lat", 90.0), _degrees(path, line, row, "lon", 180.0))
        post, address = (row.get("cp") or "").strip(), (row.get("address") or "").strip()
        plugs[name] = Plug(name, kind, *place, post or name, address)
    if not plugs:
        raise FeedInvalid(path, "holds no connector", "give the list of connectors")
    return tuple(plugs.values())


def read_feed(path: Path, plugs: Sequence[Plug]) -> Feed:
    """The states of these connectors, from connector_id, state, start, end.

    Raises `FeedInvalid`, also where two states of one connector overlap.
    """
    number = {plug.connector_id: row for row, plug in enumerate(plugs)}
    found: list[list[tuple[float, float, int, int]]] = [[] for _ in plugs]
    for line, row in _rows(path, INTERVAL_COLUMNS):
        plug = number.get(row["connector_id"])
        if plug is None:
            _bad(path, line, "connector_id", f"{row['connector_id']!r} is not among the connectors",
                 "give the list that belongs to these intervals")  # fmt: skip
        state = _STATE.get(row["state"])
        if state is None:
            _bad(path, line, "state", f"{row['state']!r} is no state", f"use {', '.join(STATES)}")
        begin, end = (_instant(path, line, row, name) for name in ("start", "end"))
        if end < begin:
            _bad(path, line, "end", f"{row['end']!r} is before the start", "let it end later")
        if end > begin:
            found[plug].append((begin, end, state, line))
    lines = tuple(_line(path, rows) for rows in found)
    spans = [line for line in lines if len(line.starts)]
    if not spans:
        raise FeedInvalid(path, "holds no interval", "give a file with intervals of status")
    return Feed(
        lines, min(float(line.starts[0]) for line in spans), max(float(s.ends[-1]) for s in spans)
    )


def _line(path: Path, rows: list[tuple[float, float, int, int]]) -> Timeline:
    rows.sort()
    for before, after in pairwise(rows):
        if after[0] < before[1]:
            _bad(path, after[3], "start", f"lies within the interval of line {before[3]}",
                 "let the states of a connector follow each other")  # fmt: skip
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return Timeline(table[:, 0], table[:, 1], table[:, 2].astype(np.intp))


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows with their line; those that lack a value end the reading. Raises `FeedInvalid`."""
    try:
        with path.open("rb") as plain:
            zipped = plain.read(2) == b"\x1f\x8b"
        opened = gzip.open if zipped else open
        with opened(path, "rt", encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text)
            for name in columns:
                if name not in (reader.fieldnames or ()):
                    raise FeedInvalid(
                        path, f"has no column {name}", f"it needs {', '.join(columns)}", 1, name
                    )
            for row in reader:
                for name in columns:
                    row[name] = (row[name] or "").strip()
                    if not row[name]:
                        _bad(path, reader.line_num, name, "holds nothing", "give a value")
                yield reader.line_num, row
    except FileNotFoundError as error:
        hint = "check the path; the data is not in the package"
        raise FeedInvalid(path, "no such file", hint) from error
    except (OSError, EOFError, zlib.error) as error:
        raise FeedInvalid(path, f"not read: {error}", "copy the file again") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise FeedInvalid(path, f"is no CSV in UTF-8: {error}", "give the file as CSV") from error


def _degrees(path: Path, line: int, row: dict[str, Any], name: str, most: float) -> float:
    try:
        value = float(row[name])
    except ValueError:
        _bad(path, line, name, f"{row[name]!r} is no number", "give degrees, WGS84")
    if not -most <= value <= most:  # NaN is outside as well
        _bad(path, line, name, f"{row[name]} is outside {-most:g} to {most:g}", "give degrees")
    return value


def _instant(path: Path, line: int, row: dict[str, Any], name: str) -> float:
    try:
        return instant(row[name])
    except ValueError:
        _bad(path, line, name, f"{row[name]!r} is no time", "write 2018-11-01 10:09:00")


def _bad(path: Path, line: int, column: str, what: str, hint: str) -> NoReturn:
    raise FeedInvalid(path, what, hint, line, column)
