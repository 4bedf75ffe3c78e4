"""The Schneider EVlink Pro AC's registers: holding, unit 255, low word first, a life bit.

Source: register facts 4.6; of the two word orders found, evcc's. Between 2999 and 3222 and between
4000 and 4079 what is not there reads 0xFFFF. Not published: after how long without a life bit the
degraded set-point holds (here 10 s; it is asked for every 2 s), its value (here 6 A), the bits of
4020 and 4022 (here the number of the MREC code).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from firmware_sim.core.controller import restart, set_limit, set_operative, stop
from firmware_sim.core.evse import Evse, Pilot
from firmware_sim.core.pile import PileSpec
from firmware_sim.core.status import ocpp_status
from firmware_sim.faces.registers.map import Device, Field, IllegalValueError, RegisterMap, Watchdog
from firmware_sim.faces.registers.orders import (
    Change,
    fallback_kw,
    limit_current,
    on_evse,
    setting,
)
from firmware_sim.faces.registers.readings import (
    amps,
    by_phase,
    fixed,
    in_all_w,
    kept,
    limit_a,
    of,
    session_s,
    starting_as,
    stop_numbers,
    volts,
    watts,
)
from firmware_sim.faces.registers.words import Value

_PILOT = {
    Pilot.A1: 2,
    Pilot.B1: 3,
    Pilot.B2: 7,
    Pilot.C1: 4,
    Pilot.C2: 8,
    Pilot.D1: 5,
    Pilot.D2: 9,
    Pilot.E: 11,
    Pilot.F: 1,
}
_STATUS = (
    "",
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEV",
    "SuspendedEVSE",
    "Finishing",
    "Reserved",
    "Unavailable",
    "Faulted",
)
_CAUSES = {"": 0, "EmergencyStop": 1, "EVDisconnected": 2, "Local": 4, "Other": 5, "PowerLoss": 6}
_REMOTE = 8
_LIFE_BIT, _LIFE_OFF, _TIMEOUT_S, _DEGRADED_A = 4000, 2, 10.0, 6
_COMMANDS: dict[int, Change] = {
    3: lambda evse: stop(evse, "Remote"),
    7: lambda evse: set_limit(evse, 0.0),
    8: lambda evse: restart(set_limit(evse, None)),
    9: lambda evse: stop(evse, "Reboot"),
    40: lambda evse: set_operative(evse, True),
    41: lambda evse: set_operative(evse, False),
}


def schneider_evlink_pro_ac(spec: PileSpec) -> RegisterMap:
    """The map of one pile."""
    return RegisterMap(
        "schneider-evlink-pro-ac",
        255,
        frozenset({3, 6, 16}),
        [*_state_fields(), *_measured(), *_controls()],
        Watchdog(_timeout_s, fallback_kw("degraded 3p", _DEGRADED_A), frozenset({_LIFE_BIT})),
        fill=0xFFFF,
        filled=((2999, 3222), (4000, 4079)),
    )


def _state_fields() -> list[Field]:
    return [
        Field(1, 1, "ev_state", of(lambda e: _PILOT[e.pilot])),
        Field(150, 1, "ocpp_status", starting_as(0, of(_status))),
        Field(1150, 1, "ev_presence", of(lambda e: int(e.car is not None))),
    ]


def _real(address: int, name: str, unit: str) -> Field:
    return Field(address, 2, name, None, unit, form="float", low_word_first=True)


def _measured() -> list[Field]:
    return [
        *by_phase(_real(2999, "current", "A"), 2, amps),
        *_alone(
            _real(3009, "current_average", "A"), lambda e: sum(amps(e, n) for n in range(3)) / 3
        ),
        *by_phase(_real(3027, "voltage", "V"), 2, volts),
        *by_phase(_real(3053, "power", "kW"), 2, watts, 0.001),
        *_alone(_real(3059, "power", "kW"), lambda e: in_all_w(e) / 1000),
        *_alone(_real(3083, "power_factor", ""), lambda e: 1.0),
        *_alone(_real(3109, "frequency", "Hz"), lambda e: 50.0),
        Field(
            3203,
            4,
            "total_energy",
            of(lambda e: int(e.meter.total_wh)),
            "Wh",
            low_word_first=True,
        ),
    ]


def _alone(field: Field, value: Callable[[Evse], float]) -> list[Field]:
    return [replace(field, read=of(value))]


def _controls() -> list[Field]:
    return [
        Field(_LIFE_BIT, 1, "life_bit", kept("life_bit", 0), write=setting("life_bit", 0, 2)),
        Field(4001, 1, "command", fixed(0), write=_write_command),
        Field(4002, 2, "command_status", fixed(0), low_word_first=True),
        Field(4004, 1, "setpoint", of(limit_a), "A", write=limit_current(1)),
        Field(
            4005,
            1,
            "degraded_setpoint_1p",
            kept("degraded 1p", _DEGRADED_A),
            "A",
            write=setting("degraded 1p", 0, 80),
        ),
        Field(
            4006,
            1,
            "degraded_setpoint_3p",
            kept("degraded 3p", _DEGRADED_A),
            "A",
            write=setting("degraded 3p", 0, 80),
        ),
        Field(4007, 2, "charging_time", of(session_s), "s", low_word_first=True),
        Field(4009, 2, "session_time", of(session_s), "s", low_word_first=True),
        Field(4011, 1, "last_stop_cause", of(_cause)),
        Field(
            4012, 2, "session_energy", of(lambda e: int(e.session_wh)), "Wh", low_word_first=True
        ),
        Field(4020, 2, "error_group", of(lambda e: int(e.is_broken)), low_word_first=True),
        Field(4022, 2, "error_code", of(_error_bits), low_word_first=True),
    ]


def _status(evse: Evse) -> int:
    return _STATUS.index(ocpp_status(evse))


def _cause(evse: Evse) -> int:
    return _CAUSES.get(evse.session.end_reason, _REMOTE) if evse.session else 0


def _error_bits(evse: Evse) -> int:
    return sum({1 << number for number in stop_numbers(evse)})


def _timeout_s(device: Device) -> float:
    return 0.0 if device.kept.get("life_bit") == _LIFE_OFF else _TIMEOUT_S


def _write_command(device: Device, raw: Value) -> Device:
    change = _COMMANDS.get(int(raw))
    if change is None:
        raise IllegalValueError(raw)
    return on_evse(device, change)
