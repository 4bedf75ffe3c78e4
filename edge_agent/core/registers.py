"""Modbus words to numbers and back, and which blocks to read for a set of points.

Bytes inside a word are always big-endian; the order of words is told per point. What a number
means belongs to `profile.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

WordOrder = Literal["big", "little"]
Number = int | float

# kind -> (words, struct code)
NUMBER_KINDS: Final[dict[str, tuple[int, str]]] = {
    "u16": (1, "H"),
    "i16": (1, "h"),
    "u32": (2, "I"),
    "i32": (2, "i"),
    "u64": (4, "Q"),
    "i64": (4, "q"),
    "f32": (2, "f"),
    "f64": (4, "d"),
}
# Text kinds have no width of their own: the point says how many words.
TEXT_KINDS: Final = frozenset({"ascii", "hex", "dotted"})

# All ones means "not available" in the wild for unsigned, the most negative for signed integers.
ALL_ONES: Final[dict[str, int]] = {
    "u16": 0xFFFF,
    "u32": 0xFFFF_FFFF,
    "u64": 0xFFFF_FFFF_FFFF_FFFF,
    "i16": -0x8000,
    "i32": -0x8000_0000,
    "i64": -0x8000_0000_0000_0000,
}


def word_count(kind: str) -> int:
    """How many 16-bit words a number kind takes; KeyError for text kinds."""
    return NUMBER_KINDS[kind][0]


def number_decoder(kind: str, word_order: WordOrder) -> Callable[[Sequence[int]], Number]:
    """A function from exactly `word_count(kind)` words to the raw number, built once per point."""
    words, code = NUMBER_KINDS[kind]
    pack = struct.Struct(f">{words}H").pack
    unpack = struct.Struct(f">{code}").unpack
    if word_order == "big":

        def decode(raw: Sequence[int]) -> Number:
            number: Number = unpack(pack(*raw))[0]
            return number
    else:

        def decode(raw: Sequence[int]) -> Number:
            number: Number = unpack(pack(*reversed(raw)))[0]
            return number

    return decode


def encode_number(value: Number, kind: str, word_order: WordOrder = "big") -> tuple[int, ...]:
    """The words of a raw number.

    >>> encode_number(0x12345678, "u32", "little")
    (22136, 4660)
    """
    words, code = NUMBER_KINDS[kind]
    packed = struct.pack(f">{code}", value)
    big = struct.unpack(f">{words}H", packed)
    return big if word_order == "big" else tuple(reversed(big))


def decode_text(words: Sequence[int], kind: str) -> str:
    """The text in words: `ascii` up to the first NUL, `hex` digits, `dotted` a.b.c of the bytes.

    >>> decode_text([0x4142, 0x4300], "ascii"), decode_text([0x0108, 0x0500], "dotted")
    ('ABC', '1.8.5')
    """
    raw = b"".join(word.to_bytes(2, "big") for word in words)
    if kind == "hex":
        return raw.hex()
    if kind == "dotted":
        return ".".join(str(byte) for byte in raw[:3])
    text = raw.split(b"\0", 1)[0].decode("ascii", errors="replace")
    return "".join(char if char.isprintable() else "?" for char in text).strip()


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Registers that are read together: function code 3 or 4, first address, count."""

    function: int
    address: int
    count: int

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
    for span in sorted(set(spans)):
        if any(span.address <= last and first < span.end for first, last in forbidden):
            raise ValueError(f"registers {span.address:#06x}+{span.count} are forbidden")
        previous = blocks[-1] if blocks else None
        if previous and _joinable(previous, span, max_registers, forbidden, bridge_registers):
            end = max(previous.end, span.end)
            blocks[-1] = Span(span.function, previous.address, end - previous.address)
        else:
            blocks.extend(_cut(span, max_registers))
    return tuple(blocks)


def _joinable(
    before: Span,
    after: Span,
    max_registers: int,
    forbidden: Sequence[tuple[int, int]],
    bridge_registers: int,
) -> bool:
    if before.function != after.function or after.address - before.end > bridge_registers:
        return False
    if max(before.end, after.end) - before.address > max_registers:
        return False
    return not any(first < after.address and before.end <= last for first, last in forbidden)


def _cut(span: Span, max_registers: int) -> list[Span]:
    return [
        Span(span.function, address, min(max_registers, span.end - address))
        for address in range(span.address, span.end, max_registers)
    ]
