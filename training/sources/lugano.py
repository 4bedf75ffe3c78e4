"""Sessions of known drivers at public stations: the shape of the Lugano data of 2017.

A session under two minutes or 100 Wh is a proxy for a failed attempt, not a confirmed fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from training.sources.columns import Session, Sessions, sessions_of
from training.sources.files import Column, Schema, SourceInvalid, header, rows
from training.sources.quality import Quality

UNKNOWN_USERS = ("Sconosciuto", "unknown")

SESSIONS = Schema(
    "sessions",
    (
        Column("user_id", needed=False, unknown=UNKNOWN_USERS),
        Column("begin", "time"),
        Column("end", "time"),
        Column("station_id"),
        Column("energy_wh", "number", needed=False, low=0.0, listed=False),
        Column("plug_type", needed=False, listed=False),
    ),
    begin="begin",
    end="end",
)
# Where sessions are named, the same one twice is told; without a name they may just be alike.
NAMED_SESSIONS = replace(
    SESSIONS, columns=(Column("session_id"), *SESSIONS.columns), key=("session_id",)
)
STATION_NAMES = ("ChargingStationId", "station_id")


def stations_schema(name: str) -> Schema:
    """The list of stations, under either of the names that the first column goes by."""
    return Schema(
        "stations",
        (
            Column(name),
            Column("lat", "number", needed=False, low=-90.0, high=90.0),
            Column("lon", "number", needed=False, low=-180.0, high=180.0),
        ),
        key=(name,),
    )


def read_sessions(paths: Sequence[Path], stations: Path) -> Sessions:
    """Sessions of one or more files, and where their stations stand.

    Columns: user_id, begin, end, station_id; energy_wh and plug_type where known; of stations
    ChargingStationId or station_id, lat, lon. Raises `SourceInvalid`.
    """
    places = _places(stations)
    quality, read = Quality(), []
    for path in paths:
        named = "session_id" in header(path)
        for row in rows(path, NAMED_SESSIONS if named else SESSIONS, quality):
            read.append(
                Session(
                    row["begin"],
                    row["end"],
                    row["station_id"],
                    row["user_id"],
                    row["plug_type"],
                    row["energy_wh"] / 1000.0,
                )
            )
    if not read:
        raise SourceInvalid(paths[0], "holds no session", "give a file with sessions")
    broken = quality.dropped["ended before it began"]
    return sessions_of(read, places, {"ended_before_begin": float(broken)})


def _places(path: Path) -> dict[str, tuple[float, float]]:
    """Where stations stand, NaN where unknown."""
    columns = header(path)
    name = next((name for name in STATION_NAMES if name in columns), None)
    if name is None:
        raise SourceInvalid(
            path, f"has no column {' or '.join(STATION_NAMES)}", "name the stations"
        )
    # Only the name is asked for: stations may be listed without places.
    schema = stations_schema(name)
    loose = replace(
        schema, columns=tuple(replace(c, listed=c.name == name) for c in schema.columns)
    )
    return {row[name]: (row["lat"], row["lon"]) for row in rows(path, loose, Quality())}
