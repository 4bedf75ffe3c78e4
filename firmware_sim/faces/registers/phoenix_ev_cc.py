"""The Phoenix Contact EV-CC-AC1's registers, a controller on RS-485: unit 1, one connector.

Measured values stand in registers that both read functions show; switches are coils. It has no
meter. Source: register facts 4.9. Error bits are numbered 2 to 16 there; a register has sixteen
bits, so they are taken to be counted from 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from firmware_sim.core.controller import restart, set_limit, set_operative, stop
from firmware_sim.core.evse import AC_MIN_CURRENT_A, AC_VOLTAGE_V, Evse, Pilot
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.map import (
    COIL,
    HOLDING,
    INPUT,
    Device,
    Field,
    IllegalValueError,
    Reader,
    RegisterMap,
)
from firmware_sim.faces.registers.words import Value

_LETTERS = {Pilot.E: b"E0", Pilot.F: b"F0"}
_ERROR_BIT = {
    "ProximityFault": 3,
    "PilotFault": 4,
    "ConnectorLockFailure": 6,
    "InvalidVehicleMode": 11,
    "EVSEContactorFault": 12,
    "GroundFailure": 15,
}
_UNAVAILABLE_BIT = 5
_MOST_A = 63
_NO_CABLE_A, _CABLE_A = 0, 32


def phoenix_ev_cc(spec: PileSpec) -> RegisterMap:
    """The map of one controller."""
    fields = [
        Field(20000, 1, "enable", _of(lambda e: int(_running(e))), write=_write_enable, table=COIL),
        Field(
            20001,
            1,
            "availability",
            _of(lambda e: int(e.is_operative)),
            write=_write_available,
            table=COIL,
        ),
        Field(20002, 1, "lock", _of(lambda e: int(e.is_running)), table=COIL),
        Field(22000, 1, "max_current", _of(_offered_a), "A", write=_write_current),
    ]
    for table in (HOLDING, INPUT):
        fields += [
            Field(1000, 34, "identity", lambda d: b"EV-CC-AC1-M3-CBC-SER-HS", table=table),
            Field(24000, 1, "state", lambda d: _state(d.pile.evses[0]), table=table),
            Field(24001, 1, "cable_rating", _of(_cable_a), "A", table=table),
            Field(24002, 1, "duty_cycle", _of(_duty_pct), "%", table=table),
            Field(24003, 1, "pilot_current", _of(_offered_a), "A", table=table),
            Field(24004, 1, "digital_inputs", lambda d: 0, table=table),
            Field(24005, 1, "digital_outputs", lambda d: 0, table=table),
            Field(24025, 1, "error_bits", _of(_error_bits), table=table),
        ]
    return RegisterMap("phoenix-ev-cc", 1, frozenset({1, 3, 4, 5, 6, 16}), fields)


def _of(value: Callable[[Evse], int]) -> Reader:
    return lambda device: value(device.pile.evses[0])


def _running(evse: Evse) -> bool:
    return evse.car is None or evse.is_running


def _state(evse: Evse) -> bytes:
    return _LETTERS.get(evse.pilot) or evse.pilot.value.encode()


def _cable_a(evse: Evse) -> int:
    return _NO_CABLE_A if evse.car is None else _CABLE_A


def _offered_a(evse: Evse) -> int:
    return int(evse.offered_kw * 1000 / (AC_VOLTAGE_V * evse.spec.supply.phases) + 1e-6)


def _duty_pct(evse: Evse) -> int:
    """IEC 61851-1: 0.6 A for each per cent; nothing where the pilot is not modulated."""
    return round(_offered_a(evse) / 0.6) if evse.pilot.value.endswith("2") else 0


def _error_bits(evse: Evse) -> int:
    names = [fault.kind.name for fault in evse.faults if fault.kind.stops]
    numbers = {_ERROR_BIT.get(name, _UNAVAILABLE_BIT) for name in names}
    return sum(1 << (number - 1) for number in numbers)


def _on_evse(change: Callable[[Evse], Evse], device: Device) -> Device:
    evse_id = device.pile.evses[0].spec.evse_id
    return replace(device, pile=device.pile.with_evse(evse_id, change))


def _write_enable(device: Device, raw: Value) -> Device:
    if raw:
        return _on_evse(restart, device)
    return _on_evse(lambda now: stop(now, "Remote"), device)


def _write_available(device: Device, raw: Value) -> Device:
    return _on_evse(lambda now: set_operative(now, bool(raw)), device)


def _write_current(device: Device, raw_a: Value) -> Device:
    if not AC_MIN_CURRENT_A <= raw_a <= _MOST_A:
        raise IllegalValueError(raw_a)
    evse = device.pile.evses[0]
    limit_kw = raw_a * AC_VOLTAGE_V * evse.spec.supply.phases / 1000
    return _on_evse(lambda now: set_limit(now, limit_kw), device)
