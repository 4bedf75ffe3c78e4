"""Batches read where they lie: the usual form of a `ReportBatch`, without building its message.

Usual means what every protobuf library writes for small values: fields once and in order, packed;
words below 128, one byte each; instants of our time, six bytes each; floats little-endian. For
anything else `read` gives None and the protobuf library reads the bytes, so that nothing depends on
this file but time: it costs a third. Field numbers are those of `edge_service.proto`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.core.report import BOUNDS, IDENTIFIER, MAX_ROWS, Batch, Columns
from coordinator.rpc.columns import present, through

_SPOOL_ID, _FIRST_SEQ, _COUNT, _EVSE_ID, _EVSE_INDEX = 0x0A, 0x10, 0x18, 0x22, 0x2A  # tags
_REQUEST_BATCH = 0x12  # tag of the batch in a ConnectRequest
_NEEDED = frozenset({5, 6, 7, 8})
_WORDS: Mapping[int, str] = {
    5: "evse_index",
    6: "kind",
    8: "status",
    9: "source",
    10: "iec61851_state",
    11: "ocpp_status",
    12: "bay",
    13: "queue_length_plus_one",
    22: "flags",
}
_OBSERVED = 7
_OBSERVED_BYTES = 6
_FLOATS: Mapping[int, tuple[str, int]] = {
    14: ("power_kw", 4),
    15: ("energy_kwh", 8),
    16: ("current_a", 4),
    17: ("voltage_v", 4),
    18: ("soc_pct", 4),
    19: ("temperature_c", 4),
    24: ("people_count", 4),
    25: ("vehicle_count", 4),
    26: ("ambient_temperature_c", 4),
}
_SEQ_LIMIT = 1 << 62
_HIGH = bytes(range(128, 256))
# What each of six bytes of a varint adds: seven bits, the least significant first.
_WEIGHTS = 1 << (7 * np.arange(_OBSERVED_BYTES, dtype=np.int64))


def batch_payload(raw: bytes) -> bytes | None:
    """The bytes of the batch in a ConnectRequest that holds nothing else; None for another."""
    if not raw or raw[0] != _REQUEST_BATCH:
        return None
    try:
        size, at = _varint(raw, 1)
    except IndexError:
        return None
    return raw[at:] if at + size == len(raw) else None


class PackedReader:
    """Reads the batches of one stream; names of EVSEs that repeat are decoded once."""

    def __init__(self) -> None:
        self._names = b""
        self._evse_ids: tuple[str, ...] = ()
        self._spool = b""
        self._spool_id = ""

    def read(self, payload: bytes) -> Batch | None:
        """The batch, or None if it has not the usual form."""
        try:
            return self._read(payload)
        except (IndexError, UnicodeDecodeError):
            return None

    def _read(self, data: bytes) -> Batch | None:
        size = data[1]
        at = 2 + size
        if data[0] != _SPOOL_ID or size > 64 or data[at] != _FIRST_SEQ:
            return None
        spool_id = self._known_spool(data[2:at])
        first, at = _varint(data, at + 1)
        if data[at] != _COUNT or not 1 <= first < _SEQ_LIMIT:
            return None
        count, at = _varint(data, at + 1)
        if not spool_id or not 1 <= count <= MAX_ROWS:
            return None
        at = self._after_names(data, at)
        columns = _columns(data, at, count)
        if columns is None:
            return None
        fields, spans, presence = columns
        return Batch(
            spool_id,
            first,
            count,
            self._evse_ids,
            shape=fields,
            presence=presence,
            details=(),
            gaps=(),
            payload=data,
            columns_at=at,
            spans=spans,
        )

    def _known_spool(self, spool: bytes) -> str:
        """The spool's name; empty if it is no identifier."""
        if spool != self._spool:
            name = spool.decode()
            self._spool, self._spool_id = spool, name if IDENTIFIER.fullmatch(name) else ""
        return self._spool_id

    def _after_names(self, data: bytes, at: int) -> int:
        """Where the names of EVSEs end; they are known then."""
        names = self._names
        if names and data.startswith(names, at) and data[at + len(names)] == _EVSE_INDEX:
            return at + len(names)
        begin, found = at, []
        while data[at] == _EVSE_ID:
            size = data[at + 1]
            if size >= 128:
                raise IndexError
            found.append(data[at + 2 : at + 2 + size].decode())
            at += 2 + size
        self._names, self._evse_ids = data[begin:at], tuple(found)
        return at


_Span = tuple[int, int]


