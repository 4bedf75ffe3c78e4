"""One day of a coordinator's store, read while the coordinator may be running on it.

Requests of the newest hour are in the journal of claims.db, older ones in telemetry.db. What
becomes of them is in `day.py`.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from city_sim.whatif.errors import DayEmpty, StoreUnreadable
from coordinator.core.pile import PlannedOutage, RetiredPile, Station, Tariff
from coordinator.core.sessions import ChargeSession
from coordinator.core.vehicle import ChargingRequest, Vehicle
from coordinator.errors import StoreUnavailable
from coordinator.store import requests as stored_requests
from coordinator.store import sessions as stored_sessions
from coordinator.store.database import open_reader
from coordinator.usecases.requests import StoredRequest, unpacked
from coordinator.usecases.telemetry import Road

T = TypeVar("T")
DAY_S = 86_400.0
LONGEST_STAY_S = 24 * 3600.0  # before the day, a car may have come that is still there
UNKNOWN_CAR = Vehicle(battery_kwh=60.0)  # of imported requests, which bring no car

_requests = msgspec.msgpack.Decoder(ChargingRequest)
_JOURNAL = """
SELECT at_s, request_id, recommendation_id, request FROM step
WHERE recommendation_id IS NOT NULL AND at_s >= ? ORDER BY seq
"""
_JOURNAL_TIMES = (
    "SELECT min(at_s) FROM step WHERE recommendation_id IS NOT NULL GROUP BY request_id"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was made; `known_car` is False where it came without its car."""

    at_s: float
    request: ChargingRequest
    recommendation_id: str = ""
    known_car: bool = True


@dataclass(frozen=True, slots=True)
class StoredDay:
    """What is known of a day: who asked and who charged, and of the district as it is now."""

    day: date
    begins_s: float
    utc_offset_h: float
    asked: tuple[Asked, ...]
    sessions: tuple[ChargeSession, ...]
    stations: tuple[Station, ...]
    tariffs: tuple[Tariff, ...]
    outages: tuple[PlannedOutage, ...]
    roads: tuple[Road, ...]

    @property
    def ends_s(self) -> float:
        """The local midnight after it."""
        return self.begins_s + DAY_S


def read_day(folder: Path, day: date, utc_offset_h: float | None = None) -> StoredDay:
    """That local day; an offset of None follows from where the stations stand.

    Raises `StoreUnreadable`, or `DayEmpty` that names the days which have requests.
    """
    path = folder / "telemetry.db"
    if not path.is_file():
        raise StoreUnreadable(folder, "holds no telemetry.db")
    stations = _query(path, _stations)
    if not stations:
        raise StoreUnreadable(folder, "no stations are stored")
    if utc_offset_h is None:
        utc_offset_h = float(round(np.median([s.longitude_deg for s in stations]) / 15.0))
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=utc_offset_h)
    begins_s = begins.timestamp()
    asked = _asked(folder, begins_s)
    if not asked:
        raise DayEmpty(day.isoformat(), days(folder, utc_offset_h))
    sessions = _query(path, lambda db: stored_sessions.read(db, begins_s - LONGEST_STAY_S, "", ""))
    return StoredDay(
        day, begins_s, utc_offset_h, tuple(asked),
        tuple(s for s in sessions if s.started_at_s < begins_s + DAY_S),
        stations,
        tuple(_query(path, lambda db: _documents(db, "tariff", Tariff))),
        tuple(_query(path, lambda db: _documents(db, "outage", PlannedOutage))),
        tuple(_query(path, lambda db: _documents(db, "road", Road))),
    )  # fmt: skip


def days(folder: Path, utc_offset_h: float) -> dict[str, int]:
    """Local days on which requests were made, and how many."""
    times = _query(
        folder / "telemetry.db",
        lambda db: [at_s for (at_s,) in db.execute("SELECT at_s FROM request")],
    )
    if (folder / "claims.db").is_file():
        times += _query(
            folder / "claims.db",
            lambda db: [at_s for (at_s,) in db.execute(_JOURNAL_TIMES)] if _has(db, "step") else [],
        )
    zone = timedelta(hours=utc_offset_h)
    counted = Counter((datetime.fromtimestamp(t, UTC) + zone).date().isoformat() for t in times)
    return dict(sorted(counted.items()))


def _asked(folder: Path, begins_s: float) -> list[Asked]:
    """Requests of the day, each once, oldest first."""
    found: dict[str, Asked] = {}
    for row in _query(folder / "telemetry.db", lambda db: stored_requests.read(db, begins_s, "")):
        if row.at_s < begins_s + DAY_S:
            found[row.request_id] = _of_row(row)
    if (folder / "claims.db").is_file():
        for one in _query(folder / "claims.db", lambda db: _journal(db, begins_s)):
            if one.at_s < begins_s + DAY_S:
                found.setdefault(one.request.request_id, one)
    return sorted(found.values(), key=lambda one: (one.at_s, one.request.request_id))


def _of_row(row: StoredRequest) -> Asked:
    """A stored request; those that were imported have nothing but their columns."""
    if row.body:
        return Asked(row.at_s, _requests.decode(unpacked(row).request), row.recommendation_id)
    request = ChargingRequest(
        row.request_id, row.vehicle_id or row.request_id, UNKNOWN_CAR, _or(row.soc_pct, 30.0),
        row.latitude_deg, row.longitude_deg, user_id=row.user_id,
        target_soc_pct=_or(row.target_soc_pct, 80.0),
    )  # fmt: skip
    return Asked(row.at_s, request, row.recommendation_id, known_car=False)


def _or(value: float, otherwise: float) -> float:
    return value if np.isfinite(value) else otherwise


def _journal(db: Any, begins_s: float) -> list[Asked]:
    """Requests that are not yet in the archive; the first step of each is when it was made."""
    if not _has(db, "step"):
        return []
    found: dict[str, Asked] = {}
    for at_s, request_id, recommendation_id, request in db.execute(_JOURNAL, [begins_s]):
        if request_id not in found and request:
            made = replace(_requests.decode(request), request_id=request_id)
            found[request_id] = Asked(at_s, made, recommendation_id)
    return list(found.values())


def _stations(db: Any) -> tuple[Station, ...]:
    """The stations without what was scrapped."""
    gone = {pile.pile_id for pile in _documents(db, "retired", RetiredPile)}
    return tuple(
        replace(station, piles=tuple(p for p in station.piles if p.pile_id not in gone))
        for station in _documents(db, "station", Station)
    )


def _documents(db: Any, table: str, kind: type[T]) -> list[T]:
    if not _has(db, table):
        return []
    decoder = msgspec.json.Decoder(kind)
    return [decoder.decode(body) for (body,) in db.execute(f'SELECT body FROM "{table}"')]


def _has(db: Any, table: str) -> bool:
    """Whether the file has that table: one that is only being made may not."""
    found = db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", [table])
    return found.fetchone() is not None


def _query(path: Path, read: Callable[[Any], T]) -> T:
    """What a query of a file gives. Raises `StoreUnreadable`."""
    try:
        db = open_reader(path)
        with closing(db.conn):
            return read(db)
    except (StoreUnavailable, sqlite3.Error, msgspec.MsgspecError) as error:
        raise StoreUnreadable(path, f"not read: {error}") from error
