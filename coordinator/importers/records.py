"""Sessions and requests from CSV files, and out again; what is written reads back the same.

Unknown values are empty cells. Instants are ISO 8601 with their offset.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from coordinator.core.geo import wgs84_from_gcj02
from coordinator.core.sessions import IMPORT, NAN, ChargeSession
from coordinator.core.vehicle import WarningLevel
from coordinator.importers.rows import Cells, read_table
from coordinator.importers.tables import identifier, instant, yes
from coordinator.usecases.requests import StoredRequest

SESSION_COLUMNS = (
    "evse_id", "started_at", "ended_at", "station_id", "vehicle_id", "user_id", "energy_kwh",
    "duration_s", "start_soc_pct", "end_soc_pct", "queue_length", "wait_s", "price", "currency",
    "ended_by_fault", "source",
)  # fmt: skip
REQUEST_COLUMNS = (
    "request_id", "asked_at", "vehicle_id", "user_id", "latitude_deg", "longitude_deg", "datum",
    "soc_pct", "target_soc_pct", "level", "evse_id", "eta_s", "wait_s", "price", "currency",
    "empty_reason", "recommendation_id", "source",
)  # fmt: skip
DAYS_S = 7 * 86_400.0  # no session or wait is longer
PRICE_LIMIT = 1e9


def load_sessions(path: Path) -> list[ChargeSession]:
    """Sessions of a CSV file; raises `ImportInvalid` naming all bad rows."""
    return [
        session
        for _, session in read_table(Path(path), SESSION_COLUMNS[:3], _session, SESSION_COLUMNS)
    ]


def load_requests(path: Path) -> list[StoredRequest]:
    """Requests of a CSV file; raises `ImportInvalid` naming all bad rows."""
    needed = ("request_id", "asked_at", "latitude_deg", "longitude_deg", "soc_pct")
    return [request for _, request in read_table(Path(path), needed, _request, REQUEST_COLUMNS)]


def _session(cells: Cells) -> ChargeSession:
    # Whole ms, as readings have them: begin and EVSE name a session.
    start_s = round(instant(cells.text("started_at")), 3)
    end_s = round(instant(cells.text("ended_at")), 3)
    if not start_s < end_s <= start_s + DAYS_S:
        raise ValueError("ended_at is not after started_at, by at most 7 days")
    return ChargeSession(
        identifier(cells, "evse_id"),
        start_s,
        end_s,
        station_id=_maybe(cells, "station_id"),
        vehicle_id=_maybe(cells, "vehicle_id"),
        user_id=_maybe(cells, "user_id"),
        energy_kwh=cells.number("energy_kwh", 0, 10_000, NAN),
        start_soc_pct=cells.number("start_soc_pct", 0, 100, NAN),
        end_soc_pct=cells.number("end_soc_pct", 0, 100, NAN),
        queue_length=_count(cells, "queue_length"),
        wait_s=cells.number("wait_s", 0, DAYS_S, NAN),
        price=cells.number("price", -PRICE_LIMIT, PRICE_LIMIT, NAN),
        currency=currency(cells),
        ended_by_fault=yes(cells, "ended_by_fault"),
        source=IMPORT,
    )


def _request(cells: Cells) -> StoredRequest:
    place = cells.number("latitude_deg", -90, 90), cells.number("longitude_deg", -180, 180)
    datum = cells.text("datum", "WGS84").upper()
    if datum not in ("WGS84", "GCJ02"):
        raise ValueError(f"datum is {datum!r}, not WGS84 or GCJ02")
    latitude_deg, longitude_deg = wgs84_from_gcj02(*place) if datum == "GCJ02" else place
    level = cells.text("level", "UNSPECIFIED").upper()
    if level not in WarningLevel.__members__:
        raise ValueError(f"level is {level!r}, not HIGH, MEDIUM or LOW")
    return StoredRequest(
        identifier(cells, "request_id"),
        instant(cells.text("asked_at")),
        vehicle_id=_maybe(cells, "vehicle_id"),
        user_id=_maybe(cells, "user_id"),
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        soc_pct=cells.number("soc_pct", 0, 100),
        target_soc_pct=cells.number("target_soc_pct", 0, 100, 80.0),
        level=int(WarningLevel[level]),
        evse_id=_maybe(cells, "evse_id"),
        eta_s=cells.number("eta_s", 0, DAYS_S, NAN),
        wait_s=cells.number("wait_s", 0, DAYS_S, NAN),
        price=cells.number("price", -PRICE_LIMIT, PRICE_LIMIT, NAN),
        currency=currency(cells),
        empty_reason=cells.text("empty_reason", ""),
        source=IMPORT,
    )


def _maybe(cells: Cells, name: str) -> str:
    """The identifier in the cell, or empty."""
    return identifier(cells, name) if cells.text(name, "") else ""


def _count(cells: Cells, name: str) -> int | None:
    return cells.whole(name, 0, 1_000) if cells.text(name, "") else None


def currency(cells: Cells) -> str:
    """The ISO 4217 code in the cell, or empty."""
    code = cells.text("currency", "").upper()
    if code and not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise ValueError(f"currency is {code!r}, not an ISO 4217 code")
    return code


def sessions_csv(sessions: Iterable[ChargeSession]) -> str:
    """One row a session that has ended; `load_sessions` reads it back."""
    return _csv(
        SESSION_COLUMNS,
        (
            (
                s.evse_id, _stamp(s.started_at_s), _stamp(s.ended_at_s), s.station_id,
                s.vehicle_id, s.user_id, _number(s.energy_kwh), _number(s.duration_s),
                _number(s.start_soc_pct), _number(s.end_soc_pct),
                "" if s.queue_length is None else s.queue_length, _number(s.wait_s),
                _number(s.price), s.currency, str(s.ended_by_fault).lower(), s.source,
            )
            for s in sessions
            if s.ended_at_s is not None
        ),
    )  # fmt: skip


def requests_csv(requests: Iterable[StoredRequest]) -> str:
    """One row a request; `load_requests` reads it back."""
    return _csv(
        REQUEST_COLUMNS,
        (
            (
                r.request_id, _stamp(r.at_s), r.vehicle_id, r.user_id, _number(r.latitude_deg),
                _number(r.longitude_deg), "WGS84", _number(r.soc_pct), _number(r.target_soc_pct),
                WarningLevel(r.level).name, r.evse_id, _number(r.eta_s), _number(r.wait_s),
                _number(r.price), r.currency, r.empty_reason, r.recommendation_id, r.source,
            )
            for r in requests
        ),
    )  # fmt: skip


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _number(value: float) -> str:
    return f"{value:.9g}" if math.isfinite(value) else ""


def _stamp(at_s: float | None) -> str:
    return "" if at_s is None else datetime.fromtimestamp(at_s, UTC).isoformat()
