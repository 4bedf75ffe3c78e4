"""A profile file's tables become a `Profile`, or a list of everything that is wrong with them.

The tables come parsed from TOML; `profile.py` says what each of them means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edge_agent.core.faults import unknown_codes
from edge_agent.core.profile import (
    FACT_FIELDS,
    VALUE_FIELDS,
    ConnectorDefault,
    FaultMap,
    Point,
    Profile,
    StateMap,
    StateRule,
    point_words,
)
from edge_agent.core.registers import NUMBER_KINDS, TEXT_KINDS
from edge_agent.core.status import PROFILE_WORDS

TRANSPORTS: Final = ("modbus-tcp", "ocpp1.6")
_TOP: Final = frozenset(
    [
        "id",
        "maker",
        "model",
        "transport",
        "power_type",
        "sources",
        "unverified",
        "modbus",
        "connector",
        "point",
        "state",
        "station_state",
        "fault",
        "settings",
    ]
)
_MODBUS: Final = frozenset(
    [
        "port",
        "device_id",
        "max_registers_per_read",
        "bridge_registers",
        "forbidden",
        "connector_stride",
    ]
)
_POINT: Final = frozenset(
    [
        "function",
        "register",
        "kind",
        "words",
        "word_order",
        "scale",
        "shift",
        "mask",
        "absent",
        "feeds",
        "scope",
        "read",
        "note",
    ]
)


class ProfileError(ValueError):
    """A profile cannot be used; `mistakes` names every one, with the table it is in."""

    def __init__(self, profile_id: str, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__(f"profile {profile_id}: " + "; ".join(mistakes))


def parse_profile(tables: Mapping[str, Any]) -> Profile:
    """The profile in parsed TOML tables; raises `ProfileError` with all mistakes at once."""
    mistakes: list[str] = []
    _known(tables, _TOP, "top level", mistakes)
    transport = str(tables.get("transport", ""))
    if transport not in TRANSPORTS:
        mistakes.append(f'transport "{transport}" is none of {", ".join(TRANSPORTS)}')
    for key in ("id", "maker", "model"):
        if not isinstance(tables.get(key), str) or not tables[key]:
            mistakes.append(f"{key} is missing")
    if not tables.get("sources"):
        mistakes.append("sources is missing: a profile has to say where its facts are from")
    modbus = tables.get("modbus", {})
    _known(modbus, _MODBUS, "[modbus]", mistakes)
    points = _points(tables.get("point", {}), mistakes)
    state = _state_map(tables.get("state"), "[state]", points, mistakes)
    if transport == "modbus-tcp" and state is None:
        mistakes.append("[state] is missing: without it no status can be told")
    profile = Profile(
        profile_id=str(tables.get("id", "?")),
        maker=str(tables.get("maker", "")),
        model=str(tables.get("model", "")),
        transport=transport,
        sources=tuple(map(str, tables.get("sources", ()))),
        unverified=tuple(map(str, tables.get("unverified", ()))),
        power_type=str(tables.get("power_type", "")),
        connectors=tuple(
            ConnectorDefault(str(c["standard"]), float(c["max_power_kw"]))
            for c in tables.get("connector", ())
        ),
        port=int(modbus.get("port", 502)),
        device_id=int(modbus.get("device_id", 1)),
        max_registers=int(modbus.get("max_registers_per_read", 125)),
        bridge_registers=int(modbus.get("bridge_registers", 0)),
        forbidden=tuple((int(a), int(b)) for a, b in modbus.get("forbidden", ())),
        connector_stride=int(modbus.get("connector_stride", 0)),
        points=points,
        state=state,
        station_state=_state_map(tables.get("station_state"), "[station_state]", points, mistakes),
        fault_maps=_fault_maps(tables.get("fault", ()), points, mistakes),
        settings={str(k): float(v) for k, v in tables.get("settings", {}).items()},
    )
    if mistakes:
        raise ProfileError(profile.profile_id, mistakes)
    return profile


def _points(tables: Mapping[str, Any], mistakes: list[str]) -> dict[str, Point]:
    points: dict[str, Point] = {}
    for name, table in tables.items():
        where = f"[point.{name}]"
        _known(table, _POINT, where, mistakes)
        kind = str(table.get("kind", ""))
        function = table.get("function", 3)
        feeds = str(table.get("feeds", ""))
        found = len(mistakes)
        if kind not in NUMBER_KINDS and kind not in TEXT_KINDS:
            mistakes.append(f'{where} kind "{kind}" is unknown')
        if kind in TEXT_KINDS and not table.get("words"):
            mistakes.append(f"{where} needs words, because {kind} has no width of its own")
        if function not in (3, 4):
            mistakes.append(f"{where} function {function} is neither 3 nor 4")
        if not isinstance(table.get("register"), int) or not 0 <= table["register"] <= 0xFFFF:
            mistakes.append(f"{where} register is missing or outside 0..0xFFFF")
        if feeds and feeds not in VALUE_FIELDS and feeds not in FACT_FIELDS:
            mistakes.append(f'{where} feeds "{feeds}", which is no value and no fact')
        if len(mistakes) == found:
            points[name] = _point(name, table, kind, function, feeds)
    return points


def _point(name: str, table: Mapping[str, Any], kind: str, function: int, feeds: str) -> Point:
    return Point(
        name=name,
        function=function,
        register=table["register"],
        kind=kind,
        words=point_words(kind, int(table.get("words", 0))),
        word_order="little" if table.get("word_order") == "little" else "big",
        scale=float(table.get("scale", 1.0)),
        shift=int(table.get("shift", 0)),
        mask=table.get("mask"),
        absent=frozenset(map(int, table.get("absent", ()))),
        feeds=feeds,
        station=table.get("scope", "connector") == "station",
        once=table.get("read", "each") == "once",
    )


def _state_map(
    table: Mapping[str, Any] | None, where: str, points: Mapping[str, Point], mistakes: list[str]
) -> StateMap | None:
    if table is None:
        return None
    _known(table, frozenset({"point", "words", "faults"}), where, mistakes)
    _moving(table.get("point"), where, points, mistakes)
    rules: dict[int, StateRule] = {}
    for raw, told in table.get("words", {}).items():
        rule = (
            StateRule(told)
            if isinstance(told, str)
            else StateRule(told["then"], told["when"], told["at_least"], told["otherwise"])
        )
        for word in (rule.word, rule.otherwise):
            if word and word not in PROFILE_WORDS:
                mistakes.append(f'{where} {raw} = "{word}" is no IEC letter and no OCPP status')
        if rule.when:
            _moving(rule.when, where, points, mistakes)
        rules[int(raw, 0)] = rule
    implied = {int(raw, 0): str(code) for raw, code in table.get("faults", {}).items()}
    _codes(implied.values(), where, mistakes)
    return StateMap(str(table.get("point", "")), rules, implied)


def _fault_maps(
    tables: Any, points: Mapping[str, Point], mistakes: list[str]
) -> tuple[FaultMap, ...]:
    maps: list[FaultMap] = []
    for i, table in enumerate(tables):
        where = f"[[fault]] {i}"
        _known(
            table,
            frozenset(["point", "bits", "codes", "otherwise", "out_of_order"]),
            where,
            mistakes,
        )
        _moving(table.get("point"), where, points, mistakes)
        codes = {int(raw, 0): str(code) for raw, code in table.get("codes", {}).items()}
        otherwise = str(table.get("otherwise", "OtherError"))
        _codes([*codes.values(), otherwise], where, mistakes)
        maps.append(
            FaultMap(
                point=str(table.get("point", "")),
                bits=bool(table.get("bits", False)),
                codes=codes,
                otherwise=otherwise,
                out_of_order=bool(table.get("out_of_order", True)),
            )
        )
    return tuple(maps)


def _known(
    table: Mapping[str, Any], allowed: frozenset[str], where: str, mistakes: list[str]
) -> None:
    mistakes.extend(f'{where} has an unknown key "{key}"' for key in table if key not in allowed)


def _moving(name: Any, where: str, points: Mapping[str, Point], mistakes: list[str]) -> None:
    if name not in points:
        mistakes.append(f'{where} refers to point "{name}", which is not there')
    elif points[name].once:
        mistakes.append(f'{where} refers to point "{name}", which is read only once')


def _codes(codes: Any, where: str, mistakes: list[str]) -> None:
    mistakes.extend(f'{where} names "{c}", which is no MREC code' for c in unknown_codes(codes))
