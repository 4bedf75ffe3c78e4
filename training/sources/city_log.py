"""Sessions of the made-up city, as `city_sim/log.py` writes them: one JSON object a line.

A line is a station (its place) or a session. Times are seconds of the city's own clock.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from training.sources.columns import Session, Sessions, sessions_of
from training.sources.files import NAN, SourceInvalid, opened
from training.sources.quality import Quality

SOURCE, SUFFIX = "city_log", ".jsonl"


class StationLine(msgspec.Struct, tag_field="kind", tag="station"):
    """Where a station stands."""

    station_id: str
    latitude_deg: float
    longitude_deg: float


class SessionLine(msgspec.Struct, tag_field="kind", tag="session"):
    """A car at an EVSE, from plug-in to plug-out or until it was thrown out."""

    car_id: str
    station_id: str
    evse_id: str
    asked_at_s: float
    begin_at_s: float
    end_at_s: float
    user_id: str = ""
    start_soc_pct: float | None = None
    end_soc_pct: float | None = None
    energy_kwh: float | None = None
    drive_s: float | None = None
    wait_s: float | None = None


_lines = msgspec.json.Decoder(StationLine | SessionLine)


def described() -> dict[str, str]:
    """Kinds of the columns by name."""
    fields = msgspec.structs.fields(SessionLine)
    kinds = {str: "word", float: "number"}
    return {
        f.name: kinds.get(f.type, "number, may be unknown")
        if f.required
        else "word, may be unknown"
        if f.type is str
        else "number, may be unknown"
        for f in fields
    }


def read_log(path: Path, quality: Quality | None = None, strict: bool = True) -> Sessions:
    """The sessions of a log, and where its stations stand. Raises `SourceInvalid`.

    A line that is neither is an error with its number, unless not `strict`: then it is counted.
    """
    quality = quality or Quality()
    places: dict[str, tuple[float, float]] = {}
    read: list[Session] = []
    seen: set[tuple[str, float]] = set()
    with opened(path) as text:
        for number, line in enumerate(text, 1):
            try:
                told = _lines.decode(line)
            except msgspec.MsgspecError as error:
                if strict:
                    raise SourceInvalid(
                        path, f"line {number}: {error}", "write it with `python -m city_sim.log`"
                    ) from None
                quality.read += 1
                quality.drop("neither station nor session")
                continue
            if isinstance(told, StationLine):
                places[told.station_id] = told.latitude_deg, told.longitude_deg
            elif session := _session(told, seen, quality):
                read.append(session)
    if not read and strict:
        raise SourceInvalid(path, "holds no session", "let the city play longer")
    return sessions_of(read, places, {"dropped": float(sum(quality.dropped.values()))})


def _session(told: SessionLine, seen: set[tuple[str, float]], quality: Quality) -> Session | None:
    quality.read += 1
    for name in ("user_id", "energy_kwh", "start_soc_pct", "end_soc_pct", "drive_s", "wait_s"):
        quality.missing[name] += getattr(told, name) in (None, "")
    key = told.evse_id, told.begin_at_s
    if key in seen:
        quality.repeat()
        return None
    if not quality.bounded(told.begin_at_s, told.end_at_s):
        quality.drop("ended before it began")
        return None
    quality.clock["began_before_asked"] += told.begin_at_s < told.asked_at_s
    quality.keep(told.evse_id)
    seen.add(key)
    return Session(
        told.begin_at_s,
        told.end_at_s,
        told.station_id,
        told.user_id,
        energy_kwh=_known(told.energy_kwh),
        start_soc_pct=_known(told.start_soc_pct),
        end_soc_pct=_known(told.end_soc_pct),
    )


def _known(value: Any) -> float:
    return NAN if value is None else float(value)
