"""The `[point.*]` tables of a profile file become points, with what differs between firmwares."""

from __future__ import annotations

import re
from typing import Any, Final, cast, get_args

from edge_agent.core.profile import (
    FACT_FIELDS,
    VALUE_FIELDS,
    Condition,
    Point,
    Variant,
    point_words,
)
from edge_agent.core.profile_table import MISSING, NOT_THERE, Table
from edge_agent.core.registers import NUMBER_KINDS, TEXT_KINDS, ByteOrder, WordOrder

KINDS: Final = (*NUMBER_KINDS, *sorted(TEXT_KINDS))
_ORDERS: Final = get_args(WordOrder)
POINT_KEYS: Final = (
    "function",
    "register",
    "kind",
    "words",
    "word_order",
    "byte_order",
    "scale",
    "shift",
    "mask",
    "bit",
    "absent",
    "pattern",
    "feeds",
    "unit",
    "scope",
    "read",
    "every_s",
    "lowest",
    "highest",
    "when",
    "note",
)
_VARIANT_KEYS: Final = ("all", "scale", "kind", "present")
_CONDITION_KEYS: Final = ("point", "matches", "below", "at_least")
# The word for "every bit is set", which devices send for "not available".
ALL_ONES: Final = "ones"
NAN: Final = "nan"
_FLOATS: Final = ("f32", "f64")


def parse_points(tables: Table) -> dict[str, Point]:
    """The points by name; those with a mistake are noted, and left out where others need it."""
    points = {name: _point(name, tables.table(name)) for name in tables.values}
    for name, point in points.items():
        _check_conditions(point, points, tables.table(name))
    return points


def _point(name: str, table: Table) -> Point:
    table.only(POINT_KEYS)
    kind = table.word("kind", KINDS, "u16") if table.need("kind") else "u16"
    table.need("register")
    feeds = table.text("feeds")
    if feeds and feeds not in VALUE_FIELDS and feeds not in FACT_FIELDS:
        table.wrong("feeds", f'feeds = "{feeds}" is no value and no fact')
    if feeds in VALUE_FIELDS and kind in TEXT_KINDS:
        table.wrong("feeds", f"{feeds} is a number, but {kind} is a text")
    if kind in ("ascii", "hex") and "words" not in table:
        table.wrong("words", f"words is missing, because {kind} has no width of its own", MISSING)
    function = table.whole("function", 3, 1, 4)
    if function < 3 and kind != "bit":
        table.wrong("function", f'function {function} reads bits: the kind must be "bit"')
    read = table.word("read", ("each", "once", "spare"), "each")
    if feeds in FACT_FIELDS and read == "each":
        table.wrong("read", f'a point that feeds {feeds} must have read = "once"')
    if feeds in VALUE_FIELDS and read != "each":
        table.wrong("read", f'a point that feeds {feeds} is read each time, not "{read}"')
    shift, mask = _bits(table, kind)
    words = table.whole("words", 0 if kind in NUMBER_KINDS else _least_words(kind), 1, 125)
    order = table.word("word_order", _ORDERS, "big")
    return Point(
        name=name,
        function=function,
        register=table.whole("register", 0),
        kind=kind,
        words=point_words(kind, words),
        word_order=cast(WordOrder, order),
        byte_order=cast(ByteOrder, table.word("byte_order", _ORDERS, "big")),
        scale=table.number("scale", 1.0, -1e9),
        shift=shift,
        mask=mask,
        absent=_absent(table, kind),
        nan_absent=kind in _FLOATS and bool({ALL_ONES, NAN} & set(map(str, _listed(table)))),
        pattern=_pattern(table, "pattern"),
        feeds=feeds,
        unit=table.text("unit"),
        station=table.word("scope", ("connector", "station"), "connector") == "station",
        once=read == "once",
        spare=read == "spare",
        every_s=table.number("every_s", 0.0),
        lowest=table.number("lowest", 0.0, -1e12) if "lowest" in table else None,
        highest=table.number("highest", 0.0, -1e12) if "highest" in table else None,
        variants=tuple(_variant(item, kind) for item in table.tables("when")),
    )


