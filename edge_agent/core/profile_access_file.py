"""The tables of a profile file that tell how the model is spoken to become data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast, get_args

from edge_agent.core.profile import Point
from edge_agent.core.profile_access import ConnectorStep, KeepAlive, Parity, SerialLine, WriteSpan
from edge_agent.core.profile_table import MISSING, NOT_THERE, Table

MODBUS_KEYS: Final = (
    "port",
    "device_id",
    "station_device_id",
    "max_registers_per_read",
    "bridge_registers",
    "forbidden",
    "gap_s",
    "warm_up",
    "single_client",
    "period_s",
    "longest_period_s",
)
_KEEP_ALIVE_KEYS: Final = (
    "action",
    "function",
    "register",
    "count",
    "values",
    "period_s",
    "period_register",
    "period_function",
    "period_factor",
    "expect",
    "scope",
    "note",
)
_WRITE_KEYS: Final = (
    "name",
    "function",
    "register",
    "count",
    "lowest",
    "highest",
    "expires_s",
    "after_read",
    "scope",
    "note",
)
_SCOPES: Final = ("connector", "station")
_WRITING: Final = (5, 6, 16)


def parse_serial(table: Table) -> SerialLine:
    """The serial line; 19200 8N1 where the file says nothing."""
    table.only(("baud", "data_bits", "parity", "stop_bits"))
    return SerialLine(
        baud=table.whole("baud", 19200, 300, 1_000_000),
        data_bits=table.whole("data_bits", 8, 7, 8),
        parity=cast(Parity, table.word("parity", get_args(Parity), "N")),
        stop_bits=table.whole("stop_bits", 1, 1, 2),
    )


def parse_step(table: Table) -> ConnectorStep:
    """What leads from one connector to the next."""
    table.only(("registers", "device_ids", "ports"))
    step = ConnectorStep(
        table.whole("registers", 0),
        table.whole("device_ids", 0, 0, 254),
        table.whole("ports", 0, 0, 1000),
    )
    if step.registers and step.many_devices:
        table.wrong("registers", "a connector has registers, a unit id or a port of its own")
    return step


def parse_keep_alive(table: Table) -> KeepAlive:
    """One sign of life."""
    table.only(_KEEP_ALIVE_KEYS)
    for key in ("action", "register", "period_s"):
        table.need(key)
    action = table.word("action", ("read", "write"), "read")
    function = table.whole("function", 3 if action == "read" else 6, 1, 16)
    values = table.numbers("values")
    if function not in ((1, 2, 3, 4) if action == "read" else _WRITING):
        table.wrong("function", f"function {function} does not {action}")
    if action == "write" and not values:
        table.wrong("values", "values is missing: what shall be written", MISSING)
    if action == "read" and values:
        table.wrong("values", "a reading keep-alive has no values")
    if function in (5, 6) and len(values) > 1:
        table.wrong("values", f"function {function} writes one value, not {len(values)}")
    if any(not 0 <= value <= 0xFFFF for value in values):
        table.wrong("values", "values are words from 0 to 0xFFFF")
    period_s = table.number("period_s", 1.0)
    if not period_s:
        table.wrong("period_s", "period_s must be above 0")
    return KeepAlive(
        action="read" if action == "read" else "write",
        function=function,
        register=table.whole("register", 0),
        period_s=period_s,
        values=values,
        count=len(values) or table.whole("count", 1, 1, 125),
        period_register=_optional(table, "period_register"),
        period_function=table.whole("period_function", 3, 3, 4),
        period_factor=table.number("period_factor", 1.0),
        expect=_optional(table, "expect"),
        each_connector=table.word("scope", _SCOPES, "station") == "connector",
    )


def parse_write(table: Table, points: Mapping[str, Point]) -> WriteSpan:
    """Registers that a named command may write."""
    table.only(_WRITE_KEYS)
    for key in ("name", "register"):
        table.need(key)
    function = table.whole("function", 6, 1, 16)
    if function not in _WRITING:
        table.wrong("function", f"function {function} does not write")
    count = table.whole("count", 1, 1, 4)
    if function != 16 and count > 1:
        table.wrong("count", f"function {function} writes one register, not {count}")
    after = table.text("after_read")
    if after and after not in points:
        table.wrong("after_read", f'point "{after}" is not there', NOT_THERE)
    most = 2 ** (16 * count) - 1
    lowest, highest = table.whole("lowest", 0, 0, most), table.whole("highest", most, 0, most)
    if lowest > highest:
        table.wrong("lowest", f"lowest = {lowest} is above highest = {highest}")
    return WriteSpan(
        name=table.text("name"),
        function=function,
        register=table.whole("register", 0),
        count=count,
        lowest=lowest,
        highest=highest,
        expires_s=table.number("expires_s", 0.0) if "expires_s" in table else None,
        after_read=after,
        each_connector=table.word("scope", _SCOPES, "connector") == "connector",
    )


def _optional(table: Table, key: str) -> int | None:
    return table.whole(key, 0) if key in table else None
