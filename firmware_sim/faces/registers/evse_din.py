"""The EVSE DIN controller's registers: RTU, unit 1, holding only, no meter.

Source: register facts 4.16. Its operator's own settings count, so nothing of this is certain.
"""

from __future__ import annotations

from firmware_sim.core.controller import set_limit
from firmware_sim.core.evse import Evse
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.map import Device, Field, IllegalValueError, RegisterMap
from firmware_sim.faces.registers.orders import limit_current, on_evse
from firmware_sim.faces.registers.readings import cable_a, fixed, limit_a, of, offered_a
from firmware_sim.faces.registers.words import Value

_VEHICLE = {"A": 1, "B": 2, "C": 3, "D": 4, "E": 5, "F": 5}
_FIRMWARE = 18


def evse_din(spec: PileSpec) -> RegisterMap:
    """The map of one controller."""
    fields = [
        Field(1000, 1, "set_current", of(limit_a), "A", write=limit_current(1)),
        Field(1001, 1, "actual_current", of(offered_a), "A"),
        Field(1002, 1, "vehicle_state", of(_vehicle)),
        Field(1003, 1, "cable_rating", of(cable_a), "A"),
        Field(1004, 1, "off", of(lambda e: int(e.limit_kw == 0)), write=_write_off),
        Field(1005, 1, "firmware", fixed(_FIRMWARE)),
        Field(1006, 1, "evse_state", of(_state)),
    ]
    return RegisterMap("evse-din", 1, frozenset({3, 6, 16}), fields)


def _vehicle(evse: Evse) -> int:
    return _VEHICLE["E" if evse.is_broken else evse.pilot.letter]


def _state(evse: Evse) -> int:
    """1 is steady +12 V, 2 is modulated, 3 is off."""
    if evse.is_broken or not evse.is_operative:
        return 3
    return 2 if evse.pilot.value.endswith("2") else 1


def _write_off(device: Device, raw: Value) -> Device:
    if raw not in (0, 1):
        raise IllegalValueError(raw)
    limit_kw = 0.0 if raw else None
    return on_evse(device, lambda evse: set_limit(evse, limit_kw))
