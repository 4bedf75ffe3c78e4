"""Checks on Modbus piles of a simulator: their model, their port or line, who shares it.

The keys are in `config_tables.py`, the other checks in `config.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Final

from firmware_sim.config_tables import MqttTable, PileTable, RegistersTable
from firmware_sim.core.evse import Supply
from firmware_sim.core.url import url_parts
from firmware_sim.core.wire import EVERYWHERE, PREFIX, WireFault, parse_wire_fault
from firmware_sim.toml_file import Reader

LOOPBACK: Final = {"127.0.0.1", "localhost", "::1", "[::1]"}
_ANY_UNIT: Final = "any"
# The unit ids of the models; those that answer to any share a bus only with a unit_id of their own.
_UNITS: Final = {
    "abb-terra-ac": "1",
    "alfen-ng9xx": "1",
    "alpitronic-hypercharger": "1",
    "bender-cc613": _ANY_UNIT,
    "compleo": "255",
    "delta-ac-max": "1",
    "evse-din": "1",
    "heidelberg-energy-control": "1",
    "keba-p30": "255",
    "keba-p40": "255",
    "mennekes-amtron-compact-20s": "50",
    "mennekes-amtron-hcc3": "255",
    "phoenix-charx-sec": "1",
    "phoenix-em-cp-pp-eth": "180",
    "phoenix-ev-cc": "1",
    "phoenix-ev-cc-eth": "255",
    "schneider-evlink-pro-ac": "255",
    "siemens-versicharge-gen3": "2",
    "webasto-next": "255",
    "webasto-unite": "255",
    "weidmueller-ac-smart": "255",
}
# How many EVSEs one controller of a model can have; of the others it is one.
_MOST_EVSES: Final = {
    "alfen-ng9xx": 2,
    "alpitronic-hypercharger": 8,
    "compleo": 8,
    "delta-ac-max": 8,
    "phoenix-charx-sec": 8,
}
# Models whose sockets have a unit id each, and the one of their station.
_STATION_UNITS: Final = {"alfen-ng9xx": "200"}
_DC_MODELS: Final = ("alpitronic-hypercharger",)
AC_MODELS: Final = tuple(model for model in _UNITS if model not in (*_DC_MODELS, "delta-ac-max"))


def check_modbus(reader: Reader, table: PileTable, supply: Supply, at: str) -> None:
    """Notes a model without registers or with a wrong supply, and a line that is none."""
    if table.transport != "rtu":
        check_address(reader, table.listen, f"{at}.listen")
    elif not table.serial_line:
        reader.fail("CFG-004", at, "RTU needs a line", hint='set serial_line = "/dev/pts/3"')
    elif find_spec("serial") is None:
        hint = "pip install 'pilewise[serial]'"
        reader.fail("CFG-022", f"{at}.serial_line", "pyserial is not installed", hint=hint)
    if table.model == "generic":
        reader.fail(
            "CFG-116",
            f"{at}.model",
            "a Modbus pile needs a register map",
            hint=f"set model to one of {', '.join(_UNITS)}",
        )
    if table.connectors > (most := _MOST_EVSES.get(table.model, 1)) and table.model in _UNITS:
        has = "one connector" if most == 1 else f"{most} connectors at most"
        reader.fail("CFG-117", f"{at}.connectors", f"{table.model} has {has}")
    if table.model in AC_MODELS and supply is Supply.DC:
        reader.fail("CFG-118", f"{at}.supply", f"{table.model} gives no direct current")
    elif table.model in _DC_MODELS and supply is not Supply.DC:
        reader.fail("CFG-118", f"{at}.supply", "a Hypercharger gives direct current only")


def check_ranges(reader: Reader, table: PileTable, at: str) -> None:
    """Notes ranges of registers that end before they begin, and those of piles without any."""
    registers = table.registers
    if table.face != "modbus" and registers != RegistersTable():
        reader.fail("CFG-128", f"{at}.registers", f"a {table.face} pile has no registers")
    for key in ("gaps", "closing", "locked", "once"):
        for first, last in getattr(registers, key):
            if last < first:
                reader.fail(
                    "CFG-128",
                    f"{at}.registers.{key}",
                    f"the range {first} to {last} is empty",
                    hint=f"write [[{last}, {first}]]",
                )


def bus_of(table: PileTable) -> str:
    """What piles that share a port or line have in common; the pile's own id for one alone."""
    if table.transport == "rtu":
        return f"line {table.serial_line}"
    return f"bus {table.bus}" if table.bus else f"pile {table.pile_id}"


