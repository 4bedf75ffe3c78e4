"""Bytes changed after they were made: by anybody, and by somebody who knows protobuf's wire format.

Texts are changed in `text.py`. Source of the format: protobuf.dev, "Encoding".
"""

from __future__ import annotations

import random
from collections.abc import Callable

VARINT, FIXED64, LENGTH, START, END, FIXED32 = range(6)


def mutated(rng: random.Random, raw: bytes, changes: int = 0) -> bytes:
    """The bytes after one to four changes; never the same again."""
    made = raw
    for _ in range(changes or rng.choice((1, 1, 1, 2, 4))):
        made = rng.choice(CHANGES)(rng, made)
    return made if made != raw else raw + b"\x07"


def noise(rng: random.Random) -> bytes:
    """Bytes of no meaning, mostly few."""
    return rng.randbytes(rng.choice((0, 1, 2, 5, 17, 60, 400, 3_000)))


def varint(number: int) -> bytes:
    """A number as protobuf writes it.

    >>> varint(300).hex()
    'ac02'
    """
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def tag(number: int, kind: int) -> bytes:
    """The key before a field's bytes."""
    return varint(number << 3 | kind)


def fields(raw: bytes) -> list[tuple[int, int, int, int]]:
    """Begin, end, number and wire type of each outermost field, as far as the bytes make sense."""
    found, at = [], 0
    while at < len(raw):
        begin = at
        key, at = _varint_at(raw, at)
        kind = key & 7
        if kind == VARINT:
            _, at = _varint_at(raw, at)
        elif kind == LENGTH:
            size, at = _varint_at(raw, at)
            at += size
        else:
            at += {FIXED64: 8, FIXED32: 4}.get(kind, len(raw))
        if at > len(raw) or key >> 3 == 0:
            break
        found.append((begin, at, key >> 3, kind))
    return found


def _varint_at(raw: bytes, at: int) -> tuple[int, int]:
    number, shift = 0, 0
    while at < len(raw) and shift < 70:
        number |= (raw[at] & 0x7F) << shift
        at += 1
        if not raw[at - 1] & 0x80:
            return number, at
        shift += 7
    return number, len(raw) + 1


def flip_bits(rng: random.Random, raw: bytes) -> bytes:
    """A few bits turned over."""
    out = bytearray(raw or b"\x00")
    for _ in range(rng.choice((1, 1, 2, 8))):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def set_byte(rng: random.Random, raw: bytes) -> bytes:
    """One byte made an extreme one."""
    out = bytearray(raw or b"\x00")
    out[rng.randrange(len(out))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, 0x22, 0x0A))
    return bytes(out)


def truncate(rng: random.Random, raw: bytes) -> bytes:
    """The end cut off."""
    return raw[: rng.randrange(len(raw) + 1)]


def drop_part(rng: random.Random, raw: bytes) -> bytes:
    """A part in the middle left out."""
    begin = rng.randrange(len(raw) + 1)
    return raw[:begin] + raw[begin + rng.randrange(1, 9) :]


def repeat_part(rng: random.Random, raw: bytes) -> bytes:
    """A part in the middle twice, or often."""
    begin = rng.randrange(len(raw) + 1)
    part = raw[begin : begin + rng.randrange(1, 40)]
    return raw[:begin] + part * rng.choice((2, 2, 3, 60)) + raw[begin + len(part) :]


def insert_noise(rng: random.Random, raw: bytes) -> bytes:
    """Some bytes of no meaning put in."""
    begin = rng.randrange(len(raw) + 1)
    return raw[:begin] + rng.randbytes(rng.randrange(1, 12)) + raw[begin:]


def repeat_field(rng: random.Random, raw: bytes) -> bytes:
    """One field again at the end, once or often: the last one counts, or the list grows."""
    found = fields(raw)
    if not found:
        return insert_noise(rng, raw)
    begin, end, _, _ = rng.choice(found)
    times = rng.choice((1, 1, 2, 70, 600))
    return raw + raw[begin:end] * min(times, 60_000 // (end - begin) + 1)


def drop_field(rng: random.Random, raw: bytes) -> bytes:
    """One field left out."""
    found = fields(raw)
    if not found:
        return raw[:-1]
    begin, end, _, _ = rng.choice(found)
    return raw[:begin] + raw[end:]


def swap_fields(rng: random.Random, raw: bytes) -> bytes:
    """The value of one field under the number of another."""
    found = fields(raw)
    if len(found) < 2:
        return flip_bits(rng, raw)
    begin, _, number, kind = rng.choice(found)
    other = rng.choice(found)[2]
    return raw[:begin] + tag(other, kind) + raw[begin + len(tag(number, kind)) :]


def wrong_type(rng: random.Random, raw: bytes) -> bytes:
    """One field's key with another wire type; what follows is read as something else."""
    found = fields(raw)
    if not found:
        return flip_bits(rng, raw)
    begin, _, number, kind = rng.choice(found)
    other = rng.choice([t for t in range(8) if t != kind])
    return raw[:begin] + tag(number, other) + raw[begin + len(tag(number, kind)) :]


def huge_length(rng: random.Random, raw: bytes) -> bytes:
    """A field that says it is longer than everything."""
    number = rng.randrange(1, 30)
    size = rng.choice((len(raw) + 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1))
    return raw + tag(number, LENGTH) + varint(size) + b"x"


def nest(rng: random.Random, raw: bytes) -> bytes:
    """A field within itself, from a few times to more often than any parser goes."""
    number = rng.randrange(1, 20)
    inner = b""
    for _ in range(rng.choice((3, 20, 99, 101, 400))):
        inner = tag(number, LENGTH) + varint(len(inner)) + inner
    return raw + inner


def unknown_fields(rng: random.Random, raw: bytes) -> bytes:
    """Fields that no version of the contract has, a few or very many."""
    key = tag(rng.choice((999, 19_000, 2**29 - 1)), VARINT)
    return raw + (key + varint(rng.getrandbits(40))) * rng.choice((1, 20, 3_000))


def big_varint(rng: random.Random, raw: bytes) -> bytes:
    """A number of a known field that is as large as it gets, or longer than ten bytes."""
    number = rng.randrange(1, 27)
    return raw + tag(number, VARINT) + rng.choice((varint(2**64 - 1), b"\xff" * 11 + b"\x01"))


def raw_number(rng: random.Random, raw: bytes) -> bytes:
    """A number of a known field that is none, infinite, or at the edge of its type."""
    number = rng.randrange(1, 27)
    if rng.random() < 0.5:
        word = rng.choice(("000000000000f87f", "000000000000f07f", "000000000000f0ff"))
        return raw + tag(number, FIXED64) + bytes.fromhex(word)
    word = rng.choice(("0000c07f", "0000807f", "ffff7fff"))
    return raw + tag(number, FIXED32) + bytes.fromhex(word)


def group(rng: random.Random, raw: bytes) -> bytes:
    """A group that begins and never ends, or ends and never began."""
    return raw + tag(rng.randrange(1, 27), rng.choice((START, END)))


CHANGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    flip_bits,
    flip_bits,
    flip_bits,
    set_byte,
    set_byte,
    truncate,
    drop_part,
    repeat_part,
    insert_noise,
    repeat_field,
    repeat_field,
    drop_field,
    drop_field,
    swap_fields,
    wrong_type,
    huge_length,
    nest,
    unknown_fields,
    big_varint,
    raw_number,
    raw_number,
    group,
)
