"""The Bender CC613's registers, as in a Mennekes 4You: holding only, any unit, one connector.

Asking for the state of charge (730) or the car's identity (740) closes the connection.
Source: register facts 4.7. How the 32-bit error words are put together is not published; here
register 111 and register 112 carry their bits as they are listed, and the words before are 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from firmware_sim.core.controller import set_limit, set_operative
from firmware_sim.core.evse import AC_VOLTAGE_V, Evse
from firmware_sim.core.pile import PileSpec
from firmware_sim.core.status import ocpp_status
from firmware_sim.faces.registers.map import Device, Field, IllegalValueError, Reader, RegisterMap
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
    phases = spec.supply.phases
    amps: list[Reader] = [_of(_milliamps) if n < phases else _fixed(0) for n in range(3)]
    watts: list[Reader] = [_of(_phase_w) if n < phases else _fixed(0) for n in range(3)]
    volts = [_fixed(round(AC_VOLTAGE_V) if n < phases else 0) for n in range(3)]
    relay = _RELAY_3P if phases == 3 else _RELAY_1P
    fields = [
        Field(100, 2, "firmware", lambda d: b"5.22"),
        Field(104, 1, "ocpp_status", _of(lambda e: _STATUS[ocpp_status(e)])),
        *(Field(105 + n, 1, f"error_{105 + n}", _fixed(0)) for n in range(6)),
        Field(111, 1, "error_111", _of(lambda e: _error_bits(e, 111))),
        Field(112, 1, "error_112", _of(lambda e: _error_bits(e, 112))),
        Field(120, 2, "protocol_version", lambda d: b"0.6"),
        Field(122, 1, "cp_state", _of(lambda e: _CP_STATE[e.pilot.letter])),
        Field(124, 1, "availability", _of(lambda e: int(e.is_operative)), write=_write_available),
        Field(131, 1, "safe_current", _fixed(6), "A"),
        Field(132, 1, "communication_timeout", lambda d: d.comm_timeout_s, "s"),
        Field(134, 1, "operator_limit", _of(lambda e: round(e.spec.rated_current_a)), "A"),
        Field(140, 1, "relay", _of(lambda e: relay if e.relay_closed else 0)),
        Field(142, 10, "model", lambda d: b"CC613"),
        *(Field(200 + 2 * n, 2, f"energy_l{n + 1}", _of(_phase_wh), "Wh") for n in range(3)),
        *(Field(206 + 2 * n, 2, f"power_l{n + 1}", watts[n], "W") for n in range(3)),
        *(Field(212 + 2 * n, 2, f"current_l{n + 1}", amps[n], "A", 0.001) for n in range(3)),
        Field(218, 2, "total_energy", _of(lambda e: int(e.meter.total_wh)), "Wh"),
        Field(220, 2, "power", _of(lambda e: round(e.power_kw * 1000)), "W"),
        *(Field(222 + 2 * n, 2, f"voltage_l{n + 1}", volts[n], "V") for n in range(3)),
        Field(712, 1, "min_current", _fixed(6), "A"),
        Field(715, 1, "max_current", _of(lambda e: round(e.spec.rated_current_a)), "A"),
        Field(716, 2, "session_energy", _of(lambda e: int(e.session_wh)), "Wh"),
        Field(718, 2, "session_duration", _of(_session_s), "s"),
        Field(720, 10, "id_tag", lambda d: _id_tag(d.pile.evses[0])),
        Field(1000, 1, "hems_limit", _of(_limit_a), "A", write=_write_limit),
    ]
    closing = ((730, 730), (740, 741))
    return RegisterMap("bender-cc613", None, frozenset({3, 6, 16}), fields, closing=closing)


def _of(value: Callable[[Evse], int]) -> Reader:
    return lambda device: value(device.pile.evses[0])


def _fixed(value: int) -> Reader:
    return lambda device: value


def _milliamps(evse: Evse) -> int:
    return round(evse.current_a * 1000)


def _phase_w(evse: Evse) -> int:
    return round(evse.power_kw * 1000 / evse.spec.supply.phases)


def _phase_wh(evse: Evse) -> int:
    return int(evse.meter.total_wh / evse.spec.supply.phases)


def _session_s(evse: Evse) -> int:
    return int(evse.session.charging_s) if evse.session else 0


def _id_tag(evse: Evse) -> bytes:
    return (evse.session.granted_token or "").encode() if evse.session else b""


def _error_bits(evse: Evse, register: int) -> int:
    bits = [_BITS.get(fault.kind.name) for fault in evse.faults if fault.kind.stops]
    return sum(1 << bit[1] for bit in bits if bit is not None and bit[0] == register)


def _limit_a(evse: Evse) -> int:
    return int(evse.offered_kw * 1000 / (AC_VOLTAGE_V * evse.spec.supply.phases))


def _on_evse(change: Callable[[Evse], Evse], device: Device) -> Device:
    evse_id = device.pile.evses[0].spec.evse_id
    return replace(device, pile=device.pile.with_evse(evse_id, change))


def _write_available(device: Device, raw: Value) -> Device:
    if raw not in (0, 1):
        raise IllegalValueError(raw)
    return _on_evse(lambda now: set_operative(now, bool(raw)), device)


def _write_limit(device: Device, raw_a: Value) -> Device:
    evse = device.pile.evses[0]
    if raw_a > evse.spec.rated_current_a + 0.5:
        raise IllegalValueError(raw_a)
    limit_kw = raw_a * AC_VOLTAGE_V * evse.spec.supply.phases / 1000
    return _on_evse(lambda now: set_limit(now, limit_kw), device)
