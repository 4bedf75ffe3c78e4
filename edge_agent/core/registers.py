"""Modbus words to numbers and back, and which blocks to read for a set of points.

Bytes inside a word are always big-endian; the order of words is told per point. What a number
means belongs to `profile.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

WordOrder = Literal["big", "little"]
ByteOrder = Literal["big", "little"]
Number = int | float
Words = Sequence[int]

# kind -> (words, struct code)
NUMBER_KINDS: Final[dict[str, tuple[int, str]]] = {
    "bit": (1, "H"),
    "low_byte": (1, "H"),
    "high_byte": (1, "H"),
    "u16": (1, "H"),
    "i16": (1, "h"),
    "u32": (2, "I"),
    "i32": (2, "i"),
    "u64": (4, "Q"),
    "i64": (4, "q"),
    "f32": (2, "f"),
    "f64": (4, "d"),
}
# Text kinds have no width of their own: the point says how many words, one if it does not.
TEXT_KINDS: Final = frozenset({"ascii", "hex", "dotted", "decimal", "low_char", "high_char"})
# Stands in the place of a word that was not read; no word has this value.
NOT_READ: Final = -1
# `Span.device` of registers that the station answers at a unit id of its own.
STATION_DEVICE: Final = -1


def word_count(kind: str) -> int:
    """How many 16-bit words a number kind takes; KeyError for text kinds."""
    return NUMBER_KINDS[kind][0]


def number_reader(
    kind: str, start: int, word_order: WordOrder = "big", byte_order: ByteOrder = "big"
) -> Callable[[Words], Number | None]:
    """A function from all words of a device to the raw number at `start`; built once per point.

    None where a word was not read. Shifts are much cheaper than `struct` for what is met most.
    """
    if byte_order == "big":
        if kind == "u16" or kind == "bit":
            return lambda words: word if (word := words[start]) >= 0 else None
        if kind == "low_byte":
            return lambda words: word & 0xFF if (word := words[start]) >= 0 else None
        if kind == "high_byte":
            return lambda words: word >> 8 if (word := words[start]) >= 0 else None
        if kind == "u32":
            high, low = (start, start + 1) if word_order == "big" else (start + 1, start)
            return lambda words: n if (n := words[high] << 16 | words[low]) >= 0 else None
    return _struct_reader(kind, start, word_order, byte_order)


def _struct_reader(
    kind: str, start: int, word_order: WordOrder, byte_order: ByteOrder
) -> Callable[[Words], Number | None]:
    count, code = NUMBER_KINDS[kind]
    end = start + count
    # Writing the words the other way round swaps the bytes in each of them.
    pack = struct.Struct(f"{'>' if byte_order == 'big' else '<'}{count}H").pack
    unpack = struct.Struct(f">{code}").unpack
    turned = word_order == "little" and count > 1

    def read(words: Words) -> Number | None:
        raw = words[start:end]
        try:
            number: Number = unpack(pack(*(reversed(raw) if turned else raw)))[0]
        except struct.error:
            return None  # a word that was not read
        return number

    return read


def number_decoder(
    kind: str, word_order: WordOrder, byte_order: ByteOrder = "big"
) -> Callable[[Words], Number | None]:
    """A function from exactly `word_count(kind)` words to the raw number."""
    return number_reader(kind, 0, word_order, byte_order)


def encode_number(value: Number, kind: str, word_order: WordOrder = "big") -> tuple[int, ...]:
    """The words of a raw number.

    >>> encode_number(0x12345678, "u32", "little")
    (22136, 4660)
    """
    words, code = NUMBER_KINDS[kind]
    packed = struct.pack(f">{code}", value)
    big = struct.unpack(f">{words}H", packed)
    return big if word_order == "big" else tuple(reversed(big))


def decode_text(words: Words, kind: str, byte_order: ByteOrder = "big") -> str:
    """The text in words; "" where one of them was not read.

    `ascii` ends at the first NUL behind it; `hex` are digits; `dotted` is a.b.c of the first three
    bytes; `decimal` is a.b.c of a number written MMmmpp; `low_char` and `high_char` are one letter.

    >>> decode_text([0x4142, 0x4300], "ascii"), decode_text([0x0108, 0x0500], "dotted")
    ('ABC', '1.8.5')
    >>> decode_text([0, 10201], "decimal"), decode_text([0x0043], "low_char")
    ('1.2.1', 'C')
    """
    if min(words, default=NOT_READ) < 0:
        return ""
    raw = b"".join(word.to_bytes(2, byte_order) for word in words)
    if kind == "hex":
        return raw.hex()
    if kind == "dotted":
        return ".".join(str(byte) for byte in raw[:3])
    if kind == "decimal":
        number = int.from_bytes(raw, "big")
        return f"{number // 10_000}.{number // 100 % 100}.{number % 100}"
    if kind in ("low_char", "high_char"):
        raw = raw[1:2] if kind == "low_char" else raw[:1]
    # A single letter may stand in either byte of its word.
    text = raw.lstrip(b"\0").split(b"\0", 1)[0].decode("ascii", errors="replace")
    return "".join(char if char.isprintable() else "?" for char in text).strip()


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """What is read together: function code, first address, count of registers, or of bits (1, 2).

    `device` tells connectors apart that answer at units or ports of their own, from 0;
    `Profile.reach` knows where.
    """

    function: int
    address: int
    count: int
    device: int = field(default=0, repr=False)

    @property
    def end(self) -> int:
        """The address behind the last register."""
        return self.address + self.count


def plan_blocks(
    spans: Iterable[Span],
    *,
    max_registers: int,
    forbidden: Sequence[tuple[int, int]] = (),
    bridge_registers: int = 0,
) -> tuple[Span, ...]:
    """The fewest reads that cover `spans` in address order.

    Neighbours are joined while the read stays within `max_registers`, bridging at most
    `bridge_registers` unnamed registers, never over a forbidden range (first, last). A span
    longer than `max_registers` is cut. Raises ValueError where a span itself is forbidden.

    >>> plan_blocks([Span(3, 0, 2), Span(3, 2, 2), Span(3, 9, 1)], max_registers=125)
    (Span(function=3, address=0, count=4), Span(function=3, address=9, count=1))
    """
    blocks: list[Span] = []
    for span in sorted(set(spans), key=_reading_order):
        if any(span.address <= last and first < span.end for first, last in forbidden):
            raise ValueError(f"registers {span.address:#06x}+{span.count} are forbidden")
        previous = blocks[-1] if blocks else None
        if previous and _joinable(previous, span, max_registers, forbidden, bridge_registers):
            end = max(previous.end, span.end)
            blocks[-1] = replace(previous, count=end - previous.address)
        else:
            blocks.extend(_cut(span, max_registers))
    return tuple(blocks)


def _reading_order(span: Span) -> tuple[int, int, int, int]:
    return span.device, span.function, span.address, span.count


def _joinable(
    before: Span,
    after: Span,
    max_registers: int,
    forbidden: Sequence[tuple[int, int]],
    bridge_registers: int,
) -> bool:
    if (before.device, before.function) != (after.device, after.function):
        return False
    if after.address - before.end > bridge_registers:
        return False
    if max(before.end, after.end) - before.address > max_registers:
        return False
    return not any(first < after.address and before.end <= last for first, last in forbidden)


def _cut(span: Span, max_registers: int) -> list[Span]:
    return [
        replace(span, address=address, count=min(max_registers, span.end - address))
        for address in range(span.address, span.end, max_registers)
    ]
