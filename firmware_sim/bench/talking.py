"""Faults of how a pile talks, as bench requests name them: its wire, its OCPP, its sensors.

Broken parts of the pile itself are the catalogue's, in `core/faults.py`.
"""

from __future__ import annotations

from firmware_sim.bench.catalogue import ocpp_fault_of, sensor_fault_of, wire_fault_of
from firmware_sim.core.pile import clear_ocpp, clear_sensor, inject_ocpp, inject_sensor
from firmware_sim.fleet import Fleet


def inject_talking(
    fleet: Fleet, pile_id: str, name: str, duration_s: float | None, face: str
) -> bool:
    """Breaks how the pile talks; False where the name is that of a part. May raise."""
    wire = wire_fault_of(name, duration_s, face=face)
    ocpp = ocpp_fault_of(name, duration_s, face=face)
    sensor = sensor_fault_of(name, duration_s)
    if wire is not None:
        fleet.set_wire(pile_id, wire)
    elif ocpp is not None:
        fleet.put(inject_ocpp(fleet.pile(pile_id), ocpp))
    elif sensor is not None:
        fleet.put(inject_sensor(fleet.pile(pile_id), sensor))
    return wire is not None or ocpp is not None or sensor is not None


def clear_talking(fleet: Fleet, pile_id: str, name: str, face: str) -> bool:
    """Mends one fault of talking, or all where no name is given; False for that of a part."""
    wire = wire_fault_of(name, None, face=face)
    ocpp = ocpp_fault_of(name, None, face=face)
    sensor = sensor_fault_of(name, None)
    if wire is not None or not name:
        fleet.set_wire(pile_id, None)
    if ocpp is not None or not name:
        fleet.put(clear_ocpp(fleet.pile(pile_id), ocpp))
    if sensor is not None or not name:
        fleet.put(clear_sensor(fleet.pile(pile_id), sensor))
    return wire is not None or ocpp is not None or sensor is not None
