"""The Webasto Next's registers: holding, unit 255, a life bit, nothing between its registers.

Source: register facts 4.4; function 4 reads the currents too, as one of two readers does; the
error number and the session's energy are single words. Which of two masters it serves, and the
failsafe current and time-out as they come from the works, are not published: here the newer one,
6 A and 60 s. It has no number for "out of service".
"""

from __future__ import annotations

from dataclasses import replace

from firmware_sim.core.controller import restart, stop
from firmware_sim.core.evse import AC_MIN_CURRENT_A, Evse, Pilot
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.map import (
    INPUT,
    Device,
    Field,
    IllegalValueError,
    RegisterMap,
    Watchdog,
)
from firmware_sim.faces.registers.orders import (
    fallback_kw,
    limit_current,
    limit_power,
    on_evse,
    only,
    setting,
)
from firmware_sim.faces.registers.readings import (
    amps,
    by_phase,
    cable_a,
    first_code,
    fixed,
    id_tag,
    in_all_w,
    is_locked,
    kept,
    of,
    offered_a,
    session_s,
    starting_as,
    watts,
)
from firmware_sim.faces.registers.words import Value

_FREE, _WAITING, _CHARGING, _PAUSED, _ERROR, _RESERVED = 0, 1, 3, 4, 7, 8
_NO_CABLE, _PLUGGED, _LOCKED = 0, 2, 3
_ERRORS = {
    "EVSEContactorFault": 1,
    "PowerLoss": 2,
    "OverVoltage": 4,
    "UnderVoltage": 5,
    "OverCurrentFailure": 6,
    "GroundFailure": 8,
    "HighTemperature": 10,
    "CableOverTempStop": 10,
    "ProximityFault": 11,
    "EVCommunicationError": 3,
    "PilotFault": 15,
}
_OTHER = 7
_SAFE_A, _TIMEOUT_S = 6, 60
_START, _CANCEL = 1, 2
_LIFE_BIT = 6000
# The device takes its life bit back; how soon, nobody says.
_LIFE_BIT_S = 1.0


def webasto_next(spec: PileSpec) -> RegisterMap:
    """The map of one pile."""
    currents = by_phase(Field(1008, 1, "current", None, "A", 0.001), 2, amps, 1000)
    fields = [
        *_state_fields(),
        *currents,
        *(replace(field, table=INPUT) for field in currents),
        *_measured(),
        *_written(),
    ]
    watchdog = Watchdog(
        lambda device: device.kept.get("timeout", _TIMEOUT_S),
        fallback_kw("safe_current", _SAFE_A),
        frozenset({_LIFE_BIT}),
    )
    return RegisterMap(
        "webasto-next", 255, frozenset({3, 4, 6, 16}), fields, watchdog, clients="newest"
    )


def _state_fields() -> list[Field]:
    return [
        Field(1000, 1, "charge_point_state", of(_state)),
        Field(1001, 1, "charge_flag", of(lambda e: int(e.relay_closed))),
        Field(1002, 1, "evse_state", starting_as(0, of(lambda e: 2 if e.is_broken else 1))),
        Field(1004, 1, "cable_state", of(_cable)),
        Field(1006, 1, "error", of(lambda e: first_code(e, _ERRORS, _OTHER))),
    ]


def _measured() -> list[Field]:
    return [
        Field(1020, 2, "power", of(in_all_w), "W"),
        *by_phase(Field(1024, 2, "power", None, "W"), 4, watts),
        Field(1036, 2, "total_energy", of(lambda e: int(e.meter.total_wh)), "Wh"),
        Field(1100, 1, "hardware_max_current", of(lambda e: e.spec.rated_current_a), "A"),
        Field(1102, 1, "hardware_min_current", fixed(int(AC_MIN_CURRENT_A)), "A"),
        Field(1104, 1, "evse_max_current", of(offered_a), "A"),
        Field(1106, 1, "cable_max_current", of(cable_a), "A"),
        Field(1108, 1, "ev_max_current", of(lambda e: 32 if e.car else 0), "A"),
        Field(1502, 1, "session_energy", of(lambda e: int(e.session_wh)), "Wh"),
        Field(1504, 2, "session_start", fixed(0), "s"),
        Field(1508, 2, "session_duration", of(session_s), "s"),
        Field(1512, 2, "session_end", fixed(0), "s"),
        Field(1600, 10, "id_tag", of(id_tag)),
        Field(1620, 1, "smart_vehicle", fixed(0)),
    ]


def _written() -> list[Field]:
    return [
        Field(
            2000,
            1,
            "safe_current",
            kept("safe_current", _SAFE_A),
            "A",
            write=setting("safe_current", 0, 32),
        ),
        Field(2002, 1, "timeout", kept("timeout", _TIMEOUT_S), "s", write=setting("timeout")),
        Field(5000, 2, "set_power", None, "W", write=limit_power(1000)),
        Field(5004, 1, "set_current", None, "A", write=limit_current(1, most_a=32)),
        Field(5006, 1, "start_cancel", None, write=_write_session),
        Field(_LIFE_BIT, 1, "life_bit", _life_bit, write=only(0, 1)),
    ]


def _state(evse: Evse) -> int:
    if evse.is_broken:
        return _ERROR
    if evse.car is None:
        return _FREE if evse.reservation is None else _RESERVED
    if evse.relay_closed:
        return _CHARGING
    return _WAITING if evse.pilot is Pilot.B1 else _PAUSED


def _cable(evse: Evse) -> int:
    if evse.car is None:
        return _NO_CABLE
    return _LOCKED if is_locked(evse) else _PLUGGED


def _life_bit(device: Device) -> int:
    silent_s = device.silent_s.get(0)
    return int(silent_s is not None and silent_s < _LIFE_BIT_S)


def _write_session(device: Device, raw: Value) -> Device:
    if raw not in (_START, _CANCEL):
        raise IllegalValueError(raw)
    return on_evse(device, restart if raw == _START else lambda evse: stop(evse, "Remote"))
