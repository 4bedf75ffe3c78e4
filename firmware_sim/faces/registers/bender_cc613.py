"""The Bender CC613's registers, as in a Mennekes 4You: holding only, any unit, one connector.

Asking for the state of charge (730) or the car's identity (740) closes the connection.
Source: register facts 4.7. How the 32-bit error words are put together is not published; here
register 111 and register 112 carry their bits as they are listed, and the words before are 0.
"""

from __future__ import annotations

from dataclasses import replace

from firmware_sim.core.controller import set_limit
from firmware_sim.core.evse import AC_MIN_CURRENT_A, Evse
from firmware_sim.core.pile import PileSpec
from firmware_sim.core.status import ocpp_status
from firmware_sim.faces.registers.map import Device, Field, IllegalValueError, RegisterMap, Watchdog
from firmware_sim.faces.registers.orders import availability, fallback_kw, kw_of, on_evse, setting
from firmware_sim.faces.registers.readings import (
    amps,
    by_phase,
    fixed,
    id_tag,
    in_all_w,
    kept,
    of,
    offered_a,
    session_s,
    text,
    volts,
    watts,
)
from firmware_sim.faces.registers.words import Value

# The model's own numbers for the OCPP words; 1 (Occupied) is of a later protocol.
_STATUS = {
    "Available": 0,
    "Reserved": 2,
    "Unavailable": 3,
    "Faulted": 4,
    "Preparing": 5,
    "Charging": 6,
    "SuspendedEVSE": 7,
    "SuspendedEV": 8,
    "Finishing": 9,
}
_CP_STATE = {"A": 1, "B": 2, "C": 3, "D": 4, "E": 5, "F": 5}
# Fault to (register, bit); what is not listed shows in the status alone.
_BITS = {
    "PowerLoss": (111, 5),
    "GroundFailure": (112, 0),
    "PilotFault": (112, 1),
    "EVSEContactorFault": (112, 6),
    "ConnectorLockFailure": (112, 8),
    "OverCurrentFailure": (112, 15),
}
_RELAY_3P, _RELAY_1P = 1, 5


def bender_cc613(spec: PileSpec) -> RegisterMap:
    """The map of a CC613 with one or three phases."""
    watchdog = Watchdog(
        lambda device: device.comm_timeout_s, fallback_kw("safe_current", AC_MIN_CURRENT_A)
    )
    return RegisterMap(
        "bender-cc613",
        None,
        frozenset({3, 6, 16}),
        [*_state_fields(spec), *_measured(), *_session_fields()],
        watchdog,
        closing=((730, 730), (740, 741)),
    )


def _state_fields(spec: PileSpec) -> list[Field]:
    relay = _RELAY_3P if spec.supply.phases == 3 else _RELAY_1P
    return [
        Field(100, 2, "firmware", text("5.22")),
        Field(104, 1, "ocpp_status", of(lambda e: _STATUS[ocpp_status(e)])),
        *(Field(105 + n, 1, f"error_{105 + n}", fixed(0)) for n in range(6)),
        Field(111, 1, "error_111", of(lambda e: _error_bits(e, 111))),
        Field(112, 1, "error_112", of(lambda e: _error_bits(e, 112))),
        Field(120, 2, "protocol_version", text("0.6")),
        Field(122, 1, "cp_state", of(lambda e: _CP_STATE[e.pilot.letter])),
        Field(124, 1, "availability", of(lambda e: int(e.is_operative)), write=availability()),
        Field(
            131,
            1,
            "safe_current",
            kept("safe_current", AC_MIN_CURRENT_A),
            "A",
            write=setting("safe_current", 0, 80),
        ),
        Field(
            132,
            1,
            "communication_timeout",
            lambda d: d.comm_timeout_s,
            "s",
            write=lambda device, raw: replace(device, comm_timeout_s=int(raw)),
        ),
        Field(134, 1, "operator_limit", of(lambda e: e.spec.rated_current_a), "A"),
        Field(140, 1, "relay", of(lambda e: relay if e.relay_closed else 0)),
        Field(142, 10, "model", text("CC613")),
    ]


def _measured() -> list[Field]:
    return [
        *by_phase(Field(200, 2, "energy", None, "Wh"), 2, _phase_wh),
        *by_phase(Field(206, 2, "power", None, "W"), 2, watts),
        *by_phase(Field(212, 2, "current", None, "A", 0.001), 2, amps, 1000),
        Field(218, 2, "total_energy", of(lambda e: int(e.meter.total_wh)), "Wh"),
        Field(220, 2, "power", of(in_all_w), "W"),
        *by_phase(Field(222, 2, "voltage", None, "V"), 2, volts),
    ]


def _session_fields() -> list[Field]:
    return [
        Field(712, 1, "min_current", fixed(6), "A"),
        Field(715, 1, "max_current", of(lambda e: e.spec.rated_current_a), "A"),
        Field(716, 2, "session_energy", of(lambda e: int(e.session_wh)), "Wh"),
        Field(718, 2, "session_duration", of(session_s), "s"),
        Field(720, 10, "id_tag", of(id_tag)),
        Field(1000, 1, "hems_limit", of(lambda e: int(offered_a(e))), "A", write=_write_limit),
    ]


def _phase_wh(evse: Evse, phase: int) -> float:
    return int(evse.meter.total_wh / evse.spec.supply.phases)


def _error_bits(evse: Evse, register: int) -> int:
    bits = [_BITS.get(fault.kind.name) for fault in evse.faults if fault.kind.stops]
    return sum(1 << bit[1] for bit in bits if bit is not None and bit[0] == register)


def _write_limit(device: Device, raw_a: Value) -> Device:
    if raw_a > device.pile.evses[0].spec.rated_current_a + 0.5:
        raise IllegalValueError(raw_a)
    return on_evse(device, lambda evse: set_limit(evse, kw_of(evse, raw_a)))
