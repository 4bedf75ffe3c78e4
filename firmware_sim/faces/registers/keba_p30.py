"""The KEBA P30's registers: holding only, unit 255, at most two registers per read.

Source: register facts 4.2. Which exception a longer read gets is not published; here it is 3.
Energy counts are tenths of a watt-hour, as masters in the field read them. The product code says
P30 with a meter and a card reader; the firmware is 3.10.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from firmware_sim.core.controller import restart, set_limit, stop
from firmware_sim.core.evse import AC_VOLTAGE_V, Evse, Phase, Pilot
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.map import Device, Field, IllegalValueError, Reader, RegisterMap
from firmware_sim.faces.registers.words import Value

_NOT_READY, _READY, _CHARGING, _ERROR, _INTERRUPTED = 1, 2, 3, 4, 5
_CABLE_AT_STATION, _CABLE_AT_EV, _CABLE_LOCKED_AT_EV = 1, 5, 7
_PRODUCT, _FIRMWARE = 314_011, 0x030A_0D00
_LEAST_MA, _MOST_MA = 6_000, 63_000
_ERROR_GROUP = 0x40000


def keba_p30(spec: PileSpec) -> RegisterMap:
    """The map of a P30 with as many phases as the pile has."""
    phases = spec.supply.phases
    volts = [round(AC_VOLTAGE_V) if phase < phases else 0 for phase in range(3)]
    amps: list[Reader] = [_of(_milliamps) if phase < phases else _zero for phase in range(3)]
    fields = [
        Field(1000, 2, "charging_state", _of(_state)),
        Field(1004, 2, "cable_state", _of(_cable)),
        Field(1006, 2, "error_code", _of(_error)),
        *(Field(1008 + 2 * n, 2, f"current_l{n + 1}", amps[n], "A", 0.001) for n in range(3)),
        Field(1014, 2, "serial", lambda d: int(d.pile.spec.serial[:7], 16)),
        Field(1016, 2, "product", lambda d: _PRODUCT),
        Field(1018, 2, "firmware", lambda d: _FIRMWARE),
        Field(1020, 2, "active_power", _of(lambda e: round(e.power_kw * 1e6)), "W", 0.001),
        Field(1036, 2, "total_energy", _of(lambda e: int(e.meter.total_wh * 10)), "Wh", 0.1),
        *(Field(1040 + 2 * n, 2, f"voltage_l{n + 1}", _fixed(volts[n]), "V") for n in range(3)),
        Field(1046, 2, "power_factor", _of(lambda e: 1000 if e.power_kw else 0), "%", 0.1),
        Field(1100, 2, "max_current", _of(_offered_ma), "A", 0.001),
        Field(1110, 2, "hardware_max_current", _of(_rated_ma), "A", 0.001),
        Field(1500, 2, "rfid", _fixed(0)),
        Field(1502, 2, "session_energy", _of(lambda e: int(e.session_wh * 10)), "Wh", 0.1),
        Field(1550, 2, "phase_source", _fixed(0)),
        Field(1552, 2, "phase_state", _fixed(int(phases == 3))),
        Field(1600, 2, "failsafe_current", _fixed(0), "A", 0.001),
        Field(1602, 2, "failsafe_timeout", _fixed(0), "s"),
        Field(5004, 1, "set_current", None, "A", 0.001, write=_write_current),
        Field(5014, 1, "enable", None, write=_write_enable),
    ]
    return RegisterMap("keba-p30", 255, frozenset({3, 6}), fields, most_read=2)


def _of(value: Callable[[Evse], int]) -> Reader:
    return lambda device: value(device.pile.evses[0])


def _fixed(value: int) -> Reader:
    return lambda device: value


def _zero(_: Device) -> int:
    return 0


def _state(evse: Evse) -> int:
    if evse.is_broken:
        return _ERROR
    if evse.relay_closed:
        return _CHARGING
    ended = evse.session is not None and evse.session.phase is Phase.ENDED
    if evse.pilot is Pilot.F or evse.pilot is Pilot.B1 or ended:
        return _NOT_READY
    return _INTERRUPTED if evse.pilot is Pilot.C1 else _READY


def _cable(evse: Evse) -> int:
    if evse.car is None:
        return _CABLE_AT_STATION
    return _CABLE_LOCKED_AT_EV if evse.is_running else _CABLE_AT_EV


def _error(evse: Evse) -> int:
    numbers = [fault.kind.number for fault in evse.faults if fault.kind.stops]
    return _ERROR_GROUP + numbers[0] if numbers else 0


def _milliamps(evse: Evse) -> int:
    return round(evse.current_a * 1000)


def _rated_ma(evse: Evse) -> int:
    return round(evse.spec.rated_current_a * 1000)


def _offered_ma(evse: Evse) -> int:
    return round(evse.offered_kw * 1e6 / (AC_VOLTAGE_V * evse.spec.supply.phases))


def _on_evse(change: Callable[[Evse], Evse], device: Device) -> Device:
    evse_id = device.pile.evses[0].spec.evse_id
    return replace(device, pile=device.pile.with_evse(evse_id, change))


def _write_current(device: Device, raw_ma: Value) -> Device:
    if not _LEAST_MA <= raw_ma <= _MOST_MA:
        raise IllegalValueError(raw_ma)
    evse = device.pile.evses[0]
    limit_kw = raw_ma * AC_VOLTAGE_V * evse.spec.supply.phases / 1e6
    return _on_evse(lambda now: set_limit(now, limit_kw), device)


def _write_enable(device: Device, raw: Value) -> Device:
    if raw not in (0, 1):
        raise IllegalValueError(raw)
    if raw:
        return _on_evse(restart, device)
    return _on_evse(lambda now: stop(now, "Remote"), device)
