"""Real data as typed columns: one adapter per kind of file, each with a report of its quality.

What is learned from the columns is in `backtest/`; the made-up city's are in `datasets.py`.
Times of day are kept as written: a file says local time without a zone, and all of one file agree.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

UNKNOWN_USERS = frozenset({"", "Sconosciuto", "unknown"})
SHORT_S, SHORT_WH = 120.0, 100.0  # a session below either is a proxy for a failed attempt
STATES = ("available_or_unlisted", "part", "occ", "ooc", "oos")
AVAILABLE, PART, OCCUPIED, OUT_OF_CONTACT, OUT_OF_SERVICE = range(5)


class SourceInvalid(Exception):
    """A file cannot be used; says which, where, and what to do."""

    def __init__(self, path: Path, what: str, hint: str) -> None:
        super().__init__(f"{path}: {what}")
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Sessions:
    """n charging sessions, ascending by begin. `user` is -1 where nobody is known.

    `station` indexes `station_ids`, `plug` indexes `plug_ids`; times are seconds of the file's own
    clock; `good` is False for a session so short that it may have failed.
    """

    user: Index
    station: Index
    plug: Index
    begin_s: Floats
    end_s: Floats
    good: NDArray[np.bool_]
    user_ids: tuple[str, ...]
    station_ids: tuple[str, ...]
    plug_ids: tuple[str, ...]
    places: Floats  # (stations, 2) degrees of latitude and longitude, NaN where unknown
    report: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.begin_s)


@dataclass(frozen=True, slots=True)
class Connectors:
    """m connectors: their post, address and type as indexes of what is written."""

    ids: tuple[str, ...]
    type: Index
    post: Index
    address: Index
    family: Index  # of posts named alike, by the letters that their names begin with
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Intervals:
    """States of connectors, each row ascending in time: `rows[i]` is (starts, ends, states)."""

    rows: tuple[tuple[Floats, Floats, Index], ...]
    from_s: float
    to_s: float
    report: dict[str, float] = field(default_factory=dict)


def read_sessions(paths: Sequence[Path], stations: Path) -> Sessions:
    """Sessions of one or more files, and where their stations stand.

    Columns: user_id, begin, end, station_id; energy_wh and plug_type where known; of stations
    ChargingStationId or station_id, lat, lon. Raises `SourceInvalid`.
    """
    listed = _places(stations)
    wanted = ("user_id", "begin", "end", "station_id")
    read, broken = [], 0
    for path in paths:
        for line, row in _rows(path, wanted):
            begin, end = _instant(path, line, row["begin"]), _instant(path, line, row["end"])
            if end < begin:
                broken += 1
                continue
            energy_wh = _number(row.get("energy_wh"))
            good = end - begin >= SHORT_S and not energy_wh < SHORT_WH
            plug = row.get("plug_type") or ""
            read.append((begin, end, row["user_id"] or "", row["station_id"], plug, good))
    if not read:
        raise SourceInvalid(paths[0], "holds no session", "give a file with sessions")
    read.sort(key=lambda one: one[0])
    station_ids = tuple(sorted(set(listed) | {one[3] for one in read}))
    known = sorted({one[2] for one in read} - UNKNOWN_USERS)
    plugs = tuple(sorted({one[4] for one in read}))
    users = {name: number for number, name in enumerate(known)}
    row_of = {name: number for number, name in enumerate(station_ids)}
    return Sessions(
        np.array([users.get(one[2], -1) for one in read], dtype=np.intp),
        np.array([row_of[one[3]] for one in read], dtype=np.intp),
        np.array([plugs.index(one[4]) for one in read], dtype=np.intp),
        np.array([one[0] for one in read]),
        np.array([one[1] for one in read]),
        np.array([one[5] for one in read], dtype=bool),
        tuple(known),
        station_ids,
        plugs,
        np.array([listed.get(name, (np.nan, np.nan)) for name in station_ids]),
        {
            "sessions": float(len(read)),
            "ended_before_begin": float(broken),
            "unknown_user_share": round(
                sum(one[2] in UNKNOWN_USERS for one in read) / len(read), 4
            ),
            "short_share": round(sum(not one[5] for one in read) / len(read), 4),
        },
    )


def _places(path: Path) -> dict[str, tuple[float, float]]:
    """Where stations stand, NaN where unknown."""
    listed: dict[str, tuple[float, float]] = {}
    for line, row in _rows(path, ()):
        name = row.get("ChargingStationId") or row.get("station_id")
        if not name:
            raise SourceInvalid(
                path, f"line {line} has no ChargingStationId or station_id", "name the station"
            )
        listed[name] = (_number(row.get("lat")), _number(row.get("lon")))
    return listed


def read_connectors(path: Path) -> Connectors:
    """Connectors from connector_id, cp, type, address. Raises `SourceInvalid`."""
    rows = [row for _, row in _rows(path, ("connector_id", "cp", "type", "address"))]
    if not rows:
        raise SourceInvalid(path, "holds no connector", "give the list of connectors")
    types = tuple(sorted({row["type"] for row in rows}))
    families = [_family(row["cp"]) for row in rows]
    return Connectors(
        tuple(row["connector_id"] for row in rows),
        np.array([types.index(row["type"]) for row in rows], dtype=np.intp),
        _codes([row["cp"] for row in rows]),
        _codes([row["address"] for row in rows]),
        _codes(families),
        types,
    )


def read_intervals(path: Path, connectors: Connectors) -> Intervals:
    """States over time of these connectors, from connector_id, state, start, end.

    Raises `SourceInvalid` for a state or connector that is not known.
    """
    number = {name: row for row, name in enumerate(connectors.ids)}
    found: list[list[tuple[float, float, int]]] = [[] for _ in connectors.ids]
    count = 0
    for line, row in _rows(path, ("connector_id", "state", "start", "end")):
        if row["connector_id"] not in number:
            raise SourceInvalid(
                path,
                f"line {line}: connector {row['connector_id']!r} is not in the list of connectors",
                "give the list that belongs to these intervals",
            )
        if row["state"] not in STATES:
            raise SourceInvalid(
                path, f"line {line}: state {row['state']!r}", f"use one of {', '.join(STATES)}"
            )
        start, end = _instant(path, line, row["start"]), _instant(path, line, row["end"])
        if end > start:
            found[number[row["connector_id"]]].append((start, end, STATES.index(row["state"])))
            count += 1
    if not count:
        raise SourceInvalid(path, "holds no interval", "give a file with status intervals")
    rows = []
    for one in found:
        one.sort()
        table = np.array(one, dtype=np.float64).reshape(-1, 3)
        rows.append((table[:, 0], table[:, 1], table[:, 2].astype(np.intp)))
    begin = min(float(starts[0]) for starts, _, _ in rows if len(starts))
    end = max(float(ends[-1]) for _, ends, _ in rows if len(ends))
    silent = sum(not len(starts) for starts, _, _ in rows)
    report = {"intervals": float(count), "connectors_without_interval": float(silent)}
    return Intervals(tuple(rows), begin, end, report)


def joined(first: Intervals, then: Intervals) -> Intervals:
    """Two files of the same connectors, one after the other; there may be a hole between."""
    rows = tuple(
        tuple(np.concatenate(pair) for pair in zip(a, b, strict=True))
        for a, b in zip(first.rows, then.rows, strict=True)
    )
    return Intervals(rows, first.from_s, then.to_s)  # type: ignore[arg-type]  # triples again


def instant(text: str) -> float:
    """Seconds of a date or time as written, e.g. 2017-10-24 or 2017-10-24T18:00. ValueError."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _rows(path: Path, wanted: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and columns of each row of a CSV file, zipped or not."""
    if not path.is_file():
        raise SourceInvalid(path, "no such file", "check the path; the data is not in the package")
    with path.open("rb") as plain:
        zipped = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        stream = gzip.GzipFile(fileobj=plain) if zipped else plain
        reader = csv.DictReader(TextIOWrapper(stream, "utf-8-sig", newline=""))
        missing = [name for name in wanted if name not in (reader.fieldnames or ())]
        if missing:
            raise SourceInvalid(
                path, f"has no column {missing[0]}", f"it needs {', '.join(wanted)}"
            )
        for row in reader:
            yield reader.line_num, row


def _instant(path: Path, line: int, text: str) -> float:
    try:
        return instant(text)
    except (TypeError, ValueError):
        raise SourceInvalid(
            path, f"line {line}: {text!r} is no time", "write 2017-10-24 18:00:00"
        ) from None


def _number(text: str | None) -> float:
    try:
        return float(text) if text else float("nan")
    except ValueError:
        return float("nan")


def _family(post: str) -> str:
    """The letters that a post's name begins with, after any prefix with a colon."""
    name = post.rpartition(":")[2]
    return name[: next((at for at, sign in enumerate(name) if sign.isdigit()), len(name))][:2]


def _codes(words: Sequence[str]) -> Index:
    _, codes = np.unique(np.array(words), return_inverse=True)
    return codes.astype(np.intp)
