"""Any message of the contract from its descriptor: as a good client sends it, or with values that
nobody should send. Bytes that are no message are made in `wire.py`.
"""

from __future__ import annotations

import random
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bench.fuzz import values

DEEPEST = 7
LONG = 400

_FLOATS = (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT)
_WHOLE = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SINT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: (0, 2**64 - 1),
}


class Maker:
    """Makes messages; `hostility` is the share of values that nobody should send."""

    def __init__(self, rng: random.Random, at_ms: int, hostility: float = 0.0) -> None:
        self._rng = rng
        self._at_ms = at_ms
        self._hostility = hostility

    def make(self, descriptor: Descriptor, depth: int = 0) -> Message:
        """A message of this type."""
        made = GetMessageClass(descriptor)()
        skipped = self._unchosen(descriptor)
        # Few fields are left out where all is well, many where it is not.
        presence = 0.9 if self._hostility == 0.0 else self._rng.choice((0.3, 0.8, 1.0))
        for field in descriptor.fields:
            if field.name not in skipped and self._rng.random() < presence and depth < DEEPEST:
                self._fill(made, field, depth)
        return made

    def _unchosen(self, descriptor: Descriptor) -> set[str]:
        """Fields of each choice that are not the chosen one."""
        out: set[str] = set()
        for choice in descriptor.oneofs:
            names = [field.name for field in choice.fields]
            chosen = self._rng.choice(names)
            out.update(name for name in names if name != chosen)
        return out

    def _fill(self, made: Message, field: FieldDescriptor, depth: int) -> None:
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            self._fill_map(made, field)
        elif field.is_repeated:
            for _ in range(self._count()):
                if kind is None:
                    getattr(made, field.name).append(self._value(field))
                else:
                    getattr(made, field.name).append(self.make(kind, depth + 1))
        elif kind is None:
            setattr(made, field.name, self._value(field))
        else:
            part = getattr(made, field.name)
            part.SetInParent()
            part.CopyFrom(self.make(kind, depth + 1))

    def _fill_map(self, made: Message, field: FieldDescriptor) -> None:
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        for _ in range(self._rng.randrange(3)):
            if value.message_type is None:
                getattr(made, field.name)[self._value(key)] = self._value(value)

    def _count(self) -> int:
        if self._rng.random() < self._hostility / 10:
            return self._rng.choice((0, 65, LONG))
        return self._rng.choice((0, 1, 1, 2, 3))

    def _value(self, field: FieldDescriptor) -> Any:
        rng, name = self._rng, field.name
        hostile = rng.random() < self._hostility
        if field.type == FieldDescriptor.TYPE_STRING:
            return values.hostile_text(rng) if hostile else values.plausible_text(name, rng)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return rng.randbytes(rng.choice((0, 1, 30, 5_000)) if hostile else 2)
        if field.type == FieldDescriptor.TYPE_BOOL:
            return rng.random() < 0.5
        if field.type in _FLOATS:
            return rng.choice(values.FLOATS) if hostile else values.plausible_number(name, rng)
        if field.type == FieldDescriptor.TYPE_ENUM:
            numbers = [value.number for value in field.enum_type.values]
            return rng.choice(values.ENUMS) if hostile else rng.choice(numbers)
        lowest, highest = _WHOLE[field.type]
        whole = (
            rng.choice(values.INTEGERS)
            if hostile
            else values.plausible_integer(name, rng, self._at_ms)
        )
        return min(max(whole, lowest), highest)
