"""Any message of the contract as a hypothesis strategy, made from its descriptor."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from bench.fuzz import values

# Levels of messages within messages; deeper ones are left out.
DEEPEST = 4
_KINDS = FieldDescriptor
_BITS = {
    _KINDS.TYPE_INT32: (-(2**31), 2**31 - 1),
    _KINDS.TYPE_SINT32: (-(2**31), 2**31 - 1),
    _KINDS.TYPE_UINT32: (0, 2**32 - 1),
    _KINDS.TYPE_INT64: (-(2**63), 2**63 - 1),
    _KINDS.TYPE_UINT64: (0, 2**64 - 1),
}


def examples(few: int) -> int:
    """So many examples, or fifty times as many where `PILEWISE_LONG` asks for it."""
    return few * 50 if os.environ.get("PILEWISE_LONG") else few


@cache
def messages(descriptor: Descriptor, depth: int = 0) -> st.SearchStrategy[Message]:
    """Any message of this type: each field absent, as usual, or as nobody should send it."""
    fields = {
        field.name: _several(field, depth)
        for field in descriptor.fields
        if depth < DEEPEST or field.message_type is None
    }
    made = GetMessageClass(descriptor)
    return st.fixed_dictionaries({}, optional=fields).map(
        lambda given: made(**_one_of_each(descriptor, given))
    )


def _one_of_each(descriptor: Descriptor, given: dict[str, Any]) -> dict[str, Any]:
    """The fields without those of a choice that has another already."""
    kept = dict(given)
    for choice in descriptor.oneofs:
        chosen = [field.name for field in choice.fields if field.name in kept]
        for name in chosen[1:]:
            del kept[name]
    return kept


def _several(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        key, value = (kind.fields_by_name[name] for name in ("key", "value"))
        return st.dictionaries(_one(key, depth), _one(value, depth), max_size=2)
    single = _one(field, depth)
    return st.lists(single, max_size=3) if field.is_repeated else single


def _one(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return messages(field.message_type, depth + 1)
    if field.type == _KINDS.TYPE_STRING:
        known = values.NAMES.get(field.name, ("one",))
        return st.sampled_from(known) | st.sampled_from(values.STRINGS) | _texts
    if field.type == _KINDS.TYPE_BYTES:
        return st.binary(max_size=40)
    if field.type == _KINDS.TYPE_BOOL:
        return st.booleans()
    if field.type == _KINDS.TYPE_ENUM:
        numbers = [value.number for value in field.enum_type.values]
        return st.sampled_from(numbers) | st.integers(-(2**31), 2**31 - 1)
    if field.type in _BITS:
        return st.integers(0, 3) | st.integers(*_BITS[field.type])
    width = 32 if field.type == _KINDS.TYPE_FLOAT else 64
    return st.floats(0, 1, width=width) | st.floats(width=width)


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
