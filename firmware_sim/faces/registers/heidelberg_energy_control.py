"""The Heidelberg Energy Control's registers: RTU, unit 1, measured values as input registers.

Source: register facts 4.12; state F after the remote lock: evcc's charger/heidelberg-ec.go.
It wants 100 ms between two requests; sooner ones stay unanswered. Power and energy are apparent;
the simulated car has a power factor of 1. Layout version, watchdog and failsafe current as it
comes from the works are not in the facts: here 1.0.8, 15 s and 0 A.
"""

from __future__ import annotations

from firmware_sim.core.controller import set_limit, set_operative
from firmware_sim.core.evse import Evse, Pilot
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.map import (
    HOLDING,
    INPUT,
    Device,
    Field,
    IllegalValueError,
    RegisterMap,
    Watchdog,
)
from firmware_sim.faces.registers.orders import fallback_kw, kw_of, limit_current, on_evse, setting
from firmware_sim.faces.registers.readings import (
    amps,
    by_phase,
    fixed,
    in_all_w,
    kept,
    limit_a,
    of,
    temperature_c,
    volts,
)
from firmware_sim.faces.registers.words import Value

_LAYOUT = 0x0108
_STATES = {
    Pilot.A1: 3,
    Pilot.B1: 4,
    Pilot.B2: 5,
    Pilot.C1: 6,
    Pilot.C2: 7,
    Pilot.D1: 6,
    Pilot.D2: 7,
    Pilot.E: 9,
    Pilot.F: 10,
}
_LOCKED_A, _DERATED, _ERROR = 2, 8, 11
_WATCHDOG_MS, _FAILSAFE, _LIMIT, _LOCK = "watchdog_ms", "failsafe", "limit", "remote_lock"
_STANDBY_OFF = 4


def heidelberg_energy_control(spec: PileSpec) -> RegisterMap:
    """The map of one wallbox; `spec` decides nothing but its phases and rating."""
    return RegisterMap(
        "heidelberg-energy-control",
        1,
        frozenset({3, 4, 6, 16}),
        [*_inputs(), *_holdings()],
        Watchdog(
            lambda device: device.kept.get(_WATCHDOG_MS, 15_000) / 1000,
            fallback_kw(_FAILSAFE, 0.0, 10),
        ),
        request_gap_s=0.1,
    )


def _inputs() -> list[Field]:
    return [
        Field(4, 1, "layout_version", fixed(_LAYOUT), table=INPUT),
        Field(5, 1, "state", of(_state), table=INPUT),
        *by_phase(Field(6, 1, "current", None, "A", 0.1, table=INPUT), 1, amps, 10),
        Field(
            9,
            1,
            "temperature",
            of(lambda e: temperature_c(e) * 10),
            "C",
            0.1,
            table=INPUT,
            form="signed",
        ),
        *by_phase(Field(10, 1, "voltage", None, "V", table=INPUT), 1, volts),
        Field(13, 1, "external_lock", fixed(1), table=INPUT),
        Field(14, 1, "power", of(in_all_w), "VA", table=INPUT),
        Field(15, 2, "energy_since_on", of(lambda e: int(e.meter.total_wh)), "VAh", table=INPUT),
        Field(17, 2, "total_energy", of(lambda e: int(e.meter.total_wh)), "VAh", table=INPUT),
        Field(
            100,
            1,
            "hardware_max_current",
            of(lambda e: e.spec.rated_current_a),
            "A",
            table=INPUT,
        ),
        Field(101, 1, "hardware_min_current", fixed(6), "A", table=INPUT),
    ]


def _holdings() -> list[Field]:
    return [
        Field(
            257,
            1,
            "watchdog",
            kept(_WATCHDOG_MS, 15_000),
            "s",
            0.001,
            setting(_WATCHDOG_MS),
            HOLDING,
        ),
        Field(258, 1, "standby", kept("standby", 0), "", 1, setting("standby", 0, _STANDBY_OFF)),
        Field(259, 1, "remote_lock", kept(_LOCK, 1), "", 1, _write_lock),
        Field(261, 1, "current_limit", of(lambda e: limit_a(e) * 10), "A", 0.1, _write_limit),
        Field(262, 1, "failsafe_current", kept(_FAILSAFE, 0), "A", 0.1, setting(_FAILSAFE, 0, 160)),
    ]


def _state(evse: Evse) -> int:
    if evse.pilot is Pilot.E:
        return _STATES[Pilot.E]
    if evse.is_broken:
        return _ERROR
    if evse.pilot is Pilot.A1 and limit_a(evse) == 0:
        return _LOCKED_A
    if evse.relay_closed and any(fault.kind.power_factor < 1 for fault in evse.faults):
        return _DERATED
    return _STATES[evse.pilot]


def _write_lock(device: Device, raw: Value) -> Device:
    """Locked (0) it shows state F."""
    if raw not in (0, 1):
        raise IllegalValueError(raw)
    device = on_evse(device, lambda evse: set_operative(evse, bool(raw)))
    return device.keep(_LOCK, raw)


def _write_limit(device: Device, raw: Value) -> Device:
    """More than the rating is taken and means the rating."""
    device = limit_current(10)(device, raw)
    return on_evse(
        device,
        lambda evse: set_limit(
            evse, min(evse.limit_kw or 0.0, kw_of(evse, evse.spec.rated_current_a))
        ),
    )
