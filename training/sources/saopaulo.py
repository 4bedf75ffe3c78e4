"""Hourly use of stations: the shape of the São Paulo data of 2023, one table a measure.

Tables have a row an hour and a column a station; what a station is stands in a list beside them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.sources.columns import Floats, Usage
from training.sources.files import NAN, Column, Schema, SourceInvalid, instant, opened, rows
from training.sources.quality import Quality

HOUR_S = 3600.0
MEASURES = ("duration", "volume", "e_price", "s_price")

STATIONS = Schema(
    "usage_stations",
    (
        Column("station_id"),
        Column("longitude", "number", low=-180.0, high=180.0),
        Column("latitude", "number", low=-90.0, high=90.0),
        Column("pile_num", "number", low=1.0),
        Column("avg_power", "number", needed=False, low=0.0),
    ),
    key=("station_id",),
)
PILES = Schema(
    "usage_piles",
    (
        Column("pile_id"),
        Column("longitude", "number", low=-180.0, high=180.0),
        Column("latitude", "number", low=-90.0, high=90.0),
        Column("station_id"),
        Column("avg_power", "number", needed=False, low=0.0),
    ),
    key=("pile_id",),
)


@dataclass(frozen=True, slots=True)
class Hourly:
    """One measure: `values` (hours, stations), NaN where nothing usable is written."""

    at_s: Floats
    station_ids: tuple[str, ...]
    values: Floats


def is_hourly(path: Path, columns: list[str]) -> bool:
    """Whether a file with this first row is a table of hours and stations."""
    return (
        path.name.split(".")[0] in MEASURES
        and len(columns) > 1
        and columns[0] in ("", "time")
        and all(name.isdigit() for name in columns[1:])
    )


def read_hourly(path: Path, quality: Quality, strict: bool = True) -> Hourly:
    """One measure of a file, hours ascending. Raises `SourceInvalid`."""
    found: dict[float, list[float]] = {}
    newest_s = -float("inf")
    with opened(path) as text:
        reader = csv.reader(text)
        stations = next(reader, [""])[1:]
        for cells in reader:
            quality.read += 1
            try:
                at_s = instant(cells[0] if cells else "")
            except ValueError:
                if strict:
                    raise SourceInvalid(
                        path, f"line {reader.line_num} has no time", "write 2023-04-01 00:00:00"
                    ) from None
                quality.drop("no time")
                continue
            if len(cells) != len(stations) + 1:
                quality.drop("cut off")
                continue
            if at_s in found:
                quality.repeat()
                continue
            quality.clock["out_of_order"] += at_s < newest_s
            newest_s = max(newest_s, at_s)
            quality.bounded(at_s, at_s + HOUR_S)
            quality.keep(path)
            found[at_s] = [_value(cell, quality) for cell in cells[1:]]
    if not found:
        raise SourceInvalid(path, "holds no hour", "give a table with a row an hour")
    at = np.array(sorted(found))
    missing = round((at[-1] - at[0]) / HOUR_S) + 1 - len(at)
    quality.clock["missing_hours"] += max(missing, 0)
    quality.clock = +quality.clock
    return Hourly(at, tuple(stations), np.array([found[one] for one in at.tolist()]))


def read_usage(folder: Path) -> Usage:
    """The measures of a folder, with the stations that every one of them has.

    Needs stations.csv, duration and volume; prices are NaN where the tables are not there. Raises
    `SourceInvalid`.
    """
    listed = {row["station_id"]: row for row in rows(folder / "stations.csv", STATIONS, Quality())}
    quality = Quality()
    tables = {name: _measure(folder, name, quality) for name in MEASURES}
    used = tables["duration"]
    assert used is not None
    at_s = used.at_s
    for name, table in tables.items():
        if table is not None and not np.array_equal(table.at_s, at_s):
            raise SourceInvalid(folder / name, "has other hours than duration", "give one span")
    ids = tuple(name for name in used.station_ids if name in listed)
    if not ids:
        raise SourceInvalid(folder, "no station of the tables is listed", "give their stations.csv")
    columns = {name: _of(table, ids, len(at_s)) for name, table in tables.items()}
    number = [listed[name] for name in ids]
    piles = np.array([row["pile_num"] for row in number])
    return Usage(
        at_s,
        columns["duration"],
        columns["volume"],
        columns["e_price"],
        columns["s_price"],
        ids,
        np.array([(row["latitude"], row["longitude"]) for row in number]),
        piles.astype(np.intp),
        np.array([row["avg_power"] for row in number]),
        {
            "hours": float(len(at_s)),
            "stations": float(len(ids)),
            # More pile-hours than piles: the list of piles is not of this time.
            "beyond_piles_share": round(float(np.mean(columns["duration"] > piles + 0.01)), 4),
            "dropped": float(sum(quality.dropped.values())),
        },
    )


def _measure(folder: Path, name: str, quality: Quality) -> Hourly | None:
    """A measure from its table, zipped or not; None if prices are not there."""
    paths = [folder / f"{name}.csv", folder / f"{name}.csv.gz"]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        if name.endswith("price"):
            return None
        raise SourceInvalid(paths[0], "no such file", "check the path; give the folder of tables")
    return read_hourly(path, quality)


def _of(table: Hourly | None, ids: tuple[str, ...], hours: int) -> Floats:
    if table is None:
        return np.full((hours, len(ids)), np.nan)
    at = {name: column for column, name in enumerate(table.station_ids)}
    padded = np.hstack([table.values, np.full((hours, 1), np.nan)])
    return np.asarray(padded[:, [at.get(name, -1) for name in ids]])


def _value(cell: str, quality: Quality) -> float:
    """A measure; NaN, counted as missing, where it is none or below 0."""
    try:
        value = float(cell)
    except ValueError:
        value = NAN
    if not value >= 0.0:
        quality.missing["value"] += 1
        return NAN
    return value
