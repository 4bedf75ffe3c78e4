"""Sessions, requests and surroundings of files, as messages for a running coordinator."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp

from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import types_pb2 as nouns

if TYPE_CHECKING:
    from coordinator.core.sessions import ChargeSession
    from coordinator.core.surroundings import ContextValue
    from coordinator.usecases.requests import StoredRequest


def session_message(session: ChargeSession) -> op.SessionRecord:
    """The session that has ended."""
    assert session.ended_at_s is not None
    message = op.SessionRecord(
        evse_id=session.evse_id,
        started_at=_instant(session.started_at_s),
        ended_at=_instant(session.ended_at_s),
        station_id=session.station_id,
        vehicle_id=session.vehicle_id,
        user_id=session.user_id,
        queue_length=session.queue_length,
        ended_by_fault=session.ended_by_fault,
    )
    _fill(message, session, ("energy_kwh", "start_soc_pct", "end_soc_pct", "wait_s"))
    return message


def request_message(request: StoredRequest) -> op.RequestRecord:
    """The request with what it was answered."""
    message = op.RequestRecord(
        request_id=request.request_id,
        asked_at=_instant(request.at_s),
        vehicle_id=request.vehicle_id,
        user_id=request.user_id,
        position=nouns.Position(
            latitude_deg=request.latitude_deg, longitude_deg=request.longitude_deg
        ),
        level=request.level,  # type: ignore[arg-type]  # the same numbers
        evse_id=request.evse_id,
        empty_reason=request.empty_reason,
    )
    _fill(message, request, ("soc_pct", "target_soc_pct", "eta_s", "wait_s"))
    return message


def context_value(value: ContextValue) -> op.ContextValue:
    """The value of the surroundings."""
    return op.ContextValue(
        h3_cell=f"{value.cell:x}",
        name=value.name,
        value=value.value,
        source=value.source,
        observed_at=_instant(value.observed_at_s),
        ttl_s=value.ttl_s,
    )


def _fill(message: Any, record: Any, names: tuple[str, ...]) -> None:
    """Sets numbers and the price where they are known."""
    for name in names:
        if math.isfinite(value := getattr(record, name)):
            setattr(message, name, value)
    if math.isfinite(record.price):
        message.price.currency = record.currency
        message.price.micros = round(record.price * 1_000_000)


def _instant(at_s: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMilliseconds(round(at_s * 1000))
    return stamp
