"""The Phoenix Contact EV-CC-AC1's registers, a controller on RS-485: unit 1, one connector.

Measured values stand in registers that both read functions show; switches are coils. It has no
meter. Source: register facts 4.9. Error bits are numbered 2 to 16 there; a register has sixteen
bits, so they are taken to be counted from 1.
"""

from __future__ import annotations

from firmware_sim.core.evse import Evse, Pilot
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.map import COIL, HOLDING, INPUT, Field, RegisterMap
from firmware_sim.faces.registers.orders import availability, limit_current, release
from firmware_sim.faces.registers.readings import (
    cable_a,
    duty_pct,
    fixed,
    is_locked,
    of,
    offered_a,
    stops,
    text,
)

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
_LIMIT = limit_current(1, zero_pauses=False, most_a=63)


def phoenix_ev_cc(spec: PileSpec) -> RegisterMap:
    """The map of one controller."""
    in_service = of(lambda e: int(e.is_operative))
    fields = [
        Field(20000, 1, "enable", of(_enabled), write=release(), table=COIL),
        Field(20001, 1, "availability", in_service, write=availability(), table=COIL),
        Field(20002, 1, "lock", of(lambda e: int(is_locked(e))), table=COIL),
        Field(22000, 1, "max_current", of(_offered_a), "A", write=_LIMIT),
    ]
    for table in (HOLDING, INPUT):
        fields += [
            Field(1000, 34, "identity", text("EV-CC-AC1-M3-CBC-SER-HS"), table=table),
            Field(24000, 1, "state", of(_state), table=table),
            Field(24001, 1, "cable_rating", of(cable_a), "A", table=table),
            Field(24002, 1, "duty_cycle", of(duty_pct), "%", table=table),
            Field(24003, 1, "pilot_current", of(_offered_a), "A", table=table),
            Field(24004, 1, "digital_inputs", fixed(0), table=table),
            Field(24005, 1, "digital_outputs", of(lambda e: int(e.relay_closed)), table=table),
            Field(24025, 1, "error_bits", of(_error_bits), table=table),
        ]
    return RegisterMap("phoenix-ev-cc", 1, frozenset({1, 3, 4, 5, 6, 16}), fields)


def _enabled(evse: Evse) -> int:
    return int(evse.car is None or evse.is_running)


def _state(evse: Evse) -> bytes:
    return _LETTERS.get(evse.pilot) or evse.pilot.value.encode()


def _offered_a(evse: Evse) -> int:
    return int(offered_a(evse) + 1e-6)


def _error_bits(evse: Evse) -> int:
    numbers = {_ERROR_BIT.get(name, _UNAVAILABLE_BIT) for name in stops(evse)}
    return sum(1 << (number - 1) for number in numbers)
