"""What a simulator's TOML file may say, checked as a whole.

Reading files and finding lines is in `toml_file.py`.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from firmware_sim.config_environment import override
from firmware_sim.config_modbus import (
    AC_MODELS,
    check_address,
    check_fast,
    check_modbus,
    check_ranges,
    check_shared_buses,
    check_wire,
)
from firmware_sim.config_tables import (
    AgeingTable,
    ClockTable,
    MqttTable,
    OcppPileTable,
    OcppTable,
    PileConfig,
    PileTable,
    SimConfig,
    SimTable,
)
from firmware_sim.core.ageing import Ageing
from firmware_sim.core.evse import Supply
from firmware_sim.core.lives import ageing_of
from firmware_sim.core.ocpp_faults import OcppFault, parse_ocpp_fault
from firmware_sim.core.pile import PileSpec
from firmware_sim.core.url import url_parts
from firmware_sim.errors import ConfigError, Finding
from firmware_sim.toml_file import Reader

_NAME = re.compile(r"[A-Za-z0-9._:*-]{1,64}")
# Above this, AC plugs do not exist: IEC 62196-2 ends at 63 A in three phases.
_MAX_AC_KW = 43.5

_ONCE: dict[str, type[msgspec.Struct]] = {
    "sim": SimTable,
    "clock": ClockTable,
    "mqtt": MqttTable,
    "ocpp": OcppTable,
}
_SUPPLY = {"ac1": Supply.AC_1, "ac3": Supply.AC_3, "dc": Supply.DC}


def load_config(path: Path, environ: Mapping[str, str] | None = None) -> SimConfig:
    """The configuration in a file; raises ConfigError with every mistake at once.

    What `environ` says goes before the file.
    """
    return read_file(path, environ or {})[0]


def read_file(path: Path, environ: Mapping[str, str]) -> tuple[SimConfig, Reader, dict[str, Any]]:
    """As `load_config`, with what was read: where each key stands, and the tables as written."""
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "-c FILE names another; pilewise config init sim writes one with comments"
        finding = Finding("CFG-001", f"cannot read the file: {reason}", "", 0, hint=hint)
        raise ConfigError(str(path), [finding]) from error
    except (ValueError, RecursionError) as error:
        line = re.search(r"at line (\d+)", str(error))
        finding = Finding("CFG-002", f"not TOML: {error}", "", int(line[1]) if line else 1)
        raise ConfigError(str(path), [finding]) from error
    reader = Reader(text)
    override(reader, data, _ONCE, environ)
    config = _whole(reader, data, path.parent)
    if reader.findings or config is None:
        raise ConfigError(str(path), sorted(reader.findings, key=lambda found: found.line))
    return config, reader, data


def _whole(reader: Reader, data: dict[str, Any], folder: Path) -> SimConfig | None:
    known = {"sim", "clock", "mqtt", "ocpp", "pile"}
    for key in data.keys() - known:
        reader.fail("CFG-003", key, f'unknown table "{key}"', hint=f"known: {', '.join(known)}")
    sim = reader.struct(SimTable, data.get("sim", {}), "sim")
    ocpp = reader.struct(OcppTable, data.get("ocpp", {}), "ocpp")
    clock = reader.struct(ClockTable, data["clock"], "clock") if "clock" in data else None
    mqtt = reader.struct(MqttTable, data["mqtt"], "mqtt") if "mqtt" in data else None
    tables = data.get("pile", [])
    if not isinstance(tables, list):
        reader.fail("CFG-005", "pile", "piles are written as [[pile]]")
        tables = []
    piles = read_piles(reader, tables, folder)
    if sim is not None:
        check_address(reader, sim.bench, "sim.bench")
    if clock is not None and clock.speed != 1:
        check_fast(reader, tables, mqtt)
    if mqtt is not None:
        parts = url_parts(mqtt.url)
        if parts.scheme != "mqtt" or not parts.hostname:
            reader.fail(
                "CFG-012",
                "mqtt.url",
                f"not an MQTT address: {mqtt.url!r}",
                hint="write mqtt://HOST:PORT",
            )
    elif any(pile.table.bay_sensor or pile.table.camera for pile in piles) and "mqtt" not in data:
        reader.fail(
            "CFG-121",
            "pile",
            "bay_sensor and camera need a broker",
            hint='add [mqtt] with url = "mqtt://127.0.0.1:1883"',
        )
    if reader.findings or sim is None or ocpp is None:
        return None
    return SimConfig(sim, clock, mqtt, ocpp, tuple(piles))


def read_piles(reader: Reader, tables: list[Any], folder: Path) -> list[PileConfig]:
    """The `[[pile]]` tables, checked together; what is wrong is noted with the reader."""
    piles: list[PileConfig] = []
    places: list[str] = []
    listening: dict[str, int] = {}
    _check_pile_ids(reader, tables)
    for number, raw in enumerate(tables):
        at = f"pile[{number}]"
        table = reader.struct(PileTable, raw, at)
        if table is None:
            continue
        alone = table.face == "modbus" and table.transport != "rtu" and not table.bus
        if alone and not table.listen.endswith(":0"):
            if first := listening.get(table.listen):
                reader.fail(
                    "CFG-101",
                    f"{at}.listen",
                    f"{table.listen} is taken by another pile",
                    note=f"first at line {first}",
                )
            listening.setdefault(table.listen, reader.line(f"{at}.listen"))
        if (pile := _pile(reader, table, at, folder)) is not None:
            piles.append(pile)
            places.append(at)
    check_shared_buses(reader, [(at, p.table) for at, p in zip(places, piles, strict=True)])
    return piles


def _check_pile_ids(reader: Reader, tables: list[Any]) -> None:
    """Over the raw tables, so that a pile with another mistake is compared too."""
    seen: dict[str, int] = {}
    for number, raw in enumerate(tables):
        pile_id = raw.get("pile_id") if isinstance(raw, dict) else None
        if not isinstance(pile_id, str):
            continue
        at = f"pile[{number}].pile_id"
        if first := seen.get(pile_id):
            note = f"first at line {first}"
            reader.fail("CFG-006", at, f'pile "{pile_id}" exists already', note=note)
        seen.setdefault(pile_id, reader.line(at))
        if not _NAME.fullmatch(pile_id):
            reader.fail(
                "CFG-005",
                at,
                f"not an identifier: {pile_id!r}",
                note="letters, digits and . _ : * - make up to 64 characters",
            )


def _pile(reader: Reader, table: PileTable, at: str, folder: Path) -> PileConfig | None:
    before = len(reader.findings)
    supply = _supply(reader, table, at)
    if table.face == "modbus":
        check_modbus(reader, table, supply, at)
    else:
        _check_ocpp(reader, table, at)
    ocpp = _ocpp_faults(reader, table, at)
    check_ranges(reader, table, at)
    wire = check_wire(reader, table, at)
    ageing = None
    if table.ageing is not None:
        checked = reader.struct(AgeingTable, table.ageing, f"{at}.ageing")
        ageing = _ageing(checked, table.model, supply) if checked else None
    own = reader.struct(OcppPileTable, table.ocpp or {}, f"{at}.ocpp") or OcppPileTable()
    password = _password(reader, table, at, folder)
    files = _tls_files(reader, table, at, folder)
    if len(reader.findings) > before:
        return None
    spec = PileSpec(
        pile_id=table.pile_id,
        model=table.model,
        max_power_kw=table.max_power_kw,
        supply=supply,
        evse_count=table.connectors,
        local_auth=table.face == "modbus",
        serial=hashlib.sha256(table.pile_id.encode()).hexdigest()[:16].upper(),
        firmware=table.firmware,
        wire=wire,
        ocpp_faults=tuple(ocpp),
    )
    return PileConfig(spec, table, ageing, password, *files, own)


def _ageing(table: AgeingTable, model: str, supply: Supply) -> Ageing:
    told = msgspec.structs.asdict(table)
    own = {key: value for key, value in told.items() if value is not None}
    # A life that is given whole does not wear as the model would: without a shape it is steady.
    steady = {"shape": 1.0} if "scale_h" in own else {}
    return replace(ageing_of(model, supply), **{**steady, **own})


def _supply(reader: Reader, table: PileTable, at: str) -> Supply:
    if table.supply != "auto":
        supply = _SUPPLY[table.supply]
    elif table.model == "alpitronic-hypercharger":
        supply = Supply.DC
    elif table.model in AC_MODELS or table.max_power_kw <= _MAX_AC_KW:
        supply = Supply.AC_1 if table.max_power_kw <= 7.4 else Supply.AC_3
    else:
        supply = Supply.DC
    if supply is not Supply.DC and table.max_power_kw > _MAX_AC_KW:
        reader.fail(
            "CFG-115",
            f"{at}.max_power_kw",
            f"{table.max_power_kw:g} kW is not AC",
            note=f"AC plugs end at {_MAX_AC_KW} kW",
            hint='set supply = "dc"',
        )
    return supply


def _check_ocpp(reader: Reader, table: PileTable, at: str) -> None:
    parts = url_parts(table.url)
    identity = unquote(parts.path.strip("/"))
    if parts.scheme not in ("ws", "wss") or not parts.hostname or not identity:
        reader.fail(
            "CFG-012",
            f"{at}.url",
            f"not the address of a central system: {table.url!r}",
            hint=f"write ws://HOST:PORT/{table.pile_id}",
        )


def _ocpp_faults(reader: Reader, table: PileTable, at: str) -> list[OcppFault]:
    """The habits that the pile has from the start."""
    faults: list[OcppFault] = []
    if table.face == "modbus":
        for key, value in (("quirks", table.quirks), ("ocpp", table.ocpp)):
            if value:
                reader.fail("CFG-128", f"{at}.{key}", f"{key} is for charge points only")
        return faults
    for word in table.quirks:
        try:
            faults.append(parse_ocpp_fault(word))
        except ValueError as error:
            reader.fail("CFG-005", f"{at}.quirks", str(error))
    return faults


def _password(reader: Reader, table: PileTable, at: str, folder: Path) -> str | None:
    if not table.password_file:
        return None
    try:
        return (folder / table.password_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        reader.fail("CFG-013", f"{at}.password_file", f"cannot read it: {error.strerror}")
        return None


def _tls_files(
    reader: Reader, table: PileTable, at: str, folder: Path
) -> tuple[str | None, str | None, str | None]:
    """Paths of the CA, the certificate and its key; None where none is named."""
    named = {"ca_file": table.ca_file, "cert_file": table.cert_file, "key_file": table.key_file}
    if any(named.values()) and url_parts(table.url).scheme != "wss":
        reader.fail(
            "CFG-124", f"{at}.url", "certificates need wss://", hint="write wss:// in the url"
        )
    if bool(table.cert_file) != bool(table.key_file):
        reader.fail("CFG-124", at, "cert_file and key_file belong together")
    for key, name in named.items():
        if name and not (folder / name).is_file():
            reader.fail("CFG-013", f"{at}.{key}", f"cannot read it: {name} is not there")
    paths = [str(folder / name) if name else None for name in named.values()]
    return paths[0], paths[1], paths[2]
