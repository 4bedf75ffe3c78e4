"""Batches from the wire, kept there: which rows they carry, their columns, and cutting them.

A batch is read by `packed.py` where it lies if it has the usual form, else by the protobuf
library. The same column of many batches becomes one numpy array; the received bytes go to the store
as they are, and only a batch that must be cut is encoded anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from coordinator.core.report import MAX_ROWS, MEASURED, Batch, Columns, Detail, LostRun
from coordinator.errors import FieldFault, FieldInvalid
from coordinator.rpc.columns import present, through, through_details
from coordinator.rpc.noun_codec import TEXT_LIMIT, check_id
from coordinator.rpc.packed import PackedReader, decode_packed
from pilewise.v1 import edge_service_pb2 as edge

_SEQ_LIMIT = 1 << 62
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


def to_batch(batch: edge.ReportBatch, payload: bytes = b"") -> Batch:
    """The batch, its columns still in wire form; `payload` are its bytes, if they are known.

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
        payload=payload or batch.SerializeToString(),
        ragged=ragged,
    )


class WireCodec:
    """`BatchCodec` for batches in protobuf form; one for each stream, or for the store."""

    def __init__(self) -> None:
        self._packed = PackedReader()

    def read(self, payload: bytes) -> Batch:
        """A batch from its wire bytes.

        Raises `FieldInvalid` if they are none, or nothing that can be settled.
        """
        batch = self._packed.read(payload)
        if batch is not None:
            return batch
        try:
            return to_batch(edge.ReportBatch.FromString(payload), payload)
        except DecodeError as error:
            raise FieldInvalid(FieldFault("batch", "is not a valid ReportBatch")) from error

    def decode(self, batches: Sequence[Batch]) -> Columns:
        """The rows of batches that are of one shape and not ragged.

        Protobuf messages set end to end read as one message whose repeated fields are appended, so
        the columns of all batches cost one call each.
        """
        if batches[0].spans:
            return decode_packed(batches)
        merged = edge.ReportBatch.FromString(b"".join([batch.payload for batch in batches]))
        shape = int(batches[0].shape)  # type: ignore[call-overload]  # bits, see `to_batch`
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
            measured[name], bad = present(name, values, batches)
            if bad is not None:
                malformed[name] = bad
        detail = words["detail_index_plus_one"]
        return Columns(
            evse_index=through(words["evse_index"], batches, [len(b.evse_ids) for b in batches]),
            kind=_needed(words["kind"], np.int32),
            observed_at_ms=_needed(words["observed_at_ms"], np.int64),
            status=_needed(words["status"], np.int32),
            source=words["source"],
            bay=words["bay"],
            queue_plus_one=_signed(words["queue_length_plus_one"]),
            flags=_signed(words["flags"]),
            detail_plus_one=None if detail is None else through_details(detail, batches),
            details=[detail for batch in batches for detail in batch.details],
            measured=measured,
            malformed=malformed,
        )

    def cut(self, batch: Batch, first: int, last: int) -> bytes:
        """The wire bytes of the rows with these record numbers; gaps stay in their own table."""
        return _cut(edge.ReportBatch.FromString(batch.payload), first, last)


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
