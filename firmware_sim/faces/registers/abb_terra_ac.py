"""The ABB Terra AC's registers: holding only, unit 1, every 32-bit value high word first.

Source: register facts 4.1 (addresses, types, scales, charging states, lock state, polling).
The error bits are not published; here bit n stands for the MREC code CX0nn. What the masked top
bit of the state byte means is not published either; here it says that the current is reduced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from firmware_sim.core.controller import restart, set_limit, stop
from firmware_sim.core.evse import AC_MIN_CURRENT_A, AC_VOLTAGE_V, Evse, Phase, Pilot, Supply
from firmware_sim.faces.registers.map import (
    Device,
    Field,
    IllegalValueError,
    Reader,
    RegisterMap,
    Watchdog,
)
from firmware_sim.faces.registers.words import Value

_START, _STOP = 0, 1
_FIRMWARE = "1.8.21"
# Charging states as the map numbers them; a stopped session is 5 whatever the pilot shows.
_STATE = {Pilot.A1: 0, Pilot.B1: 1, Pilot.B2: 2, Pilot.C1: 3, Pilot.C2: 4, Pilot.D1: 3, Pilot.D2: 4}
_STOPPED = 5
_REDUCED_BIT = 0x80
_CABLE_AT_EV, _LOCKED = 0x0101, 0x0010


def abb_terra_ac(supply: Supply, max_power_kw: float) -> RegisterMap:
    """The map of a Terra AC with one or three phases."""
    volts = [_volts if phase < supply.phases else _zero for phase in range(3)]
    amps = [_milliamps if phase < supply.phases else _zero for phase in range(3)]
    fields = [
        Field(0x4000, 4, "serial", lambda d: bytes.fromhex(d.pile.spec.serial)),
        Field(0x4004, 2, "firmware", _firmware),
        Field(0x4006, 2, "max_rated_current", _of(_rated_ma), "A", 0.001),
        Field(0x4008, 2, "error_code", _of(_error_bits)),
        Field(0x400A, 2, "socket_lock_state", _of(_lock_state)),
        Field(0x400C, 2, "charging_state", _of(_charging_state)),
        Field(0x400E, 2, "active_current_limit", _of(_active_limit_ma), "A", 0.001),
        *(Field(0x4010 + 2 * n, 2, f"current_l{n + 1}", amps[n], "A", 0.001) for n in range(3)),
        *(Field(0x4016 + 2 * n, 2, f"voltage_l{n + 1}", volts[n], "V", 0.1) for n in range(3)),
        Field(0x401C, 2, "active_power", _of(lambda e: round(e.power_kw * 1000)), "W"),
        Field(0x401E, 2, "session_energy", _of(lambda e: int(e.session_wh)), "Wh"),
        Field(0x4020, 1, "communication_timeout", lambda d: d.comm_timeout_s, "s"),
        Field(0x4100, 2, "set_current_limit", None, "A", 0.001, write=_write_limit),
        Field(0x4103, 1, "lock_cable", None, write=_write_lock),
        Field(0x4105, 1, "start_stop_session", None, write=_write_session),
        Field(0x4106, 1, "set_communication_timeout", None, "s", write=_write_timeout),
    ]
    # Without polls it falls back to the least current that the pilot can offer.
    fallback_kw = AC_MIN_CURRENT_A * AC_VOLTAGE_V * supply.phases / 1000
    least_kw = min(fallback_kw, max_power_kw)
    watchdog = Watchdog(lambda device: device.comm_timeout_s, lambda device: least_kw)
    return RegisterMap("abb-terra-ac", 1, frozenset({3, 6, 16}), fields, watchdog)


def _of(value: Callable[[Evse], int]) -> Reader:
    return lambda device: value(device.pile.evses[0])


def _zero(_: Device) -> int:
    return 0


def _volts(_: Device) -> int:
    return round(AC_VOLTAGE_V * 10)


def _milliamps(device: Device) -> int:
    return round(device.pile.evses[0].current_a * 1000)


def _firmware(device: Device) -> bytes:
    return bytes(int(part) for part in (device.pile.spec.firmware or _FIRMWARE).split("."))


def _rated_ma(evse: Evse) -> int:
    return round(evse.spec.rated_current_a * 1000)


def _active_limit_ma(evse: Evse) -> int:
    volts = AC_VOLTAGE_V * evse.spec.supply.phases
    return round(evse.offered_kw * 1e6 / volts)


def _error_bits(evse: Evse) -> int:
    # What only derates is no error: it shows in the state byte's top bit.
    return sum(1 << fault.kind.number for fault in evse.faults if fault.kind.stops)


def _lock_state(evse: Evse) -> int:
    if evse.car is None:
        return 0
    return _CABLE_AT_EV | (_LOCKED if evse.is_running else 0)


def _charging_state(evse: Evse) -> int:
    ended = evse.session is not None and evse.session.phase is Phase.ENDED
    stopped = ended or evse.pilot in (Pilot.E, Pilot.F)
    state = _STOPPED if stopped else _STATE[evse.pilot]
    if state == 4 and evse.offered_kw < evse.spec.max_power_kw - 1e-9:
        state |= _REDUCED_BIT
    return state << 8


def _on_evse(change: Callable[[Evse], Evse], device: Device) -> Device:
    evse_id = device.pile.evses[0].spec.evse_id
    return replace(device, pile=device.pile.with_evse(evse_id, change))


def _write_limit(device: Device, raw_ma: Value) -> Device:
    evse = device.pile.evses[0]
    if raw_ma > _rated_ma(evse):
        raise IllegalValueError(raw_ma)
    limit_kw = raw_ma * AC_VOLTAGE_V * evse.spec.supply.phases / 1e6
    return _on_evse(lambda now: set_limit(now, limit_kw), device)


def _write_session(device: Device, raw: Value) -> Device:
    if raw not in (_START, _STOP):
        raise IllegalValueError(raw)
    if raw == _START:
        return _on_evse(restart, device)
    return _on_evse(lambda now: stop(now, "Remote"), device)


def _write_lock(device: Device, raw: Value) -> Device:
    """The device unchanged: the lock follows the session, as on a tethered pile."""
    if raw not in (0, 1):
        raise IllegalValueError(raw)
    return device


def _write_timeout(device: Device, raw_s: Value) -> Device:
    return replace(device, comm_timeout_s=int(raw_s))
