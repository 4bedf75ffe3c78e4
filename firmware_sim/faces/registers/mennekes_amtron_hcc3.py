"""The Mennekes AMTRON HCC3's registers: TCP, unit 255, input registers, low word first.

Source: register facts 4.11; bytes of the name and of the serial number: evcc's
charger/mennekes-hcc3.go. Faults have no number of their own: a pile that is broken is in no state
that the facts name, here 0.
"""

from __future__ import annotations

from firmware_sim.core.evse import Pilot
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.map import INPUT, Field, RegisterMap
from firmware_sim.faces.registers.orders import limit_current
from firmware_sim.faces.registers.readings import in_all_w, limit_a, of, text

_STATES = {
    Pilot.A1: 1,
    Pilot.B1: 3,
    Pilot.B2: 4,
    Pilot.C1: 5,
    Pilot.C2: 6,
    Pilot.D1: 7,
    Pilot.D2: 8,
    Pilot.E: 0,
    Pilot.F: 0,
}


def mennekes_amtron_hcc3(spec: PileSpec) -> RegisterMap:
    """The map of one pile."""
    fields = [
        Field(0x0302, 1, "state", of(lambda e: _STATES[e.pilot]), table=INPUT),
        Field(0x0308, 1, "phases", of(lambda e: e.spec.supply.phases), table=INPUT),
        Field(
            0x030B,
            2,
            "serial",
            lambda d: int(d.pile.spec.serial[:7], 16),
            table=INPUT,
            low_word_first=True,
            swapped_bytes=True,
        ),
        Field(
            0x030D,
            2,
            "session_energy",
            of(lambda e: int(e.session_wh)),
            "Wh",
            table=INPUT,
            low_word_first=True,
        ),
        Field(0x030F, 2, "power", of(in_all_w), "W", table=INPUT, low_word_first=True),
        Field(0x0311, 11, "name", text("AMTRON Xtra 22"), table=INPUT, swapped_bytes=True),
        Field(0x0400, 1, "current_limit", of(limit_a), "A", write=limit_current(1, most_a=32)),
    ]
    return RegisterMap("mennekes-amtron-hcc3", 255, frozenset({3, 4, 6, 16}), fields)
