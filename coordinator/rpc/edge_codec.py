"""Agents' messages to the use cases' values and back.

Batches stay columns: a repeated field becomes a numpy array in one call, and the received bytes are
kept for the store. Only a batch that must be cut is encoded anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from coordinator.core.ranges import Ranges
from coordinator.core.report import (
    MAX_ROWS,
    MEASURED,
    Batch,
    Detail,
    LostRun,
    Refusal,
)
from coordinator.errors import FieldFault, FieldInvalid
from coordinator.rpc.noun_codec import TEXT_LIMIT, check_id
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import types_pb2 as nouns

LATER_RANGES = 16
NAMED_REJECTIONS = 64
_SEQ_LIMIT = 1 << 62
_BATCH_TAG = 0x12  # field 2 of ConnectRequest, length-delimited
_GAP_LIMIT = 1_000

# Columns that a row cannot do without, then those that may be missing as a whole.
_NEEDED = ("evse_index", "kind", "observed_at_ms", "status")
_OPTIONAL = (
    "source",
    "bay",
    "queue_length_plus_one",
    "flags",
    "detail_index_plus_one",
    "iec61851_state",
    "ocpp_status",
)


def parse(raw: bytes) -> edge.ConnectRequest:
    """The message; raises `FieldInvalid` if the bytes are none."""
    try:
        return edge.ConnectRequest.FromString(raw)
    except DecodeError as error:
        raise FieldInvalid(FieldFault("message", "is not a valid ConnectRequest")) from error


def to_batch(batch: edge.ReportBatch, raw: bytes) -> Batch:
    """The batch as columns; `raw` is the ConnectRequest that carried it.

    Raises `FieldInvalid` for a batch that cannot even be settled as refused: no spool, no or too
    many record numbers. A ragged batch is returned as such.
    """
    _check_frame(batch)
    lengths = {name: len(getattr(batch, name)) for name in (*_NEEDED, *_OPTIONAL)}
    count = batch.record_count
    ragged = next(
        (
            (name, count, length)
            for name, length in lengths.items()
            if length != count and (length or name in _NEEDED)
        ),
        None,
    )
    measured: dict[str, NDArray[Any]] = {}
    malformed: dict[str, NDArray[np.bool_]] = {}
    for name, _, _ in MEASURED:
        if not batch.HasField(name):  # type: ignore[arg-type]  # the names are fields
            continue
        column = getattr(batch, name)
        values = np.array(column.values)
        if values.size != count or len(column.presence) not in (0, (count + 7) // 8):
            ragged = ragged or (name, count, values.size)
            continue
        measured[name], bad = _present(values, column.presence)
        if bad is not None:
            malformed[name] = bad
    columns = {name: np.array(getattr(batch, name)) if lengths[name] else None for name in lengths}
    return Batch(
        spool_id=batch.spool_id,
        first_seq=batch.first_record_seq,
        count=count,
        evse_ids=tuple(batch.evse_ids),
        evse_index=_whole(columns["evse_index"], np.intp),
        kind=_whole(columns["kind"], np.int32),
        observed_at_ms=_whole(columns["observed_at_ms"], np.int64),
        status=_whole(columns["status"], np.int32),
        source=columns["source"],
        bay=columns["bay"],
        queue_plus_one=_optional(columns["queue_length_plus_one"]),
        flags=_optional(columns["flags"]),
        detail_plus_one=_optional(columns["detail_index_plus_one"]),
        details=tuple(_to_detail(detail) for detail in batch.details),
        measured=measured,
        malformed=malformed,
        gaps=tuple(_to_gap(gap) for gap in batch.gaps),
        payload=_payload(batch, raw),
        cut=lambda first, last: _cut(batch, first, last),
        ragged=ragged,
    )


def _check_frame(batch: edge.ReportBatch) -> None:
    faults = list(check_id(batch.spool_id, "spool_id"))
    if batch.record_count > MAX_ROWS:
        faults.append(FieldFault("record_count", f"is above {MAX_ROWS}"))
    if batch.record_count and not 1 <= batch.first_record_seq < _SEQ_LIMIT:
        faults.append(FieldFault("first_record_seq", "must be at least 1"))
    if len(batch.evse_ids) > MAX_ROWS:
        faults.append(FieldFault("evse_ids", f"has more than {MAX_ROWS} entries"))
    if len(batch.gaps) > _GAP_LIMIT:
        faults.append(FieldFault("gaps", f"has more than {_GAP_LIMIT} entries"))
    faults += [
        FieldFault(f"gaps[{number}].range", "must be first <= last, from 1")
        for number, gap in enumerate(batch.gaps[:_GAP_LIMIT])
        if not 1 <= gap.range.first <= gap.range.last < _SEQ_LIMIT
    ]
    if faults:
        raise FieldInvalid(*faults)


def _present(
    values: NDArray[Any], presence: bytes
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Values with NaN where absent, and where a value that was sent is not finite, if anywhere."""
    finite = np.isfinite(values)
    if not presence:
        return values, None if finite.all() else ~finite
    bits = np.frombuffer(presence, np.uint8)
    present = np.unpackbits(bits, count=values.size, bitorder="little").view(bool)
    bad = present & ~finite
    return np.where(present, values, np.nan), bad if bad.any() else None


