"""The Phoenix Contact CHARX SEC's registers: unit 1, holding and input the same.

A connector's registers begin at its number times 1000; global ones at 100. Source: register facts
4.8. An AC car does not tell its charge: 0xFFFF. Out of service it shows letter F.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from firmware_sim.core.evse import Evse, Supply
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.map import HOLDING, INPUT, Field, RegisterMap
from firmware_sim.faces.registers.orders import limit_current, release
from firmware_sim.faces.registers.readings import (
    amps,
    by_phase,
    fixed,
    id_tag,
    in_all_w,
    limit_a,
    of,
    session_s,
    text,
    volts,
)
from firmware_sim.faces.registers.words import Raw

_METER = 15


def phoenix_charx_sec(spec: PileSpec) -> RegisterMap:
    """The map of a controller with as many connectors as the pile has EVSEs."""
    fields = [
        Field(100, 10, "name", text("CHARX control modular")),
        Field(110, 4, "software", text(spec.firmware or "1.5.0")),
        Field(114, 1, "controllers", lambda d: len(d.pile.evses)),
    ]
    for index in range(spec.evse_count):
        fields.extend(_connector_fields(index))
    both = [replace(field, table=table) for field in fields for table in (HOLDING, INPUT)]
    return RegisterMap("phoenix-charx-sec", 1, frozenset({3, 4, 6, 16}), both)


def _connector_fields(index: int) -> list[Field]:
    base = (index + 1) * 1000

    def at(
        offset: int, width: int, name: str, value: Callable[[Evse], Raw], unit: str = ""
    ) -> Field:
        return Field(base + offset, width, name, of(value, index), unit)

    signed = Field(0, 2, "", None, "", 0.001, form="signed")
    voltage = replace(signed, address=base + 232, name="voltage", unit="V")
    current = replace(signed, address=base + 238, name="current", unit="A")
    fields = [
        Field(base + 112, 1, "meter_type", fixed(_METER)),
        *by_phase(voltage, 2, volts, 1000, index),
        *by_phase(current, 2, amps, 1000, index),
        replace(at(244, 2, "power", lambda e: in_all_w(e) * 1000, "W"), scale=0.001, form="signed"),
        replace(at(250, 4, "total_energy", lambda e: int(e.meter.total_wh), "Wh"), form="signed"),
        at(264, 1, "soc", _soc, "%"),
        at(265, 10, "ev_id", lambda e: b""),
        at(275, 10, "rfid", id_tag),
        at(285, 2, "connected_time", session_s, "s"),
        at(287, 2, "charging_time", session_s, "s"),
        at(289, 2, "session_energy", lambda e: int(e.session_wh), "Wh"),
        at(299, 1, "state", lambda e: e.pilot.value.encode()),
        replace(at(300, 1, "enable", _enabled), write=release(index=index)),
        replace(at(301, 1, "current_limit", limit_a, "A"), write=limit_current(1, index=index)),
    ]
    return [replace(field, name=f"connector_{index + 1}_{field.name}") for field in fields]


def _enabled(evse: Evse) -> int:
    return int(evse.car is None or evse.is_running)


def _soc(evse: Evse) -> float | None:
    known = evse.car is not None and evse.spec.supply is Supply.DC
    return evse.car.battery.soc_pct if known and evse.car else None
