"""Texts changed after they were made: JSON by its tree, any text by its lines and words.

Bytes are changed in `wire.py`, which does its share here too.
"""

from __future__ import annotations

import json
import random
import re
from typing import Any

from bench.fuzz import values
from bench.fuzz.wire import flip_bits, insert_noise, repeat_part, truncate

# What a value in a text may be replaced by, whatever it was.
_WORDS = (
    "", "null", "true", "-1", "0", "1e999", "-1e999", "NaN", "9" * 400, "9" * 5_000, "1_0",
    "1e-400", "{}", "[]", '""', "'", '"', "inf", "Infinity", "2026-13-45", "2026-02-30T25:61:61Z",
    "1970-01-01T00:00:00+99:99", "99999-01-01", "\\ud800", "\\u0000", "/dev/zero", "..", "#", "=",
    "[[[", "]]", "\t", "\ufeff", "\x00", "\u2028",
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_WORD = re.compile(rb"[\w.+-]+")


def mutated_text(rng: random.Random, raw: bytes) -> bytes:
    """The text after one to three changes; never the same again."""
    made = raw
    for _ in range(rng.choice((1, 1, 2, 3))):
        made = rng.choice(_CHANGES)(rng, made)
    return made if made != raw else raw + b"\xff"


def mutated_json(rng: random.Random, tree: Any) -> bytes:
    """The tree with some places changed, as JSON that may not be JSON any more."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        tree = _spoiled(rng, tree)
    raw = json.dumps(tree, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    return mutated_text(rng, raw) if rng.random() < 0.3 else raw


def _spoiled(rng: random.Random, tree: Any) -> Any:
    """The tree with one place changed; mostly deep inside."""
    if isinstance(tree, dict) and tree and rng.random() < 0.85:
        key = rng.choice(sorted(tree))
        made = dict(tree)
        draw = rng.random()
        if draw < 0.15:
            del made[key]
        elif draw < 0.22:
            made[values.hostile_text(rng)] = made.pop(key)
        elif draw < 0.28:
            made[f"{key}x"] = tree[key]
        else:
            made[key] = _spoiled(rng, tree[key])
        return made
    if isinstance(tree, list) and tree and rng.random() < 0.85:
        place = rng.randrange(len(tree))
        draw = rng.random()
        if draw < 0.15:
            return tree[:place] + tree[place + 1 :]
        if draw < 0.3:
            return tree[:place] + [tree[place]] * rng.choice((2, 3, 300)) + tree[place:]
        return [*tree[:place], _spoiled(rng, tree[place]), *tree[place + 1 :]]
    return strange(rng)


def strange(rng: random.Random) -> Any:
    """Any JSON value in place of another."""
    draw = rng.randrange(9)
    if draw < 3:
        return values.hostile_text(rng)
    if draw == 3:
        return rng.choice(values.FLOATS)
    if draw == 4:
        return rng.choice((*values.INTEGERS, 10**400))
    if draw == 5:
        return rng.choice((None, True, False))
    if draw == 6:
        return rng.choice(([], {}, [[]], {"": {}}, [None], [1, "a"]))
    tree: Any = 1
    for _ in range(rng.choice((5, 60, 500))):
        tree = [tree] if draw == 7 else {"a": tree}
    return tree


def _replace_number(rng: random.Random, raw: bytes) -> bytes:
    return _replace(rng, raw, _NUMBER, str(rng.choice((*values.INTEGERS, *values.FLOATS))))


def _replace_word(rng: random.Random, raw: bytes) -> bytes:
    new = rng.choice(_WORDS) if rng.random() < 0.6 else values.hostile_text(rng)
    return _replace(rng, raw, _WORD, new)


def _replace(rng: random.Random, raw: bytes, what: re.Pattern[bytes], new: str) -> bytes:
    places = list(what.finditer(raw))
    if not places:
        return raw + new.encode()
    place = rng.choice(places)
    return raw[: place.start()] + new.encode() + raw[place.end() :]


def _drop_line(rng: random.Random, raw: bytes) -> bytes:
    lines = raw.splitlines(keepends=True)
    if lines:
        del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def _repeat_line(rng: random.Random, raw: bytes) -> bytes:
    lines = raw.splitlines(keepends=True)
    if lines:
        place = rng.randrange(len(lines))
        lines[place:place] = [lines[place]] * rng.choice((1, 2, 200))
    return b"".join(lines)


def _swap_lines(rng: random.Random, raw: bytes) -> bytes:
    lines = raw.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def _deep(rng: random.Random, raw: bytes) -> bytes:
    """Brackets within brackets, more often than any parser goes."""
    place = rng.randrange(len(raw) + 1)
    return raw[:place] + rng.choice((b"[", b'{"a":')) * rng.choice((50, 950, 5_000)) + raw[place:]


_CHANGES = (
    _replace_number,
    _replace_number,
    _replace_word,
    _replace_word,
    _replace_word,
    _drop_line,
    _repeat_line,
    _swap_lines,
    _deep,
    flip_bits,
    truncate,
    repeat_part,
    insert_noise,
)