def _whole(column: NDArray[Any] | None, dtype: type) -> NDArray[Any]:
    return np.zeros(0, dtype) if column is None else column.astype(dtype, copy=False)


def _optional(column: NDArray[Any] | None) -> NDArray[np.int64] | None:
    return None if column is None else column.astype(np.int64)


def _to_detail(detail: edge.RecordDetail) -> Detail:
    return Detail(
        detail.fault_code[:64],
        detail.session_id[:64],
        detail.id_token_hash[:128],
        detail.reason[:TEXT_LIMIT],
    )


def _to_gap(gap: edge.Gap) -> LostRun:
    return LostRun(
        gap.range.first, gap.range.last, gap.reason[:TEXT_LIMIT], gap.from_at_ms, gap.to_at_ms
    )


def _payload(batch: edge.ReportBatch, raw: bytes) -> bytes:
    """The bytes of the batch inside the message that carried it, without encoding it anew."""
    if raw and raw[0] == _BATCH_TAG:
        length, shift, at = 0, 0, 1
        while at < len(raw) and at < 6:
            byte = raw[at]
            length |= (byte & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if byte < 0x80:
                if at + length == len(raw):
                    return raw[at:]
                break
    return batch.SerializeToString()


_SLICED = (*_NEEDED, *_OPTIONAL)


def _cut(batch: edge.ReportBatch, first: int, last: int) -> bytes:
    """The wire bytes of the rows with these record numbers; gaps are kept in their own table."""
    start = first - batch.first_record_seq
    stop = last - batch.first_record_seq + 1
    piece = edge.ReportBatch(
        spool_id=batch.spool_id,
        first_record_seq=first,
        record_count=stop - start,
        evse_ids=batch.evse_ids,
        details=batch.details,
    )
    for name in _SLICED:
        getattr(piece, name).extend(getattr(batch, name)[start:stop])
    for name, _, _ in MEASURED:
        if not batch.HasField(name):  # type: ignore[arg-type]  # the names are fields
            continue
        column, target = getattr(batch, name), getattr(piece, name)
        target.values.extend(column.values[start:stop])
        if column.presence:
            bits = np.unpackbits(np.frombuffer(column.presence, np.uint8), bitorder="little")
            target.presence = np.packbits(bits[start:stop], bitorder="little").tobytes()
    return piece.SerializeToString()


def from_ranges(settled: Ranges) -> edge.StoredRanges:
    """What is durable, for the wire."""
    return edge.StoredRanges(
        acked_through=settled.acked_through,
        ranges=[nouns.SeqRange(first=a, last=b) for a, b in settled.later(LATER_RANGES)],
    )


def from_ack(
    spool_id: str, settled: Ranges, refusals: Sequence[Refusal], credit: int
) -> edge.ConnectResponse:
    """An ack; it names the first refusals and counts all."""
    return edge.ConnectResponse(
        ack=edge.Ack(
            spool_id=spool_id,
            stored=from_ranges(settled),
            rejections=[
                edge.Rejection(
                    record_seq=r.record_seq, code=r.code, field=r.field, message=r.message
                )
                for r in refusals[:NAMED_REJECTIONS]
            ],
            rejected_count=len(refusals),
            credit=credit,
        )
    )
