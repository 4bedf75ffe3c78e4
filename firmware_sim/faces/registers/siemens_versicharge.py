"""The Siemens VersiCharge Gen3's registers: holding only, unit 2, powers unsigned.

Source: register facts 4.13; the limit is written in whole amperes, 0 pauses. A phase that is not
wired has no power: 0xFFFF. The error numbers are not published; here that of the MREC code.
"""

from __future__ import annotations

from firmware_sim.core.evse import Evse
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.map import Field, RegisterMap
from firmware_sim.faces.registers.orders import limit_current
from firmware_sim.faces.registers.readings import (
    amps,
    by_phase,
    fixed,
    limit_a,
    of,
    stop_numbers,
    temperature_c,
    text,
    volts,
    watts,
)


def siemens_versicharge(spec: PileSpec) -> RegisterMap:
    """The map of one pile."""
    fields = [
        Field(0, 5, "brand", text("Siemens")),
        Field(5, 2, "production_date", text("2611")),
        Field(7, 5, "serial", lambda d: d.pile.spec.serial[:10].encode()),
        Field(12, 10, "model", text("VersiCharge AC3")),
        Field(30, 1, "meter_type", fixed(1)),
        Field(31, 10, "firmware", text(spec.firmware or "2.135")),
        Field(41, 1, "table_version", fixed(1)),
        Field(1599, 1, "state", of(lambda e: ord(e.pilot.letter))),
        Field(1600, 1, "error", of(_error), form="signed"),
        Field(1602, 1, "temperature", of(temperature_c), "C", form="signed"),
        Field(1633, 1, "current_limit", of(limit_a), "A", write=limit_current(1)),
        *by_phase(Field(1647, 1, "current", None, "A"), 1, amps),
        *by_phase(Field(1651, 1, "voltage", None, "V"), 1, volts),
        *by_phase(Field(1662, 1, "power", None, "W"), 1, _wired_w),
        Field(1692, 2, "total_energy", of(lambda e: int(e.meter.total_wh)), "Wh"),
    ]
    return RegisterMap("siemens-versicharge-gen3", 2, frozenset({3, 6, 16}), fields)


def _wired_w(evse: Evse, phase: int) -> float | None:
    return watts(evse, phase) if phase < evse.spec.supply.phases else None


def _error(evse: Evse) -> int:
    return next(iter(stop_numbers(evse)), 0)
