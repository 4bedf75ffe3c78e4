"""The Weidmueller AC Smart's registers: holding, unit 255, low word first, in thousandths.

Source: register facts 4.16; the limit is 702, in whole amperes, 0 switches off. The failsafe
time-out is high word first, unlike the rest. It knows letters A, B and C only: broken or out of
service it shows none, here "F".
"""

from __future__ import annotations

from dataclasses import replace

from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.map import Field, RegisterMap, Watchdog
from firmware_sim.faces.registers.orders import fallback_kw, limit_current, setting
from firmware_sim.faces.registers.readings import (
    amps,
    by_phase,
    id_tag,
    in_all_w,
    kept,
    limit_a,
    of,
    volts,
)

_SAFE_A = 6.0
_LETTERS = {"A": "A", "B": "B", "C": "C", "D": "C", "E": "F", "F": "F"}


def weidmueller_ac_smart(spec: PileSpec) -> RegisterMap:
    """The map of one pile."""
    milli = Field(0, 2, "", None, "", 0.001, low_word_first=True)
    fields = [
        Field(301, 1, "car_state", of(lambda e: ord(_LETTERS[e.pilot.letter]))),
        Field(302, 1, "evse_state", of(lambda e: int(e.relay_closed))),
        Field(318, 1, "phases", of(lambda e: int(e.spec.supply.phases == 3))),
        *by_phase(replace(milli, address=400, name="voltage", unit="V"), 2, volts, 1000),
        *by_phase(replace(milli, address=406, name="current", unit="A"), 2, amps, 1000),
        replace(milli, address=418, name="power", unit="W", read=of(lambda e: in_all_w(e) * 1000)),
        Field(
            457,
            4,
            "total_energy",
            of(lambda e: int(e.meter.total_wh)),
            "Wh",
            low_word_first=True,
        ),
        Field(702, 1, "current_limit", of(limit_a), "A", write=limit_current(1, most_a=32)),
        Field(1000, 11, "card_id", of(id_tag)),
        Field(
            11050,
            2,
            "failsafe_timeout",
            kept("timeout_ms", 0),
            "s",
            0.001,
            setting("timeout_ms", 0, 3_600_000),
        ),
        Field(11052, 1, "failsafe_current", kept("safe", _SAFE_A), "A", 1, setting("safe", 0, 32)),
    ]
    watchdog = Watchdog(
        lambda device: device.kept.get("timeout_ms", 0) / 1000, fallback_kw("safe", _SAFE_A)
    )
    return RegisterMap("weidmueller-ac-smart", 255, frozenset({3, 6, 16}), fields, watchdog)