def _columns(
    data: bytes, begin: int, count: int
) -> tuple[tuple[int, ...], tuple[_Span, ...], dict[str, bytes]] | None:
    """Field numbers, where their values lie from `begin`, and bitmaps of gaps.

    None if anything is unusual.
    """
    fields: list[int] = []
    spans: list[_Span] = []
    presence: dict[str, bytes] = {}
    at, end, last = begin, len(data), 4
    while at < end:
        tag = data[at]
        at += 1
        if tag >= 128:
            tag = (tag & 127) | (data[at] << 7)
            at += 1
        field = tag >> 3
        size = data[at]
        at += 1
        if size >= 128:
            size, at = _varint(data, at - 1)
        stop = at + size
        if tag & 7 != 2 or field <= last or stop > end:
            return None
        if field in _WORDS:
            if size != count or not data[at:stop].isascii():
                return None
            spans.append((at - begin, stop - begin))
        elif field in _FLOATS:
            name, width = _FLOATS[field]
            span = _float_span(data, at, stop, count, width)
            if span is None:
                return None
            if span[1] != stop:
                presence[name] = data[span[1] + 2 : stop]
            spans.append((span[0] - begin, span[1] - begin))
        elif field == _OBSERVED and size == _OBSERVED_BYTES * count:
            # Every varint ends with its only low byte: as many as rows, each at a sixth place.
            low = data[at:stop].translate(None, _HIGH)
            if len(low) != count or not data[at + 5 : stop : 6].isascii():
                return None
            spans.append((at - begin, stop - begin))
        else:
            return None
        fields.append(field)
        at, last = stop, field
    return (tuple(fields), tuple(spans), presence) if _NEEDED.issubset(fields) else None


def _float_span(data: bytes, at: int, stop: int, count: int, width: int) -> _Span | None:
    """Where the values of a float column lie; what follows them is the bitmap, or nothing."""
    if data[at] != 0x0A:
        return None
    size, begin = _varint(data, at + 1)
    end = begin + size
    if size != count * width or end > stop:
        return None
    if end != stop:
        bitmap = (count + 7) // 8
        if data[end] != 0x12 or data[end + 1] != bitmap or end + 2 + bitmap != stop:
            return None
    return begin, end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends; raises IndexError at the end of the data or past nine bytes."""
    byte = data[at]
    if byte < 128:
        return byte, at + 1
    number, shift = byte & 127, 7
    while shift < 63:
        at += 1
        byte = data[at]
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at + 1
        shift += 7
    raise IndexError


def decode_packed(batches: Sequence[Batch]) -> Columns:
    """The rows of batches that `PackedReader` read and that have the same fields."""
    words: dict[str, NDArray[Any]] = {}
    measured: dict[str, NDArray[Any]] = {}
    malformed: dict[str, NDArray[np.bool_]] = {}
    believable: set[str] = set()
    fields: tuple[int, ...] = batches[0].shape  # type: ignore[assignment]  # made in `_columns`
    for field, column in zip(fields, _bytes_of_columns(batches), strict=True):
        if field in _FLOATS:
            name, width = _FLOATS[field]
            values = column.view("<f4" if width == 4 else "<f8")
            least, greatest = BOUNDS[name]
            # NaN comes through both reductions and fails both comparisons.
            if least <= np.minimum.reduce(values) and np.maximum.reduce(values) <= greatest:
                believable.add(name)
            measured[name], bad = present(name, values, batches, finite=name in believable)
            if bad is not None:
                malformed[name] = bad
        elif field == _OBSERVED:
            bits = column.reshape(-1, _OBSERVED_BYTES) & 127
            observed_at_ms = bits.astype(np.int64) @ _WEIGHTS
        else:
            words[_WORDS[field]] = column
    queue, flags = words.get("queue_length_plus_one"), words.get("flags")
    return Columns(
        evse_index=through(words["evse_index"], batches, [len(b.evse_ids) for b in batches]),
        kind=words["kind"],
        observed_at_ms=observed_at_ms,
        status=words["status"],
        source=words.get("source"),
        bay=words.get("bay"),
        queue_plus_one=None if queue is None else queue.astype(np.int64),
        flags=None if flags is None else flags.astype(np.int64),
        detail_plus_one=None,
        details=(),
        measured=measured,
        malformed=malformed,
        believable=believable,
    )


def _bytes_of_columns(batches: Sequence[Batch]) -> Iterator[NDArray[np.uint8]]:
    """The bytes of each column, batch after batch."""
    spans = batches[0].spans
    if all(batch.spans == spans for batch in batches):
        # One layout, as in a stream of full batches: the columns are slices of one block.
        joined = b"".join([batch.payload[batch.columns_at :] for batch in batches])
        block = np.frombuffer(joined, np.uint8).reshape(len(batches), -1)
        for begin, end in spans:
            yield np.ascontiguousarray(block[:, begin:end]).reshape(-1)
        return
    for number in range(len(spans)):
        parts = [
            b.payload[b.columns_at + b.spans[number][0] : b.columns_at + b.spans[number][1]]
            for b in batches
        ]
        yield np.frombuffer(b"".join(parts), np.uint8)
