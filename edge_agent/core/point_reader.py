"""Functions from the words of a device to what one point says, built once.

Which points matter for what belongs to `decoder_evse.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from edge_agent.core.profile import Point
from edge_agent.core.registers import TEXT_KINDS, Number, Words, decode_text, number_reader

Place = int
"""Where the first word of a point stands in the joined words."""
ReadNumber = Callable[[Words], Number | None]
# Stands for a number that cannot be true. It fails every limit, also as a sum or a greatest.
IMPOSSIBLE = math.inf


def raw_reader(point: Point, start: Place) -> ReadNumber:
    """The raw number, shifted and masked; None where the device has none.

    A NaN that does not stand for "not available" is `IMPOSSIBLE`.
    """
    read = number_reader(point.kind, start, point.word_order, point.byte_order)
    if point.absent:
        read = _without(read, point.absent)
    if point.kind in ("f32", "f64"):
        return _without_nan(read, None if point.nan_absent else IMPOSSIBLE)
    if point.mask is not None:
        return _masked(read, point.shift, point.mask)
    return read


def value_reader(point: Point, start: Place) -> Callable[[Words], float | None]:
    """The scaled number; `IMPOSSIBLE` where it is outside the point's own limits."""
    scale = point.scale
    unlimited = point.lowest is None and point.highest is None
    plain = unlimited and not point.absent and point.mask is None
    if plain and point.byte_order == "big" and point.kind in ("u16", "u32"):
        # What is met most in one step: polls spend their time here.
        if point.kind == "u16":
            return lambda words: word * scale if (word := words[start]) >= 0 else None
        high, low = (start, start + 1) if point.word_order == "big" else (start + 1, start)
        return lambda words: n * scale if (n := words[high] << 16 | words[low]) >= 0 else None
    read = raw_reader(point, start)
    lowest = -math.inf if point.lowest is None else point.lowest
    highest = math.inf if point.highest is None else point.highest
    if unlimited:
        return lambda words: None if (raw := read(words)) is None else raw * scale

    def limited(words: Words) -> float | None:
        raw = read(words)
        if raw is None:
            return None
        value = raw * scale
        return value if lowest <= value <= highest else IMPOSSIBLE

    return limited


def text_reader(point: Point, start: Place) -> Callable[[Words], str | None]:
    """The text, cut to what the point's pattern matches at its start; None where it is empty."""
    end, kind, order = start + point.words, point.kind, point.byte_order
    pattern = re.compile(point.pattern) if point.pattern else None

    def read(words: Words) -> str | None:
        text = decode_text(words[start:end], kind, order)
        if pattern is not None:
            found = pattern.match(text)
            text = found.group() if found else ""
        return text or None

    return read


def raw_words(point: Point, start: Place, words: Words) -> str:
    """The words of a point in hexadecimal digits, as they were read.

    >>> raw_words(Point("power", 3, 0, "u32", 2), 0, [0xFFFF, 0x1E])
    'ffff 001e'
    """
    return " ".join(f"{word:04x}" for word in words[start : start + point.words])


def told_text(point: Point, start: Place, words: Words) -> str:
    """What a once-read point says, as text; "" where it says nothing."""
    if point.kind in TEXT_KINDS:
        return text_reader(point, start)(words) or ""
    raw = raw_reader(point, start)(words)
    if raw is None or raw == IMPOSSIBLE:
        return ""
    return str(raw) if point.scale == 1.0 else f"{raw * point.scale:g}"


def _without(read: ReadNumber, absent: frozenset[int]) -> ReadNumber:
    return lambda words: None if (raw := read(words)) in absent else raw


def _without_nan(read: ReadNumber, instead: float | None) -> ReadNumber:
    # NaN is never equal to itself.
    return lambda words: raw if (raw := read(words)) == raw else instead


def _masked(read: ReadNumber, shift: int, mask: int) -> ReadNumber:
    def masked(words: Words) -> Number | None:
        raw = read(words)
        return None if raw is None else int(raw) >> shift & mask

    return masked