def check_shared_buses(reader: Reader, piles: Sequence[tuple[str, PileTable]]) -> None:
    """Notes piles that cannot share what they share: settings differ, or unit ids are equal."""
    first: dict[str, tuple[str, PileTable]] = {}
    units: dict[tuple[str, str], str] = {}
    for at, table in piles:
        alone = not table.bus and table.transport != "rtu"
        if table.face != "modbus" or alone:
            continue
        bus = bus_of(table)
        first_at, other = first.setdefault(bus, (at, table))
        if _settings(other) != _settings(table):
            note = f"first at line {reader.line(first_at)}"
            reader.fail("CFG-020", at, f"{bus} has other settings before", note=note)
        own = _units_of(table)
        if (_ANY_UNIT in own or (bus, _ANY_UNIT) in units) and other is not table:
            hint = "give each pile a unit_id"
            reader.fail("CFG-023", at, f"{table.model} answers to every unit of {bus}", hint=hint)
        for unit in own:
            if unit != _ANY_UNIT and (taken := units.get((bus, unit))):
                note = f"first at line {reader.line(taken)}"
                reader.fail("CFG-023", at, f"unit {unit} exists already on {bus}", note=note)
            units.setdefault((bus, unit), at)


def _units_of(table: PileTable) -> tuple[str, ...]:
    """The unit ids that a pile answers to; of some models one for each socket and the station's."""
    unit = _UNITS.get(table.model, "") if table.unit_id is None else str(table.unit_id)
    if table.model not in _STATION_UNITS or not unit.isdecimal():
        return (unit,)
    sockets = tuple(str(int(unit) + number) for number in range(table.connectors))
    return (*sockets, _STATION_UNITS[table.model])


def check_wire(reader: Reader, table: PileTable, at: str) -> WireFault | None:
    """The wire fault that is present from the start; notes one that is none."""
    if not table.wire_fault:
        return None
    try:
        fault = parse_wire_fault(table.wire_fault, None)
    except ValueError as error:
        reader.fail("CFG-127", f"{at}.wire_fault", str(error))
        return None
    if table.face != "modbus" and fault.kind not in EVERYWHERE:
        reader.fail("CFG-127", f"{at}.wire_fault", f"{PREFIX}{fault.kind} is a fault of Modbus")
    return fault


def check_address(reader: Reader, address: str, path: str) -> None:
    """Notes an address that is none, or one that others could reach."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        reader.fail("CFG-012", path, f"not an address: {address!r}", hint="write 127.0.0.1:0")
    elif host not in LOOPBACK:
        reader.fail(
            "CFG-010",
            path,
            f"{host or 'every interface'} is not this machine",
            note="simulated piles have no TLS and listen on loopback only",
            hint=f"write 127.0.0.1:{port}",
        )


def _settings(table: PileTable) -> tuple[object, ...]:
    return table.transport, table.listen, table.baud, table.parity, table.stop_bits


def check_fast(reader: Reader, piles: list[Any], mqtt: MqttTable | None) -> None:
    """A clock that runs fast stays on this machine: nobody else would share its time."""
    tables = [(n, pile) for n, pile in enumerate(piles) if isinstance(pile, dict)]
    urls = {f"pile[{n}].url": pile.get("url", "") for n, pile in tables}
    if mqtt is not None:
        urls["mqtt.url"] = mqtt.url
    for path, url in urls.items():
        if isinstance(url, str) and (url_parts(url).hostname or "127.0.0.1") not in LOOPBACK:
            reader.fail(
                "CFG-016",
                path,
                f"clock.speed is not 1 and {url} is not this machine",
                hint="set speed = 1, or keep everything on 127.0.0.1",
            )
