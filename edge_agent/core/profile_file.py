"""A profile file's tables become a `Profile`, or a list of everything that is wrong with them.

The tables come parsed from TOML; `profile.py` says what each of them means. Points, maps and
access have files of their own beside this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edge_agent.core.facts import CONNECTOR_STANDARDS, POWER_TYPES
from edge_agent.core.profile import (
    MODBUS_TRANSPORTS,
    OCPP_TRANSPORTS,
    ConnectorDefault,
    Point,
    Probe,
    Profile,
)
from edge_agent.core.profile_access_file import (
    MODBUS_KEYS,
    parse_keep_alive,
    parse_serial,
    parse_step,
    parse_write,
)
from edge_agent.core.profile_maps import parse_fault, parse_state
from edge_agent.core.profile_points import parse_points
from edge_agent.core.profile_table import MISSING, NOT_THERE, WRONG_VALUE, Mistake, Table

TRANSPORTS: Final = (*MODBUS_TRANSPORTS, *OCPP_TRANSPORTS)
TOP_KEYS: Final = (
    "id",
    "maker",
    "model",
    "transport",
    "transports",
    "power_type",
    "sources",
    "verified_on",
    "unverified",
    "modbus",
    "serial",
    "step",
    "connector",
    "point",
    "state",
    "station_state",
    "fault",
    "keep_alive",
    "write",
    "failsafe",
    "probe",
    "settings",
)


class ProfileError(ValueError):
    """A profile cannot be used; `mistakes` names every one, with the key it stands at."""

    def __init__(self, profile_id: str, mistakes: list[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(f"profile {profile_id}: " + "; ".join(map(str, mistakes)))


def parse_profile(tables: Mapping[str, Any]) -> Profile:
    """The profile in parsed TOML tables; raises `ProfileError` with all mistakes at once."""
    mistakes: list[Mistake] = []
    top = Table(tables, "", mistakes)
    top.only(TOP_KEYS)
    for key in ("id", "maker", "model"):
        if top.need(key) and not top.text(key):
            top.wrong(key, f"{key} is empty")
    if not top.texts("sources"):
        top.wrong("sources", "sources is missing: say where the facts are from", MISSING)
    transports = _transports(top)
    points = parse_points(top.table("point"))
    if transports[0] in MODBUS_TRANSPORTS and "state" not in top:
        top.wrong("state", "[state] is missing: without it no status can be told", MISSING)
    profile = _profile(top, transports, points)
    if mistakes:
        raise ProfileError(profile.profile_id, mistakes)
    return profile


def _profile(top: Table, transports: tuple[str, ...], points: Mapping[str, Point]) -> Profile:
    modbus = top.table("modbus")
    modbus.only(MODBUS_KEYS)
    station = modbus.whole("station_device_id", 0, 0, 255)
    return Profile(
        profile_id=top.text("id", "?"),
        maker=top.text("maker"),
        model=top.text("model"),
        transports=transports,
        sources=top.texts("sources"),
        verified_on=top.texts("verified_on"),
        unverified=top.texts("unverified"),
        power_type=top.word("power_type", ("", *POWER_TYPES), ""),
        connectors=tuple(_connector(item) for item in top.tables("connector")),
        port=modbus.whole("port", 502, 1),
        device_id=modbus.whole("device_id", 1, 0, 255),
        station_device_id=station if "station_device_id" in modbus else None,
        serial=parse_serial(top.table("serial")),
        step=parse_step(top.table("step")),
        gap_s=modbus.number("gap_s", 0.0),
        warm_up=modbus.flag("warm_up", False),
        single_client=modbus.flag("single_client", False),
        max_registers=modbus.whole("max_registers_per_read", 125, 1, 125),
        bridge_registers=modbus.whole("bridge_registers", 0, 0, 124),
        forbidden=_forbidden(modbus),
        period_s=modbus.number("period_s", 0.0),
        longest_period_s=modbus.number("longest_period_s", 0.0),
        points=points,
        state=parse_state(top.table("state"), points) if "state" in top else None,
        station_state=(
            parse_state(top.table("station_state"), points) if "station_state" in top else None
        ),
        fault_maps=tuple(parse_fault(item, points) for item in top.tables("fault")),
        keep_alives=tuple(parse_keep_alive(item) for item in top.tables("keep_alive")),
        writes=tuple(parse_write(item, points) for item in top.tables("write")),
        failsafe=_failsafe(top.table("failsafe"), points),
        probe=_probe(top.table("probe"), points),
        settings={
            key: top.table("settings").number(key, 0.0) for key in top.table("settings").values
        },
    )


def _transports(top: Table) -> tuple[str, ...]:
    """`transports`, or the one that `transport` names."""
    named = top.texts("transports") or ((top.text("transport"),) if "transport" in top else ())
    if not named:
        top.wrong("transports", f"transports is missing: {', '.join(TRANSPORTS)}", MISSING)
    for name in named:
        if name not in TRANSPORTS:
            top.wrong("transports", f'"{name}" is none of {", ".join(TRANSPORTS)}', WRONG_VALUE)
    if {name in MODBUS_TRANSPORTS for name in named} == {True, False}:
        top.wrong("transports", "a profile is for Modbus or for OCPP, not for both")
    return named or TRANSPORTS[:1]


def _connector(table: Table) -> ConnectorDefault:
    table.only(("standard", "max_power_kw"))
    table.need("max_power_kw")
    standard = table.text("standard")
    if standard not in CONNECTOR_STANDARDS:
        table.wrong("standard", f'"{standard}" is no OCPI connector standard')
    return ConnectorDefault(standard, table.number("max_power_kw", 1.0))


def _forbidden(modbus: Table) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    ranges = modbus.values.get("forbidden", [])
    for item in ranges if isinstance(ranges, list) else [ranges]:
        match item:
            case [int() as first, int() as last] if 0 <= first <= last <= 0xFFFF:
                found.append((first, last))
            case _:
                modbus.wrong("forbidden", f"forbidden lists [first, last] pairs, not {item!r}")
    return tuple(found)


def _failsafe(table: Table, points: Mapping[str, Point]) -> dict[str, str]:
    table.only(("current", "timeout", "power"))
    for key in table.values:
        _present(table, key, points)
    return {key: table.text(key) for key in table.values}


def _probe(table: Table, points: Mapping[str, Point]) -> Probe:
    table.only(("identity", "frequency", "voltage_v"))
    identity = table.table("identity")
    for name in identity.values:
        if name not in points:
            identity.wrong(name, f'point "{name}" is not there', NOT_THERE)
    if "frequency" in table:
        _present(table, "frequency", points)
    limits = table.values.get("voltage_v", [207.0, 253.0])
    match limits:
        case [int() | float() as lowest, int() | float() as highest] if lowest < highest:
            voltage_v = float(lowest), float(highest)
        case _:
            table.wrong("voltage_v", "voltage_v is [lowest, highest]")
            voltage_v = 207.0, 253.0
    return Probe(
        identity={name: identity.text(name) for name in identity.values},
        frequency=table.text("frequency"),
        voltage_v=voltage_v,
    )


def _present(table: Table, key: str, points: Mapping[str, Point]) -> None:
    name = table.text(key)
    if name not in points:
        table.wrong(key, f'point "{name}" is not there', NOT_THERE)
