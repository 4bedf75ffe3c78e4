"""The ABB Terra AC's registers: holding only, unit 1, every 32-bit value high word first.

Source: register facts 4.1 (addresses, types, scales, charging states, lock state, polling).
The error bits are not published; here bit n stands for the MREC code CX0nn. What the masked top
bit of the state byte means is not published either; here it says that the current is reduced.
"""

from __future__ import annotations

from dataclasses import replace

from firmware_sim.core.controller import restart, set_limit, stop
from firmware_sim.core.evse import AC_MIN_CURRENT_A, AC_VOLTAGE_V, Evse, Pilot, Supply
from firmware_sim.faces.registers.map import (
    Device,
    Field,
    IllegalValueError,
    RegisterMap,
    Watchdog,
)
from firmware_sim.faces.registers.orders import kw_of, on_evse, only
from firmware_sim.faces.registers.readings import (
    amps,
    by_phase,
    has_ended,
    in_all_w,
    is_locked,
    of,
    offered_a,
    stop_numbers,
    volts,
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
    # Without polls it falls back to the least current that the pilot can offer.
    fallback_kw = AC_MIN_CURRENT_A * AC_VOLTAGE_V * supply.phases / 1000
    least_kw = min(fallback_kw, max_power_kw)
    watchdog = Watchdog(lambda device: device.comm_timeout_s, lambda device: least_kw)
    fields = [*_readable(), *_writable()]
    return RegisterMap("abb-terra-ac", 1, frozenset({3, 6, 16}), fields, watchdog)


def _readable() -> list[Field]:
    return [
        Field(0x4000, 4, "serial", lambda d: bytes.fromhex(d.pile.spec.serial)),
        Field(0x4004, 2, "firmware", _firmware),
        Field(0x4006, 2, "max_rated_current", of(_rated_ma), "A", 0.001),
        Field(0x4008, 2, "error_code", of(_error_bits)),
        Field(0x400A, 2, "socket_lock_state", of(_lock_state)),
        Field(0x400C, 2, "charging_state", of(_charging_state)),
        Field(0x400E, 2, "active_current_limit", of(lambda e: offered_a(e) * 1000), "A", 0.001),
        *by_phase(Field(0x4010, 2, "current", None, "A", 0.001), 2, amps, 1000),
        *by_phase(Field(0x4016, 2, "voltage", None, "V", 0.1), 2, volts, 10),
        Field(0x401C, 2, "active_power", of(in_all_w), "W"),
        Field(0x401E, 2, "session_energy", of(lambda e: int(e.session_wh)), "Wh"),
        Field(0x4020, 1, "communication_timeout", lambda d: d.comm_timeout_s, "s"),
    ]


def _writable() -> list[Field]:
    return [
        Field(0x4100, 2, "set_current_limit", None, "A", 0.001, write=_write_limit),
        # The lock follows the session, as on a tethered pile.
        Field(0x4103, 1, "lock_cable", None, write=only(0, 1)),
        Field(0x4105, 1, "start_stop_session", None, write=_write_session),
        Field(0x4106, 1, "set_communication_timeout", None, "s", write=_write_timeout),
    ]


def _firmware(device: Device) -> bytes:
    return bytes(int(part) for part in (device.pile.spec.firmware or _FIRMWARE).split("."))


def _rated_ma(evse: Evse) -> int:
    return round(evse.spec.rated_current_a * 1000)


def _error_bits(evse: Evse) -> int:
    # What only derates is no error: it shows in the state byte's top bit.
    return sum(1 << number for number in stop_numbers(evse))


def _lock_state(evse: Evse) -> int:
    if evse.car is None:
        return 0
    return _CABLE_AT_EV | (_LOCKED if is_locked(evse) else 0)


def _charging_state(evse: Evse) -> int:
    stopped = has_ended(evse) or evse.pilot in (Pilot.E, Pilot.F)
    state = _STOPPED if stopped else _STATE[evse.pilot]
    if state == 4 and evse.offered_kw < evse.spec.max_power_kw - 1e-9:
        state |= _REDUCED_BIT
    return state << 8


def _write_limit(device: Device, raw_ma: Value) -> Device:
    if raw_ma > _rated_ma(device.pile.evses[0]):
        raise IllegalValueError(raw_ma)
    return on_evse(device, lambda evse: set_limit(evse, kw_of(evse, raw_ma / 1000)))


def _write_session(device: Device, raw: Value) -> Device:
    if raw not in (_START, _STOP):
        raise IllegalValueError(raw)
    return on_evse(device, restart if raw == _START else lambda evse: stop(evse, "Remote"))


def _write_timeout(device: Device, raw_s: Value) -> Device:
    return replace(device, comm_timeout_s=int(raw_s))
