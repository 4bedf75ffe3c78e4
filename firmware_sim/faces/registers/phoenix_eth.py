"""Two Phoenix Contact controllers on the network: EV-CC-ETH and EM-CP-PP-ETH, low word first.

Source: register facts 4.10. They share the numbers; units, the limit's register and the unit id
differ. The EV-CC-ETH counts volts, amperes and watts whole, the other hundredths and kilowatts.
The energy of the session has no known unit in the facts; here it is that of the total.
"""

from __future__ import annotations

from dataclasses import replace

from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.registers.map import COIL, INPUT, Field, RegisterMap
from firmware_sim.faces.registers.orders import limit_current, release
from firmware_sim.faces.registers.readings import (
    amps,
    by_phase,
    id_tag,
    in_all_w,
    limit_a,
    of,
    session_s,
    text,
    volts,
)

_FUNCTIONS = frozenset({1, 3, 4, 5, 6, 16})


def phoenix_ev_cc_eth(spec: PileSpec) -> RegisterMap:
    """The map of an EV-CC-AC1-M3-CBC-RCM-ETH."""
    fields = [
        *_measured(spec, 1.0),
        _low(Field(120, 2, "power", of(in_all_w), "W", table=INPUT)),
        _low(Field(132, 2, "session_energy", of(lambda e: e.session_wh), "Wh", table=INPUT)),
        Field(528, 1, "max_current", of(limit_a), "A", write=limit_current(1, zero_pauses=False)),
        Field(606, 16, "card_uid", of(id_tag)),
        _low(Field(904, 2, "total_energy", of(lambda e: int(e.meter.total_wh)), "Wh")),
    ]
    return RegisterMap("phoenix-ev-cc-eth", 255, _FUNCTIONS, fields)


def phoenix_em_cp_pp_eth(spec: PileSpec) -> RegisterMap:
    """The map of an EM-CP-PP-ETH."""
    kilowatt = Field(120, 2, "power", of(lambda e: e.power_kw * 100), "kW", 0.01, table=INPUT)
    energy = Field(128, 2, "total_energy", None, "kWh", 0.01, table=INPUT)
    fields = [
        *_measured(spec, 100.0),
        _low(kilowatt),
        _low(replace(energy, read=of(lambda e: int(e.meter.total_wh / 10)))),
        Field(300, 1, "max_current", of(limit_a), "A", write=limit_current(1, zero_pauses=False)),
    ]
    return RegisterMap("phoenix-em-cp-pp-eth", 180, _FUNCTIONS, fields)


def _low(field: Field) -> Field:
    return replace(field, low_word_first=True, form="signed")


def _measured(spec: PileSpec, per_unit: float) -> list[Field]:
    voltage = _low(Field(108, 2, "voltage", None, "V", 1 / per_unit, table=INPUT))
    current = _low(Field(114, 2, "current", None, "A", 1 / per_unit, table=INPUT))
    return [
        Field(100, 1, "state", of(lambda e: ord(e.pilot.letter)), table=INPUT),
        _low(Field(102, 2, "charging_time", of(session_s), "s", table=INPUT)),
        Field(105, 2, "firmware", text((spec.firmware or "1.3.0")[:4]), table=INPUT),
        *by_phase(voltage, 2, volts, per_unit),
        *by_phase(current, 2, amps, per_unit),
        Field(
            400,
            1,
            "enable",
            of(lambda e: int(e.car is None or e.is_running)),
            write=release(),
            table=COIL,
        ),
    ]
