"""A record as the bytes of one spool row, and back. The wire's columns belong to `codec.py`."""

from __future__ import annotations

import zlib
from typing import Final

import msgspec

from edge_agent.core.reading import (
    NO_VALUES,
    BayState,
    Detail,
    EvseStatus,
    IecState,
    OcppStatus,
    Record,
    RecordFlags,
    RecordKind,
    StatusSource,
    Surroundings,
    Values,
)

_Values = tuple[
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
]
_Detail = tuple[str, str, str, str, str, str]
_Around = tuple[int | None, int | None, float | None]


class _Row(msgspec.Struct, array_like=True, gc=False):
    """Rows of older agents end earlier, those of newer ones may go on."""

    evse_id: str
    kind: int
    observed_at_ms: int
    status: int
    source: int
    iec: int
    ocpp: int
    bay: int
    queue_length: int | None
    values: _Values | None
    detail: _Detail | None
    flags: int
    around: _Around | None = None


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Row)


def to_bytes(record: Record) -> bytes:
    """The record as one compact, self-contained row (about 70 bytes with values)."""
    values = record.values
    detail = record.detail
    row: tuple[object, ...] = (
        record.evse_id,
        record.kind,
        record.observed_at_ms,
        record.status,
        record.source,
        record.iec,
        record.ocpp,
        record.bay,
        record.queue_length,
        None if values is NO_VALUES else _values_row(values),
        None if detail is None else _detail_row(detail),
        record.flags,
    )
    around = record.surroundings
    if around is not None:
        row += ((around.people_count, around.vehicle_count, around.ambient_temperature_c),)
    return _encoder.encode(row)


def from_bytes(body: bytes) -> Record:
    """The record in a row; raises `msgspec.DecodeError` for bytes that are none."""
    row = _decoder.decode(body)
    return Record(
        evse_id=row.evse_id,
        kind=RecordKind(row.kind),
        observed_at_ms=row.observed_at_ms,
        status=EvseStatus(row.status),
        source=StatusSource(row.source),
        iec=IecState(row.iec),
        ocpp=OcppStatus(row.ocpp),
        bay=BayState(row.bay),
        queue_length=row.queue_length,
        values=NO_VALUES if row.values is None else Values(*row.values),
        detail=None if row.detail is None else Detail(*row.detail),
        surroundings=None if row.around is None else Surroundings(*row.around),
        flags=RecordFlags(row.flags),
    )


def checksum(body: bytes) -> int:
    """CRC-32 of a row; a flipped byte inside a row passes SQLite's own integrity check."""
    return zlib.crc32(body)


def _values_row(values: Values) -> _Values:
    return (
        values.power_kw,
        values.energy_kwh,
        values.session_energy_kwh,
        values.current_a,
        values.voltage_v,
        values.soc_pct,
        values.temperature_c,
    )


def _detail_row(detail: Detail) -> _Detail:
    return (
        detail.fault_code,
        detail.vendor_code,
        detail.text,
        detail.session_id,
        detail.id_token_hash,
        detail.reason,
    )
