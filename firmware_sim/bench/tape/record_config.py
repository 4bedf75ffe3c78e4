"""What a recorder's TOML file may say: taps in front of devices and central systems, a broker.

A simulator's own file (one with `[[pile]]`) is recorded by `recorder.py` with taps of its own.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from firmware_sim.config_modbus import check_address
from firmware_sim.core.url import url_parts
from firmware_sim.errors import ConfigError, Finding
from firmware_sim.toml_file import Reader

T = TypeVar("T", bound=msgspec.Struct)
_TABLES = ("modbus", "ocpp", "mqtt")


class ModbusTapTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[[modbus]]`: a port in front of a device; the master is pointed at `listen`."""

    pile_id: Annotated[str, msgspec.Meta(min_length=1)]
    target: str
    listen: str = "127.0.0.1:0"
    framing: Literal["tcp", "rtu"] = "tcp"


class OcppTapTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[[ocpp]]`: a port in front of a central system; piles dial `listen` with their own paths."""

    target: str
    listen: str = "127.0.0.1:0"


class MqttTapTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[mqtt]`: the broker and the topics that are listened to."""

    url: str
    topics: tuple[str, ...] = ("pilewise/#",)


class TapConfig(msgspec.Struct, frozen=True):
    """A recorder's configuration, checked."""

    modbus: tuple[ModbusTapTable, ...]
    ocpp: tuple[OcppTapTable, ...]
    mqtt: MqttTapTable | None


def is_simulator(path: Path) -> bool:
    """Whether a file describes a simulator; one that cannot be read does not."""
    try:
        return "pile" in tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False


def load_taps(path: Path) -> TapConfig:
    """The taps of a file; raises ConfigError with every mistake at once."""
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        finding = Finding("CFG-001", f"cannot read the file: {error.strerror}", "", 0)
        raise ConfigError(str(path), [finding]) from error
    except (ValueError, RecursionError) as error:
        at = re.search(r"at line (\d+)", str(error))
        finding = Finding("CFG-002", f"not TOML: {error}", "", int(at[1]) if at else 1)
        raise ConfigError(str(path), [finding]) from error
    reader = Reader(text)
    for key in data.keys() - set(_TABLES):
        reader.fail("CFG-003", key, f'unknown table "{key}"', hint=f"known: {', '.join(_TABLES)}")
    modbus = _structs(reader, data.get("modbus", []), ModbusTapTable, "modbus")
    ocpp = _structs(reader, data.get("ocpp", []), OcppTapTable, "ocpp")
    mqtt = reader.struct(MqttTapTable, data["mqtt"], "mqtt") if "mqtt" in data else None
    _check(reader, modbus, ocpp, mqtt)
    if not (modbus or ocpp or "mqtt" in data):
        reader.fail("CFG-004", "", "nothing to record", hint="write [[modbus]], [[ocpp]] or [mqtt]")
    if reader.findings:
        raise ConfigError(str(path), sorted(reader.findings, key=lambda found: found.line))
    return TapConfig(tuple(modbus), tuple(ocpp), mqtt)


def _structs(reader: Reader, tables: object, kind: type[T], name: str) -> list[T]:
    if not isinstance(tables, list):
        reader.fail("CFG-005", name, f"taps are written as [[{name}]]")
        return []
    read = [reader.struct(kind, table, f"{name}[{n}]") for n, table in enumerate(tables)]
    return [struct for struct in read if struct is not None]


def _check(
    reader: Reader,
    modbus: list[ModbusTapTable],
    ocpp: list[OcppTapTable],
    mqtt: MqttTapTable | None,
) -> None:
    for n, tap in enumerate(modbus):
        check_address(reader, tap.listen, f"modbus[{n}].listen")
        host, _, port = tap.target.rpartition(":")
        if not host or not port.isdecimal():
            at, hint = f"modbus[{n}].target", "write HOST:PORT"
            reader.fail("CFG-012", at, f"not an address: {tap.target!r}", hint=hint)
    for n, line in enumerate(ocpp):
        check_address(reader, line.listen, f"ocpp[{n}].listen")
        parts = url_parts(line.target)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            at, hint = f"ocpp[{n}].target", "write ws://HOST:PORT"
            reader.fail("CFG-012", at, f"not a central system: {line.target!r}", hint=hint)
    if mqtt is not None and url_parts(mqtt.url).scheme != "mqtt":
        hint = "write mqtt://HOST:PORT"
        reader.fail("CFG-012", "mqtt.url", f"not an MQTT address: {mqtt.url!r}", hint=hint)
