"""The Delta AC MAX's registers: input for reading, written with function 16, unit 1.

An EVSE's registers begin at its number times 1000; those of the station at 100. Orders cannot be
read back. Source: register facts 4.15; lengths of the texts are 20 registers here. The charge of
an AC car is not known: 0xFFFF.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from firmware_sim.core.controller import set_limit
from firmware_sim.core.evse import Evse, Supply
from firmware_sim.core.pile import PileSpec
from firmware_sim.core.status import ocpp_status
from firmware_sim.faces.registers.map import (
    INPUT,
    Device,
    Field,
    IllegalValueError,
    RegisterMap,
    Watchdog,
    Writer,
)
from firmware_sim.faces.registers.orders import limit_power, on_evse, setting
from firmware_sim.faces.registers.readings import (
    id_tag,
    in_all_w,
    of,
    session_s,
    starting_as,
    text,
    volts,
)
from firmware_sim.faces.registers.words import Raw, Value

_OPERATIONAL, _FAULTED = 1, 10
_STATES = (
    "",
    "Available",
    "Occupied",
    "Preparing",
    "Charging",
    "Finishing",
    "SuspendedEV",
    "SuspendedEVSE",
    "",
    "Faulted",
)
_UNAVAILABLE = 0


def delta_ac_max(spec: PileSpec) -> RegisterMap:
    """The map of a station with as many EVSEs as the pile has."""
    fields = [
        Field(100, 1, "charger_state", starting_as(0, _charger_state), table=INPUT),
        Field(102, 1, "evse_count", lambda d: len(d.pile.evses), table=INPUT),
        Field(110, 20, "serial", lambda d: d.pile.spec.serial.encode(), table=INPUT),
        Field(130, 20, "model", text("AC MAX"), table=INPUT),
        Field(201, 1, "timeout_enable", None, write=setting("timeout_enable", 0, 1)),
        Field(202, 1, "timeout", None, "s", write=setting("timeout")),
        Field(203, 2, "fallback_power", None, "W", write=setting("fallback_w", 0, 0xFFFFFFFF)),
    ]
    for index in range(spec.evse_count):
        fields.extend(_evse_fields(index))
    return RegisterMap(
        "delta-ac-max", 1, frozenset({4, 16}), fields, Watchdog(_timeout_s, _fallback_kw)
    )


def _evse_fields(index: int) -> list[Field]:
    def at(
        offset: int, width: int, name: str, value: Callable[[Evse], Raw], unit: str = ""
    ) -> Field:
        address = (index + 1) * 1000 + offset
        return Field(
            address, width, f"evse_{index + 1}_{name}", of(value, index), unit, table=INPUT
        )

    def real(offset: int, name: str, value: Callable[[Evse], float], unit: str) -> Field:
        return replace(at(offset, 2, name, value, unit), form="float")

    base = (index + 1) * 1000
    return [
        at(0, 1, "state", _state),
        at(1, 1, "native_state", _native_state),
        real(3, "voltage", lambda e: volts(e, 0) or e.voltage_v, "V"),
        at(5, 2, "power", in_all_w, "W"),
        real(7, "current", lambda e: e.current_a, "A"),
        real(9, "power_out", in_all_w, "W"),
        replace(at(11, 1, "soc", _soc, "%"), scale=0.1),
        at(17, 2, "charging_time", session_s, "s"),
        at(19, 2, "session_energy", lambda e: int(e.session_wh), "Wh"),
        at(100, 10, "uid", id_tag),
        Field(
            base + 600,
            2,
            f"evse_{index + 1}_limit",
            None,
            "W",
            write=limit_power(1000, index=index),
        ),
        Field(base + 602, 1, f"evse_{index + 1}_suspend", None, write=_suspend(index)),
    ]


def _charger_state(device: Device) -> int:
    return _FAULTED if all(e.is_broken for e in device.pile.evses) else _OPERATIONAL


def _state(evse: Evse) -> int:
    status = ocpp_status(evse)
    if status == "Reserved":
        return _STATES.index("Occupied")
    return _STATES.index(status) if status in _STATES else _UNAVAILABLE


def _native_state(evse: Evse) -> int:
    if evse.is_broken:
        return 7
    if evse.car is None:
        return 0
    if evse.relay_closed:
        return 3
    return {"Preparing": 1, "SuspendedEV": 2, "SuspendedEVSE": 4, "Finishing": 5}.get(
        ocpp_status(evse), 0
    )


def _soc(evse: Evse) -> float | None:
    known = evse.car is not None and evse.spec.supply is Supply.DC
    return evse.car.battery.soc_pct * 10 if known and evse.car else None


def _suspend(index: int) -> Writer:
    def write(device: Device, raw: Value) -> Device:
        if raw not in (0, 1):
            raise IllegalValueError(raw)
        limit_kw = 0.0 if raw else None
        return on_evse(device, lambda evse: set_limit(evse, limit_kw), index)

    return write


def _timeout_s(device: Device) -> float:
    return device.kept.get("timeout", 0.0) if device.kept.get("timeout_enable") else 0.0


def _fallback_kw(device: Device) -> float:
    return device.kept.get("fallback_w", 0.0) / 1000
