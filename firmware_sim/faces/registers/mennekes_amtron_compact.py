"""The Mennekes AMTRON Compact 2.0s's registers: RTU, unit 50, holding only, a heartbeat.

Source: register facts 4.11; lengths of the texts and two more registers: evcc's
charger/mennekes-compact.go. The heartbeat is 0x55AA every 5 s; after how long without one it falls
back, and to what, is not published: here after 10 s to 6 A. Blocked by its master it is in state 6
until a release and a limit have been written.
"""

from __future__ import annotations

from dataclasses import replace

from firmware_sim.core.controller import set_limit
from firmware_sim.core.evse import Evse, Pilot
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.map import Device, Field, IllegalValueError, RegisterMap, Watchdog
from firmware_sim.faces.registers.orders import fallback_kw, limit_current, on_evse, only, setting
from firmware_sim.faces.registers.readings import (
    amps,
    by_phase,
    fixed,
    has_ended,
    in_all_w,
    kept,
    limit_a,
    of,
    session_s,
    text,
    volts,
)
from firmware_sim.faces.registers.words import Value

_IDLE, _WAITING, _READY, _PAUSED, _CHARGING, _BLOCKED = 1, 2, 3, 4, 5, 6
_HEARTBEAT, _TOKEN, _TIMEOUT_S, _SAFE_A = 0x0D00, 0x55AA, 10.0, 6.0
_RELEASED = "release"


def mennekes_amtron_compact(spec: PileSpec) -> RegisterMap:
    """The map of one wallbox."""
    return RegisterMap(
        "mennekes-amtron-compact-20s",
        50,
        frozenset({3, 6, 16}),
        [*_identity(spec), *_state_fields(), *_measured(), *_controls()],
        Watchdog(lambda device: _TIMEOUT_S, fallback_kw("safe", _SAFE_A), frozenset({_HEARTBEAT})),
    )


def _identity(spec: PileSpec) -> list[Field]:
    return [
        Field(0x0000, 1, "modbus_version", fixed(0x0102)),
        Field(0x0001, 16, "firmware", text(spec.firmware or "1.0.4")),
        Field(0x0013, 16, "serial", lambda d: d.pile.spec.serial.encode()),
    ]


def _state_fields() -> list[Field]:
    return [
        Field(0x0100, 1, "evse_state", _state),
        Field(0x0101, 1, "authorisation", of(lambda e: int(e.is_running))),
        Field(0x0108, 1, "cp_state", of(lambda e: ord(e.pilot.letter))),
        Field(0x030C, 1, "phase_options", fixed(2)),
        Field(0x0311, 1, "grid_phases", of(lambda e: e.spec.supply.phases)),
    ]


def _real(address: int, name: str, unit: str) -> Field:
    return Field(address, 2, name, None, unit, form="float")


def _measured() -> list[Field]:
    power = _real(0x0512, "power", "W")
    session = _real(0x0B02, "session_energy", "kWh")
    total = _real(0x1000, "total_energy", "kWh")
    return [
        *by_phase(_real(0x0500, "current", "A"), 2, amps),
        *by_phase(_real(0x0506, "voltage", "V"), 2, volts),
        replace(power, read=of(in_all_w)),
        replace(session, read=of(lambda e: e.session_wh / 1000)),
        Field(0x0B04, 2, "session_duration", of(session_s), "s"),
        replace(total, read=of(lambda e: e.meter.total_wh / 1000)),
    ]


def _controls() -> list[Field]:
    limit = _real(0x0302, "current_limit", "A")
    return [
        replace(limit, read=of(limit_a), write=_write_limit),
        Field(_HEARTBEAT, 1, "heartbeat", fixed(0), write=only(_TOKEN)),
        Field(0x0D04, 1, "requested_phases", kept("phases", 0), write=setting("phases", 0, 1)),
        Field(0x0D05, 1, "charging_release", kept(_RELEASED, 1), write=_write_release),
    ]


def _state(device: Device) -> int:
    evse = device.pile.evses[0]
    if evse.car is None and evse.pilot is Pilot.A1:
        return _IDLE
    if not device.kept.get(_RELEASED, 1) or _waits_for_limit(device) or evse.pilot in _OUT:
        return _BLOCKED
    return _with_car(evse)


_OUT = (Pilot.E, Pilot.F)


def _with_car(evse: Evse) -> int:
    if evse.relay_closed:
        return _CHARGING
    if evse.pilot is Pilot.C1 or has_ended(evse):
        return _PAUSED
    return _WAITING if evse.pilot is Pilot.B1 else _READY


def _waits_for_limit(device: Device) -> bool:
    return bool(device.kept.get("blocked"))


def _write_release(device: Device, raw: Value) -> Device:
    """Without a release nothing flows; a release alone does not end that, a limit has to follow."""
    if raw not in (0, 1):
        raise IllegalValueError(raw)
    device = device.keep(_RELEASED, raw)
    if raw:
        return device
    device = on_evse(device, lambda evse: set_limit(evse, 0.0))
    return device.keep("blocked", 1)


def _write_limit(device: Device, raw: Value) -> Device:
    device = limit_current(1)(device, raw)
    return device.keep("blocked", 0) if device.kept.get(_RELEASED, 1) else device
