"""The `[state]`, `[station_state]` and `[[fault]]` tables of a profile file become maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from edge_agent.core.faults import unknown_codes
from edge_agent.core.profile import FaultMap, Point, StateMap, StateRule
from edge_agent.core.profile_table import MISSING, NOT_THERE, Table
from edge_agent.core.registers import TEXT_KINDS
from edge_agent.core.status import PROFILE_WORDS

_STATE_KEYS: Final = ("point", "words", "faults")
_RULE_KEYS: Final = ("then", "when", "at_least", "otherwise")
_MOST_BITS: Final = 64
_FAULT_KEYS: Final = (
    "point",
    "bits",
    "codes",
    "otherwise",
    "out_of_order",
    "first_bit",
    "ignored",
    "warnings",
)


def parse_state(table: Table, points: Mapping[str, Point]) -> StateMap:
    """What each raw state means."""
    table.only(_STATE_KEYS)
    name = moving(table, "point", points)
    if name in points and points[name].every_s:
        table.wrong("point", f'point "{name}" has every_s, but a state is read with every poll')
    texts = name in points and points[name].kind in TEXT_KINDS
    words = table.table("words")
    rules: dict[int | str, StateRule] = {}
    for raw in words.values:
        key = _raw(words, raw, texts)
        if key is not None:
            rules[key] = _rule(words, raw, points)
    if not rules:
        table.wrong("words", "words is missing: no raw state means anything", MISSING)
    faults = table.table("faults")
    implied: dict[int | str, str] = {}
    for raw in faults.values:
        key = _raw(faults, raw, texts)
        if key is None:
            continue
        implied[key] = _code(faults, raw)
        if key not in rules:
            faults.wrong(raw, f"state {raw} implies a fault, but is not among the words", NOT_THERE)
    return StateMap(name, rules, implied)


def parse_fault(table: Table, points: Mapping[str, Point]) -> FaultMap:
    """What each error number or bit means."""
    table.only(_FAULT_KEYS)
    codes = table.table("codes")
    read: dict[int, str] = {}
    for raw in codes.values:
        key = _raw(codes, raw, texts=False)
        if isinstance(key, int):
            read[key] = _code(codes, raw)
    otherwise = table.text("otherwise", "OtherError")
    _codes(table, "otherwise", [otherwise])
    bits, first_bit = table.flag("bits", False), table.whole("first_bit", 0, 0, 1)
    ignored, warnings = table.numbers("ignored"), table.numbers("warnings")
    for key, numbers in (("codes", read), ("ignored", ignored), ("warnings", warnings)):
        for number in numbers:
            if bits and not first_bit <= number < first_bit + _MOST_BITS:
                table.wrong(key, f"{number} is no bit: they count from {first_bit}")
    return FaultMap(
        point=moving(table, "point", points),
        bits=bits,
        codes=read,
        otherwise=otherwise,
        out_of_order=table.flag("out_of_order", True),
        first_bit=first_bit,
        ignored=frozenset(ignored),
        warnings=frozenset(warnings),
    )


def moving(table: Table, key: str, points: Mapping[str, Point]) -> str:
    """The name of a point that is read each time; noted where it is not."""
    table.need(key)
    name = table.text(key)
    if key not in table:
        return name
    if name not in points:
        table.wrong(key, f'point "{name}" is not there', NOT_THERE)
    elif points[name].once or points[name].spare:
        table.wrong(key, f'point "{name}" is not read each time', NOT_THERE)
    elif points[name].kind in ("f32", "f64"):
        table.wrong(key, f'point "{name}" is no whole number, so it cannot be looked up')
    return name


def _rule(words: Table, raw: str, points: Mapping[str, Point]) -> StateRule:
    if isinstance(words.values[raw], str):
        return StateRule(_word(words, raw))
    rule = words.table(raw)
    rule.only(_RULE_KEYS)
    for key in _RULE_KEYS:
        rule.need(key)
    return StateRule(
        word=_word(rule, "then"),
        when=moving(rule, "when", points),
        at_least=rule.whole("at_least", 0, 0, 2**32),
        otherwise=_word(rule, "otherwise"),
    )


def _word(table: Table, key: str) -> str:
    word = table.text(key)
    if word not in PROFILE_WORDS:
        table.wrong(key, f'"{word}" is no IEC 61851 letter and no OCPP status')
    return word


def _code(table: Table, key: str) -> str:
    code = table.text(key)
    _codes(table, key, [code])
    return code


def _codes(table: Table, key: str, codes: Iterable[str]) -> None:
    for code in unknown_codes(codes):
        table.wrong(key, f'"{code}" is no MREC code and no OCPP errorCode')


def _raw(table: Table, raw: str, texts: bool) -> int | str | None:
    """A TOML key as the raw value that it stands for."""
    if texts:
        return raw
    try:
        return int(raw, 0)
    except ValueError:
        table.wrong(raw, f'"{raw}" is no number, but the point is one')
        return None
