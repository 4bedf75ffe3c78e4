"""Records as the packed columns of one spool block, and back; a block is what one commit wrote.

Sixty-four piles look alike, so columns of a group compress to a fraction of single rows. Where
blocks lie belongs to `spool_blocks.py`, the wire's columns to `codec.py`.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from edge_agent.core.boot_time import BootTime
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

# A damaged byte costs at most so many records.
BLOCK_RECORDS: Final = 256
# Set in the byte of the kind where the record was news; confirmations may be thinned.
_URGENT: Final = 0x80
_SCALE: Final = 1000
_NAMES: Final = (
    "power_kw",
    "energy_kwh",
    "session_energy_kwh",
    "current_a",
    "voltage_v",
    "soc_pct",
    "temperature_c",
)
# Present rows (None: all), then width and bytes of the numbers; width 4: thousandths, 8: doubles.
_Column = tuple[bytes | None, int, bytes] | None
_Texts = tuple[str, str, str, str, str, str]


class _Packed(msgspec.Struct, array_like=True, gc=False):
    """Blocks of newer agents may go on; what this one does not know is passed over."""

    evse_ids: list[str]
    evse: bytes | list[int]
    kind: bytes
    base_ms: int
    since_ms: bytes | list[int]
    status: bytes
    source: bytes
    iec: bytes | None
    ocpp: bytes | None
    bay: bytes | None
    queue: list[int | None] | None
    flags: list[int] | None
    values: list[_Column]
    details: list[_Texts]
    detail: list[int] | None
    around: list[tuple[int | None, int | None, float | None] | None] | None = None
    made: tuple[str, int] | None = None


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Packed)


def pack(records: Sequence[Record], made: BootTime | None = None) -> bytes:
    """The records as one compressed body; a value keeps 9 digits of its size.

    `made` is how the clocks stood where they were not set.
    """
    evse_ids = {name: i for i, name in enumerate(dict.fromkeys([r.evse_id for r in records]))}
    evse = [evse_ids[r.evse_id] for r in records]
    base_ms = records[0].observed_at_ms
    details: dict[Detail, int] = {}
    for record in records:
        if record.detail is not None:
            details.setdefault(record.detail, len(details) + 1)
    body = _encoder.encode(
        _Packed(
            list(evse_ids),
            bytes(evse) if len(evse_ids) < 256 else evse,
            bytes([r.kind | _URGENT if r.urgent else r.kind for r in records]),
            base_ms,
            _ints([r.observed_at_ms - base_ms for r in records]),
            bytes([r.status for r in records]),
            bytes([r.source for r in records]),
            _sparse([r.iec for r in records]),
            _sparse([r.ocpp for r in records]),
            _sparse([r.bay for r in records]),
            _any([r.queue_length for r in records]),
            [int(r.flags) for r in records] if any(r.flags for r in records) else None,
            [_column([getattr(r.values, name) for r in records]) for name in _NAMES],
            [_texts(detail) for detail in details],
            [details[r.detail] if r.detail else 0 for r in records] if details else None,
            _any([_around(r.surroundings) for r in records]),
            (made.boot_id, made.ahead_ms) if made else None,
        )
    )
    return zlib.compress(body, 1)


def unpack(body: bytes) -> tuple[list[Record], BootTime | None]:
    """The records in a body as stamped, and by which clocks where these were not set.

    Raises ValueError for bytes that are none.
    """
    try:
        packed = _decoder.decode(zlib.decompress(body))
    except (zlib.error, msgspec.DecodeError) as error:
        raise ValueError(str(error)) from error
    return _records(packed), BootTime(*packed.made) if packed.made else None


def _records(packed: _Packed) -> list[Record]:
    count = len(packed.kind)
    since = packed.since_ms
    since_ms: Sequence[int] = array("i", _joined(since, 4)) if isinstance(since, bytes) else since
    details = [None, *(Detail(*texts) for texts in packed.details)]
    around = [None if seen is None else Surroundings(*seen) for seen in packed.around or ()]
    none = [None] * count
    return [
        Record(
            packed.evse_ids[evse],
            RecordKind(kind & ~_URGENT),
            packed.base_ms + late_ms,
            EvseStatus(status),
            StatusSource(source),
            iec,
            ocpp,
            bay,
            queue,
            values,
            details[detail],
            seen,
            RecordFlags(flags) if flags else RecordFlags.NONE,
            kind >= _URGENT,
        )
        for evse, kind, late_ms, status, source, iec, ocpp, bay, queue, values, detail, seen, flags
        in zip(
            packed.evse,
            packed.kind,
            since_ms,
            packed.status,
            packed.source,
            _words(packed.iec, IecState, count),
            _words(packed.ocpp, OcppStatus, count),
            _words(packed.bay, BayState, count),
            packed.queue or none,
            _values(packed.values, count),
            packed.detail or bytes(count),
            around or none,
            packed.flags or bytes(count),
            strict=True,
        )
    ]  # fmt: skip


def weight(record: Record) -> int:
    """About how many bytes a record takes on the wire."""
    detail = record.detail
    return 80 if detail is None else 120 + len(detail.text) + len(detail.vendor_code)


def _column(values: list[float | None]) -> _Column:
    numbers = [value for value in values if value is not None]
    if not numbers:
        return None
    present = None if len(numbers) == len(values) else bytes([v is not None for v in values])
    try:
        scaled = [round(number * _SCALE) for number in numbers]
        if all(
            abs(whole / _SCALE - number) <= 1e-9 * abs(number)
            for whole, number in zip(scaled, numbers, strict=True)
        ):
            return present, 4, _split(array("i", scaled).tobytes(), 4)
    except (OverflowError, ValueError):
        pass  # infinite, not a number, or too large for thousandths
    return present, 8, _split(array("d", numbers).tobytes(), 8)


def _values(columns: list[_Column], count: int) -> list[Values]:
    if not any(columns):
        return [NO_VALUES] * count
    found = [_numbers(column, count) for column in columns]
    return [NO_VALUES if row == _NOTHING else Values(*row) for row in zip(*found, strict=True)]


_NOTHING: Final = (None,) * len(_NAMES)


def _numbers(column: _Column, count: int) -> Sequence[float | None]:
    if column is None:
        return [None] * count
    present, width, body = column
    numbers: Sequence[float]
    if width == 4:
        numbers = [whole / _SCALE for whole in array("i", _joined(body, 4))]
    else:
        numbers = array("d", _joined(body, 8))
    if present is None:
        return numbers
    following = iter(numbers)
    return [next(following) if here else None for here in present]


def _split(raw: bytes, width: int) -> bytes:
    """First bytes of all numbers, then second ones: like beside like compresses better."""
    return b"".join([raw[i::width] for i in range(width)])


def _joined(body: bytes, width: int) -> bytes:
    count = len(body) // width
    raw = bytearray(count * width)
    for i in range(width):
        raw[i::width] = body[i * count : (i + 1) * count]
    return bytes(raw)


def _ints(numbers: list[int]) -> bytes | list[int]:
    try:
        return _split(array("i", numbers).tobytes(), 4)
    except OverflowError:
        return numbers


def _sparse(words: list[Any]) -> bytes | None:
    return bytes(words) if any(words) else None


def _any(items: list[Any]) -> list[Any] | None:
    return items if any(item is not None for item in items) else None


def _words(body: bytes | None, word: Callable[[int], Any], count: int) -> list[Any]:
    return [word(0)] * count if body is None else [word(number) for number in body]


def _texts(detail: Detail) -> _Texts:
    return (
        detail.fault_code,
        detail.vendor_code,
        detail.text,
        detail.session_id,
        detail.id_token_hash,
        detail.reason,
    )


def _around(seen: Surroundings | None) -> tuple[int | None, int | None, float | None] | None:
    if seen is None:
        return None
    return seen.people_count, seen.vehicle_count, seen.ambient_temperature_c
