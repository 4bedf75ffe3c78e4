"""Compleo's registers: unit 255, measured values as input registers, sixteen for each connector.

Connector 1 begins at 0x100. The charging time is a holding register with low word and low byte
first. The status has two bits: a fault or a reservation cannot be told. Source: register facts
4.16; number of connectors in 0x0008: evcc's charger/compleo.go. Reading feeds the fallback
time-out; the fallback power is not published, here the least that a pilot can offer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from firmware_sim.core.evse import AC_MIN_CURRENT_A, Evse
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.map import INPUT, Field, RegisterMap, Watchdog
from firmware_sim.faces.registers.orders import kw_of, limit_power, setting
from firmware_sim.faces.registers.readings import (
    amps,
    by_phase,
    id_tag,
    in_all_w,
    kept,
    of,
    session_s,
    volts,
)
from firmware_sim.faces.registers.words import Raw

_FIRST, _STEP = 0x0100, 0x10
_PLUGGED, _CHARGING = 1, 2
_TIMEOUT_S = 60


def compleo(spec: PileSpec) -> RegisterMap:
    """The map of a station with as many connectors as the pile has EVSEs."""
    fields = [
        Field(0x0005, 1, "fallback", kept("fallback", _TIMEOUT_S), "s", 1, setting("fallback")),
        Field(0x0008, 1, "connectors", lambda d: len(d.pile.evses), table=INPUT),
        Field(0x1000, 16, "id_tag", of(id_tag), table=INPUT),
    ]
    for index in range(spec.evse_count):
        fields.extend(_connector_fields(index))
    watchdog = Watchdog(
        lambda device: device.kept.get("fallback", _TIMEOUT_S),
        lambda device: kw_of(device.pile.evses[0], AC_MIN_CURRENT_A),
    )
    return RegisterMap("compleo", 255, frozenset({3, 4, 6, 16}), fields, watchdog)


def _connector_fields(index: int) -> list[Field]:
    base = _FIRST + index * _STEP

    def at(offset: int, name: str, value: Callable[[Evse], Raw], unit: str, scale: float) -> Field:
        return Field(base + offset, 1, name, of(value, index), unit, scale, table=INPUT)

    current = Field(base + 3, 1, "current", None, "A", 0.1, table=INPUT)
    voltage = Field(base + 13, 1, "voltage", None, "V", table=INPUT)
    fields = [
        Field(
            base,
            1,
            "power_limit",
            of(_limit, index),
            "kW",
            0.1,
            limit_power(10, index=index),
        ),
        at(1, "status", _status, "", 1),
        at(2, "power", lambda e: in_all_w(e) / 100, "kW", 0.1),
        *by_phase(current, 1, amps, 10, index),
        Field(
            base + 6,
            2,
            "charging_time",
            of(session_s, index),
            "s",
            low_word_first=True,
            swapped_bytes=True,
        ),
        at(8, "session_energy", lambda e: int(e.session_wh / 100), "kWh", 0.1),
        *by_phase(voltage, 1, volts, 1, index),
    ]
    return [replace(field, name=f"connector_{index + 1}_{field.name}") for field in fields]


def _status(evse: Evse) -> int:
    return (_PLUGGED if evse.car else 0) | (_CHARGING if evse.relay_closed else 0)


def _limit(evse: Evse) -> float:
    return (evse.spec.max_power_kw if evse.limit_kw is None else evse.limit_kw) * 10