def _least_words(kind: str) -> int:
    return 2 if kind in ("dotted", "decimal") else 1


def _bits(table: Table, kind: str) -> tuple[int, int | None]:
    """Shift and mask; `bit = 3` is short for both."""
    shift = table.whole("shift", 0, 0, 63)
    mask = table.whole("mask", 0, 1, 2**64 - 1) if "mask" in table else None
    if "bit" in table:
        shift, mask = table.whole("bit", 0, 0, 63), 1
    if (shift or mask is not None) and (kind in TEXT_KINDS or kind in _FLOATS):
        table.wrong("mask", f"{kind} has no bits to shift or mask")
    return shift, (2**64 - 1 if shift and mask is None else mask)


def _absent(table: Table, kind: str) -> frozenset[int]:
    found: set[int] = set()
    for item in _listed(table):
        if item in (ALL_ONES, NAN) and kind in _FLOATS:
            continue
        if item == ALL_ONES and kind in NUMBER_KINDS:
            words, code = NUMBER_KINDS[kind]
            found.add(2 ** (16 * words) - 1 if code.isupper() else -1)
        elif type(item) is int:
            found.add(item)
        else:
            table.wrong("absent", f'absent lists raw numbers or "{ALL_ONES}", not {item!r}')
    return frozenset(found)


def _listed(table: Table) -> list[Any]:
    listed = table.values.get("absent", [])
    return listed if isinstance(listed, list) else [listed]


def _variant(table: Table, kind: str) -> Variant:
    table.only(_VARIANT_KEYS)
    conditions = tuple(_condition(item) for item in table.tables("all"))
    if not conditions:
        table.wrong("all", "all is missing: name at least one condition", MISSING)
    other = table.word("kind", KINDS, kind) if "kind" in table else None
    if other is not None and (
        (other in TEXT_KINDS) != (kind in TEXT_KINDS)
        or (other in NUMBER_KINDS and NUMBER_KINDS[other][0] != NUMBER_KINDS[kind][0])
    ):
        table.wrong("kind", f"{other} is not as wide as {kind}, or one is a text")
    return Variant(
        conditions=conditions,
        scale=table.number("scale", 1.0, -1e9) if "scale" in table else None,
        kind=other,
        present=table.flag("present", True),
    )


def _condition(table: Table) -> Condition:
    table.only(_CONDITION_KEYS)
    table.need("point")
    if not any(key in table for key in _CONDITION_KEYS[1:]):
        table.wrong("", f"one of {', '.join(_CONDITION_KEYS[1:])} is needed", MISSING)
    return Condition(
        point=table.text("point"),
        matches=_pattern(table, "matches"),
        below=_version(table, "below"),
        at_least=_version(table, "at_least"),
    )


def _pattern(table: Table, name: str) -> str:
    pattern = table.text(name)
    try:
        re.compile(pattern)
    except re.error as error:
        table.wrong(name, f'{name} = "{pattern}" is no regular expression: {error}')
        return ""
    return pattern


def _version(table: Table, name: str) -> str:
    version = table.text(name)
    if version and not re.fullmatch(r"\d+(\.\d+)*", version):
        table.wrong(name, f'{name} = "{version}" is not numbers with dots between them')
        return ""
    return version


def _check_conditions(point: Point, points: dict[str, Point], table: Table) -> None:
    for i, variant in enumerate(point.variants):
        for condition in variant.conditions:
            told: Any = points.get(condition.point)
            if told is None or not told.once:
                why = "is not there" if told is None else 'is not read = "once"'
                table.wrong(f"when[{i}].all", f'point "{condition.point}" {why}', NOT_THERE)
            elif told.name == point.name:
                table.wrong(f"when[{i}].all", "a point cannot depend on itself", NOT_THERE)
