"""Sessions and requests that operators put in, to the use cases' values."""

from __future__ import annotations

import math
from collections.abc import Iterator

from google.protobuf.message import Message

from coordinator.core.district import District
from coordinator.core.sessions import IMPORT, NAN, ChargeSession
from coordinator.core.vehicle import WarningLevel
from coordinator.errors import FieldFault
from coordinator.rpc.noun_codec import (
    check_id,
    check_instants,
    check_position,
    check_text,
    seconds,
    wgs84,
)
from coordinator.usecases.requests import StoredRequest
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import types_pb2 as nouns

WEEK_S = 7 * 86_400.0
# Optional numbers of both records with the greatest believable value; the least is 0.
_MOST = {
    "energy_kwh": 10_000.0,
    "soc_pct": 100.0,
    "start_soc_pct": 100.0,
    "end_soc_pct": 100.0,
    "target_soc_pct": 100.0,
    "queue_length": 1_000.0,
    "wait_s": WEEK_S,
    "eta_s": WEEK_S,
}
_LEVELS = frozenset(int(level) for level in WarningLevel)


def session_faults(
    record: op.SessionRecord, field: str, district: District
) -> Iterator[FieldFault]:
    """Everything wrong with a session."""
    yield from check_id(record.evse_id, f"{field}.evse_id")
    yield from _names(record, field, ("station_id", "vehicle_id", "user_id"))
    yield from check_instants(record, field, "started_at", "ended_at")
    if not record.HasField("started_at"):
        yield FieldFault(f"{field}.started_at", "is missing")
    elif not record.HasField("ended_at"):
        yield FieldFault(f"{field}.ended_at", "is missing")
    elif not 0 < seconds(record.ended_at) - seconds(record.started_at) <= WEEK_S:
        yield FieldFault(f"{field}.ended_at", "must be after started_at, by at most 7 days")
    if not record.station_id and record.evse_id not in district.row:
        yield FieldFault(f"{field}.station_id", f"is missing, and {record.evse_id} is not known")
    yield from _numbers(record, field)
    yield from _money(record.price, f"{field}.price")


def to_session(record: op.SessionRecord, district: District) -> ChargeSession:
    """The session; call after `session_faults` found nothing."""
    station_id = record.station_id
    if not station_id:
        station = int(district.station[district.row[record.evse_id]])
        station_id = district.stations[station].station_id
    return ChargeSession(
        record.evse_id,
        round(seconds(record.started_at), 3),
        round(seconds(record.ended_at), 3),
        station_id=station_id,
        vehicle_id=record.vehicle_id,
        user_id=record.user_id,
        energy_kwh=_number(record, "energy_kwh"),
        start_soc_pct=_number(record, "start_soc_pct"),
        end_soc_pct=_number(record, "end_soc_pct"),
        queue_length=record.queue_length if record.HasField("queue_length") else None,
        wait_s=_number(record, "wait_s"),
        price=record.price.micros / 1e6 if record.HasField("price") else NAN,
        currency=record.price.currency,
        ended_by_fault=record.ended_by_fault,
        source=IMPORT,
    )


def request_faults(record: op.RequestRecord, field: str) -> Iterator[FieldFault]:
    """Everything wrong with a request."""
    yield from check_id(record.request_id, f"{field}.request_id")
    yield from _names(record, field, ("evse_id", "vehicle_id", "user_id"))
    yield from check_instants(record, field, "asked_at")
    if not record.HasField("asked_at"):
        yield FieldFault(f"{field}.asked_at", "is missing")
    if not record.HasField("position"):
        yield FieldFault(f"{field}.position", "is missing")
    else:
        yield from check_position(record.position, f"{field}.position")
    yield from _numbers(record, field)
    yield from _money(record.price, f"{field}.price")
    yield from check_text(record.empty_reason, f"{field}.empty_reason")


def to_request(record: op.RequestRecord) -> StoredRequest:
    """The request; call after `request_faults` found nothing."""
    latitude_deg, longitude_deg = wgs84(record.position)
    return StoredRequest(
        record.request_id,
        seconds(record.asked_at),
        vehicle_id=record.vehicle_id,
        user_id=record.user_id,
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        soc_pct=record.soc_pct,
        target_soc_pct=record.target_soc_pct if record.HasField("target_soc_pct") else 80.0,
        level=record.level if record.level in _LEVELS else 0,
        evse_id=record.evse_id,
        eta_s=_number(record, "eta_s"),
        wait_s=_number(record, "wait_s"),
        price=record.price.micros / 1e6 if record.HasField("price") else NAN,
        currency=record.price.currency,
        empty_reason=record.empty_reason,
        source=IMPORT,
    )


def _names(record: Message, field: str, names: tuple[str, ...]) -> Iterator[FieldFault]:
    for name in names:
        if value := getattr(record, name):
            yield from check_id(value, f"{field}.{name}")


def _numbers(record: Message, field: str) -> Iterator[FieldFault]:
    for described, value in record.ListFields():
        most = _MOST.get(described.name)
        if most is not None and not 0.0 <= value <= most:
            yield FieldFault(f"{field}.{described.name}", f"must be within 0 to {most:g}")


def _money(money: nouns.Money, field: str) -> Iterator[FieldFault]:
    if money.currency and not (len(money.currency) == 3 and money.currency.isalpha()):
        yield FieldFault(f"{field}.currency", "must be an ISO 4217 code")


def _number(record: Message, name: str) -> float:
    value = getattr(record, name) if record.HasField(name) else NAN
    return float(value) if math.isfinite(value) else NAN
