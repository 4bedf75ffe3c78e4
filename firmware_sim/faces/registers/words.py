"""How a number or a text becomes sixteen-bit words, and back.

Bytes within a word stand high byte first unless a model swaps them; where a field is and what it
means is in `map.py`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Final, Literal

Form = Literal["number", "signed", "float"]
# None: the value is not available. bytes: a text, NUL after its end.
Raw = int | float | bytes | None
Value = int | float
_WIDEST: Final = 125
_ONES: Final = [(1 << 16 * width) - 1 for width in range(_WIDEST + 1)]
_SHIFTS: Final = [range(16 * (width - 1), -1, -16) for width in range(_WIDEST + 1)]
_FLOATS: Final = {2: ">f", 4: ">d"}


def to_words(
    raw: Raw, width: int, form: Form, low_word_first: bool = False, swapped_bytes: bool = False
) -> list[int]:
    """`width` words; a number that does not fit, and one that is not available, is all ones.

    >>> to_words(0x00A7D8C0, 2, "number", low_word_first=True)
    [55488, 167]
    >>> to_words(16.0, 2, "float")
    [16768, 0]
    >>> to_words(None, 2, "float")
    [32704, 0]
    """
    if form == "number" and not swapped_bytes and isinstance(raw, int | float):
        number = max(0, min(round(raw), _ONES[width]))
        words = [number >> shift & 0xFFFF for shift in _SHIFTS[width]]
        return words[::-1] if low_word_first else words
    data = _bytes(raw, width, form)
    words = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
    if swapped_bytes:
        words = [(word & 0xFF) << 8 | word >> 8 for word in words]
    return words[::-1] if low_word_first and not isinstance(raw, bytes) else words


def from_words(
    words: Sequence[int], form: Form, low_word_first: bool = False, swapped_bytes: bool = False
) -> Value:
    """The number that these words are.

    >>> from_words([16768, 0], "float")
    16.0
    """
    in_order = list(reversed(words)) if low_word_first else list(words)
    if swapped_bytes:
        in_order = [(word & 0xFF) << 8 | word >> 8 for word in in_order]
    data = b"".join(word.to_bytes(2, "big") for word in in_order)
    if form == "float":
        number: float = struct.unpack(_FLOATS[len(words)], data)[0]
        return number
    return int.from_bytes(data, "big", signed=form == "signed")


def _bytes(raw: Raw, width: int, form: Form) -> bytes:
    size = width * 2
    if isinstance(raw, bytes):
        return raw[:size].ljust(size, b"\0")
    if form == "float":
        return struct.pack(_FLOATS[width], math.nan if raw is None else raw)
    ones = (1 << size * 8) - 1
    if raw is None:
        return ones.to_bytes(size, "big")
    number = round(raw)
    if form == "signed":
        most = ones >> 1
        return max(-most - 1, min(number, most)).to_bytes(size, "big", signed=True)
    return max(0, min(number, ones)).to_bytes(size, "big")
