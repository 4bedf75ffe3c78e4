"""Agents' messages to the use cases' values and back.

Batches stay columns: the same column of many batches becomes one numpy array in one call, and the
received bytes are kept for the store. Only a batch that must be cut is encoded anew.
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
    Columns,
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
_WORDS = (*_NEEDED, *_OPTIONAL)


def parse(raw: bytes) -> edge.ConnectRequest:
    """The message; raises `FieldInvalid` if the bytes are none."""
    try:
        return edge.ConnectRequest.FromString(raw)
    except DecodeError as error:
        raise FieldInvalid(FieldFault("message", "is not a valid ConnectRequest")) from error


def to_batch(batch: edge.ReportBatch, raw: bytes) -> Batch:
    """The batch, its columns still in wire form; `raw` is the ConnectRequest that carried it.

    Raises `FieldInvalid` for a batch that cannot even be settled as refused: no spool, no or too
    many record numbers. A ragged batch is returned as such.
    """
    _check_frame(batch)
    count = batch.record_count
    ragged: tuple[str, int, int] | None = None
    shape, bit = 0, 1
    for name in _WORDS:
        length = len(getattr(batch, name))
        if length == count:
            shape |= bit
        if length != count and (length or name in _NEEDED):
            ragged = ragged or (name, count, length)
        bit <<= 1
    presence: dict[str, bytes] = {}
    for name, _, _ in MEASURED:
        if batch.HasField(name):  # type: ignore[arg-type]  # the names are fields
            shape |= bit
            column = getattr(batch, name)
            bits = column.presence
            if len(column.values) != count or (bits and len(bits) != (count + 7) // 8):
                ragged = ragged or (name, count, len(column.values))
            elif bits:
                presence[name] = bits
        bit <<= 1
    return Batch(
        spool_id=batch.spool_id,
        first_seq=batch.first_record_seq,
        row_count=count,
        evse_ids=tuple(batch.evse_ids),
        shape=shape,
        presence=presence,
        details=tuple([_to_detail(detail) for detail in batch.details]) if batch.details else (),
        gaps=tuple([_to_gap(gap) for gap in batch.gaps]) if batch.gaps else (),
        payload=_payload(batch, raw),
        ragged=ragged,
    )


class WireCodec:
    """`BatchCodec` for batches in protobuf form."""

    def read(self, payload: bytes) -> Batch:
        """A batch from its wire bytes, as the store keeps them."""
        return to_batch(edge.ReportBatch.FromString(payload), b"")

    def decode(self, batches: Sequence[Batch]) -> Columns:
        """The rows of batches that are of one shape and not ragged.

        Protobuf messages set end to end read as one message whose repeated fields are appended, so
        the columns of all batches cost one call each.
        """
        merged = edge.ReportBatch.FromString(b"".join([batch.payload for batch in batches]))
        shape = batches[0].shape
        words = {
            name: np.array(getattr(merged, name)) if shape >> bit & 1 else None
            for bit, name in enumerate(_WORDS)
        }
        measured: dict[str, NDArray[Any]] = {}
        malformed: dict[str, NDArray[np.bool_]] = {}
        for bit, (name, _, _) in enumerate(MEASURED, start=len(_WORDS)):
            if not shape >> bit & 1:
                continue
            values = np.array(getattr(merged, name).values)
            measured[name], bad = _present(name, values, batches)
            if bad is not None:
                malformed[name] = bad
        detail = words["detail_index_plus_one"]
        return Columns(
            evse_index=_through(words["evse_index"], batches, [len(b.evse_ids) for b in batches]),
            kind=_needed(words["kind"], np.int32),
            observed_at_ms=_needed(words["observed_at_ms"], np.int64),
            status=_needed(words["status"], np.int32),
            source=words["source"],
            bay=words["bay"],
            queue_plus_one=_signed(words["queue_length_plus_one"]),
            flags=_signed(words["flags"]),
            detail_plus_one=None if detail is None else _through_details(detail, batches),
            details=[detail for batch in batches for detail in batch.details],
            measured=measured,
            malformed=malformed,
        )

    def cut(self, batch: Batch, first: int, last: int) -> bytes:
        """The wire bytes of the rows with these record numbers; gaps stay in their own table."""
        return _cut(edge.ReportBatch.FromString(batch.payload), first, last)


def _through(
    index: NDArray[Any] | None, batches: Sequence[Batch], sizes: Sequence[int]
) -> NDArray[np.intp]:
    """Indexes that count through the entries of all batches; -1 where one points nowhere."""
    if index is None:
        return np.zeros(0, np.intp)
    wide = index.astype(np.intp)
    if len(batches) == 1:
        return np.where(wide < sizes[0], wide, -1)
    counts = [batch.row_count for batch in batches]
    offsets = np.repeat(np.cumsum([0, *sizes[:-1]]), counts)
    inside = wide < np.repeat(sizes, counts)
    return np.where(inside, wide + offsets, -1)


def _check_frame(batch: edge.ReportBatch) -> None:
    """Raises `FieldInvalid` for what leaves no way to settle the rows."""
    faults = list(check_id(batch.spool_id, "spool_id"))
    if batch.record_count > MAX_ROWS:
        faults.append(FieldFault("record_count", f"is above {MAX_ROWS}"))
    if batch.record_count and not 1 <= batch.first_record_seq < _SEQ_LIMIT:
        faults.append(FieldFault("first_record_seq", "must be at least 1"))
    if len(batch.evse_ids) > MAX_ROWS:
        faults.append(FieldFault("evse_ids", f"has more than {MAX_ROWS} entries"))
    if len(batch.gaps) > _GAP_LIMIT:
        faults.append(FieldFault("gaps", f"has more than {_GAP_LIMIT} entries"))
    for number, gap in enumerate(batch.gaps[:_GAP_LIMIT] if batch.gaps else ()):
        if not 1 <= gap.range.first <= gap.range.last < _SEQ_LIMIT:
            faults.append(FieldFault(f"gaps[{number}].range", "must be first <= last, from 1"))
    if faults:
        raise FieldInvalid(*faults)


def _through_details(plus_one: NDArray[Any], batches: Sequence[Batch]) -> NDArray[np.int64]:
    """Like `_through`, for indexes plus one, where 0 means none."""
    index = np.where(plus_one > 0, plus_one.astype(np.int64) - 1, 0)
    # A batch without details has no entry 0 to stand for "none".
    found = _through(index, batches, [len(batch.details) for batch in batches])
    return np.where(plus_one == 0, 0, np.where(found < 0, -1, found + 1))


def _present(
    name: str, values: NDArray[Any], batches: Sequence[Batch]
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Values with NaN where absent, and where a value that was sent is not finite, if anywhere."""
    finite = np.isfinite(values)
    if not any(name in batch.presence for batch in batches):
        return values, None if finite.all() else ~finite
    present = np.concatenate([_bits(name, batch) for batch in batches])
    bad = present & ~finite
    return np.where(present, values, np.nan), bad if bad.any() else None


def _bits(name: str, batch: Batch) -> NDArray[np.bool_]:
    bitmap = batch.presence.get(name)
    if bitmap is None:
        return np.ones(batch.row_count, dtype=bool)
    bits = np.frombuffer(bitmap, np.uint8)
    return np.unpackbits(bits, count=batch.row_count, bitorder="little").view(bool)


def _needed(column: NDArray[Any] | None, dtype: type) -> NDArray[Any]:
    return np.zeros(0, dtype) if column is None else column


def _signed(column: NDArray[Any] | None) -> NDArray[np.int64] | None:
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
    for name in _WORDS:
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
