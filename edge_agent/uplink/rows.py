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
_Row = tuple[
    str, int, int, int, int, int, int, int, int | None, _Values | None, _Detail | None, int
]
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Row)


def to_bytes(record: Record) -> bytes:
    """The record as one compact, self-contained row (about 70 bytes with values)."""
    values = record.values
    detail = record.detail
    row: _Row = (
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
    return _encoder.encode(row)


def from_bytes(body: bytes) -> Record:
    """The record in a row; raises `msgspec.DecodeError` for bytes that are none."""
    row = _decoder.decode(body)
    return Record(
        evse_id=row[0],
        kind=RecordKind(row[1]),
        observed_at_ms=row[2],
        status=EvseStatus(row[3]),
        source=StatusSource(row[4]),
        iec=IecState(row[5]),
        ocpp=OcppStatus(row[6]),
        bay=BayState(row[7]),
        queue_length=row[8],
        values=NO_VALUES if row[9] is None else Values(*row[9]),
        detail=None if row[10] is None else Detail(*row[10]),
        flags=RecordFlags(row[11]),
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
