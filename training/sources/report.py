"""`pilewise train data`: what a file is, by its columns, and how good its rows are.

Adapters read for learning; here the same schemas read for the report, to the end of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from training.sources import city_log, epfl, ireland, lugano, saopaulo, store
from training.sources.files import Schema, SourceInvalid, header, rows
from training.sources.quality import Quality

SCHEMAS: tuple[Schema, ...] = (
    lugano.NAMED_SESSIONS,
    lugano.SESSIONS,
    ireland.CONNECTORS,
    ireland.INTERVALS,
    epfl.DC_SESSIONS,
    saopaulo.PILES,
    saopaulo.STATIONS,
    *(lugano.stations_schema(name) for name in lugano.STATION_NAMES),
)
TABLES = (".csv", ".csv.gz")


def describe(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """A report of each file, of each file of a folder, of each table of a coordinator's data.

    Raises `SourceInvalid` for what is not there and for a file that no source has.
    """
    return [told for path in paths for told in _each(path)]


def _each(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_dir():
        yield _one(path)
    elif store.is_store(path):
        yield from store.describe(path)
    else:
        files = sorted(f for f in path.iterdir() if f.name.endswith((*TABLES, city_log.SUFFIX)))
        if not files:
            raise SourceInvalid(
                path,
                "holds neither tables nor a coordinator's data",
                f"give a folder of {', '.join(TABLES)} or {city_log.SUFFIX}, or a data_dir",
            )
        yield from map(_one, files)


def _one(path: Path) -> dict[str, Any]:
    quality = Quality()
    if path.name.endswith(city_log.SUFFIX):
        sessions = city_log.read_log(path, quality, strict=False)
        return _report(path, city_log.SOURCE, city_log.described(), quality, sessions.report)
    columns = header(path)
    if saopaulo.is_hourly(path, columns):
        saopaulo.read_hourly(path, quality, strict=False)
        kinds = {"time": "time", "stations": f"{len(columns) - 1} columns of numbers"}
        cells = max(quality.read * (len(columns) - 1), 1)
        told = _report(path, f"hourly_{path.name.split('.')[0]}", kinds, quality)
        told["missing"] = {"value": round(quality.missing["value"] / cells, 4)}
        return told
    schema = _schema(path, columns)
    if schema is epfl.DC_SESSIONS:
        epfl.read_dc_sessions(path, quality, strict=False)
    else:
        for _ in rows(path, schema, quality, strict=False):
            pass
    return _report(path, schema.source, schema.described(), quality)


def _schema(path: Path, columns: list[str]) -> Schema:
    """The schema whose columns the file has."""
    for schema in SCHEMAS:
        if columns and set(schema.listed) <= set(columns):
            return schema
    known = "; ".join(f"{s.source}: {', '.join(s.listed)}" for s in SCHEMAS)
    seen = ", ".join(columns) or "none"
    raise SourceInvalid(path, f"no source has these columns: {seen}", f"known are {known}")


def _report(
    path: Path,
    source: str,
    columns: dict[str, str],
    quality: Quality,
    figures: dict[str, float] | None = None,
) -> dict[str, Any]:
    told = {"file": str(path), "source": source, "columns": columns, **quality.told()}
    return told | ({"figures": figures} if figures else {})


def lines(told: dict[str, Any]) -> list[str]:
    """One report for people."""
    span = " to ".join(map(str, told["span"])) if told["span"] else "no time"
    found = [f"{told['file']}: {told['source']}, {told['rows']} of {told['read']} rows, {span}"]
    for name in ("dropped", "missing", "clock"):
        if kept := {key: value for key, value in told[name].items() if value}:
            found.append(f"  {name}: " + ", ".join(f"{key} {value}" for key, value in kept.items()))
    return found
