"""What a bench can set and ramp at an EVSE: mains, ambient, pilot, leakage, broken parts.

What follows from an input is in `settling.py` and `causes.py`; each is listed in `docs/sim.md`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from firmware_sim.errors import BadArgumentError


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that acts on an EVSE from outside; None is what the car or cable gives itself.

    Switches are 0 or 1.
    """

    mains_l1_v: float = 230.0
    mains_l2_v: float = 230.0
    mains_l3_v: float = 230.0
    ambient_c: float = 25.0
    pilot_ohm: float | None = None
    pilot_diode: float = 1.0
    proximity_ohm: float | None = None
    residual_ac_ma: float = 0.0
    residual_dc_ma: float = 0.0
    rcd_test_passes: float = 1.0
    earth_ohm: float = 0.5
    isolation_kohm: float = 10_000.0
    precharge_reach_pct: float = 100.0
    load_offset_a: float = 0.0
    meter_drift_pct: float = 0.0
    contactor_welded: float = 0.0
    contactor_dead: float = 0.0
    lock_stuck_open: float = 0.0
    lock_stuck_shut: float = 0.0
    latch_closes: float = 1.0
    plug_inserted_pct: float = 100.0
    cable_whole: float = 1.0
    cable_cooled: float = 1.0
    connector_v: float = 0.0


NOMINAL: Final = Inputs()


@dataclass(frozen=True, slots=True)
class InputKind:
    """One input: its name, unit, range, and what it is in a few words."""

    name: str
    unit: str
    low: float
    high: float
    meaning: str

    @property
    def nominal(self) -> float | None:
        """The value that it has when nobody sets it; None: as the car or cable gives it."""
        value: float | None = getattr(NOMINAL, self.name)
        return value


_KINDS: Final = (
    InputKind("mains_l1_v", "V", 0, 500, "phase voltage; below 85 V the controller goes dark"),
    InputKind("mains_l2_v", "V", 0, 500, "phase voltage"),
    InputKind("mains_l3_v", "V", 0, 500, "phase voltage"),
    InputKind("ambient_c", "C", -40, 120, "air around the pile"),
    InputKind("pilot_ohm", "Ohm", 0, 1e9, "resistance from pilot to earth instead of the car's"),
    InputKind("pilot_diode", "0/1", 0, 1, "the car's diode is there"),
    InputKind("proximity_ohm", "Ohm", 0, 1e9, "coding resistor of the cable in the socket"),
    InputKind("residual_ac_ma", "mA", 0, 10_000, "residual current while energised, AC part"),
    InputKind("residual_dc_ma", "mA", 0, 10_000, "residual current while energised, DC part"),
    InputKind("rcd_test_passes", "0/1", 0, 1, "the RCD's self-test before closing succeeds"),
    InputKind("earth_ohm", "Ohm", 0, 1e6, "protective conductor to earth"),
    InputKind("isolation_kohm", "kOhm", 0, 1e6, "DC output to earth"),
    InputKind("precharge_reach_pct", "%", 0, 110, "of the pack's voltage that pre-charge reaches"),
    InputKind("load_offset_a", "A", -1000, 1000, "current beside what the car draws, per phase"),
    InputKind("meter_drift_pct", "%", -50, 50, "what the meter counts too much"),
    InputKind("contactor_welded", "0/1", 0, 1, "the contactor does not open"),
    InputKind("contactor_dead", "0/1", 0, 1, "the contactor does not close"),
    InputKind("lock_stuck_open", "0/1", 0, 1, "the lock does not lock"),
    InputKind("lock_stuck_shut", "0/1", 0, 1, "the lock, once locked, does not open"),
    InputKind("latch_closes", "0/1", 0, 1, "the plug's own latch snaps in"),
    InputKind("plug_inserted_pct", "%", 0, 100, "how far the plug is in"),
    InputKind("cable_whole", "0/1", 0, 1, "the cable is not cut"),
    InputKind("cable_cooled", "0/1", 0, 1, "the DC cable's coolant flows"),
    InputKind("connector_v", "V", 0, 1500, "voltage at the connector while the contactor is open"),
)

INPUTS: Final = {kind.name: kind for kind in _KINDS}


def with_input(inputs: Inputs, name: str, value: float | None) -> Inputs:
    """The inputs with one set; None sets it back. Raises BadArgumentError.

    Nominal inputs are always the one object NOMINAL, which is cheap to ask for.
    """
    kind = INPUTS.get(name)
    if kind is None:
        raise BadArgumentError("input", f"unknown {name!r}; known are {', '.join(INPUTS)}")
    if value is None:
        value = kind.nominal
    elif not (math.isfinite(value) and kind.low <= value <= kind.high):
        raise BadArgumentError(name, f"must be {kind.low:g} to {kind.high:g} {kind.unit}")
    elif kind.unit == "0/1" and value not in (0, 1):
        raise BadArgumentError(name, f"is a switch: 0 or 1, not {value:g}")
    if getattr(inputs, name) == value:
        return inputs
    change: dict[str, Any] = {name: value}
    changed = replace(inputs, **change)
    return NOMINAL if changed == NOMINAL else changed


def input_value(inputs: Inputs, name: str) -> float | None:
    """The value of one input; raises BadArgumentError."""
    if name not in INPUTS:
        raise BadArgumentError("input", f"unknown {name!r}; known are {', '.join(INPUTS)}")
    value: float | None = getattr(inputs, name)
    return value


assert {field.name for field in fields(Inputs)} == set(INPUTS)
