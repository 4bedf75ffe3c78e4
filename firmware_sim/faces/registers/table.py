"""The table of simulated models that `docs/registers.md` shows; run this file as a module.

Everything in it is taken from the register maps; what they assume, the page says by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from firmware_sim.core.evse import AC_VOLTAGE_V, Supply
from firmware_sim.core.pile import PileSpec, build_pile
from firmware_sim.faces.registers.map import Device, RegisterMap
from firmware_sim.faces.registers.models import REGISTER_MAPS
from firmware_sim.faces.registers.ranges import Range

_DC_MODELS = ("alpitronic-hypercharger",)
_MOST_IN_ONE_READ = 125
_STAYS = {"newest": "newer", "oldest": "older"}


def models_table() -> str:
    """One row for each model: its unit, the functions it knows, what it does in its own way."""
    rows = [
        "| `model` | Unit | Functions | Its own ways |",
        "| --- | --- | --- | --- |",
    ]
    for name in REGISTER_MAPS:
        spec = spec_of(name)
        shown = REGISTER_MAPS[name](spec)
        functions = ", ".join(str(code) for code in sorted(shown.functions))
        ways = "; ".join(_ways(shown, Device(build_pile(spec)))) or "none"
        rows.append(f"| `{name}` | {_units(shown)} | {functions} | {ways} |")
    return "\n".join(rows)


def spec_of(model: str) -> PileSpec:
    """A pile of that model, 22 kW or 150 kW."""
    if model in _DC_MODELS:
        return PileSpec("A-01", model, 150.0, Supply.DC)
    return PileSpec("A-01", model, 22.08, Supply.AC_3)


def _units(shown: RegisterMap) -> str:
    if shown.unit_id is None:
        return "any"
    station = "" if shown.station_unit is None else f", station {shown.station_unit}"
    return f"{shown.unit_id}{station}"


def _ways(shown: RegisterMap, device: Device) -> Iterator[str]:
    if shown.most_read < _MOST_IN_ONE_READ:
        yield f"{shown.most_read} registers in one read"
    if shown.whole_reads:
        yield "whole values only"
    if shown.closing:
        yield f"hangs up on {_ranges(shown.closing)}"
    if shown.fill is not None:
        yield f"holes in {_ranges(shown.filled)} read 0x{shown.fill:04X}"
    if shown.request_gap_s:
        yield f"{shown.request_gap_s * 1000:g} ms between requests"
    if shown.clients != "many":
        yield f"one client, the {_STAYS[shown.clients]}"
    if any(field.low_word_first for field in shown.fields):
        yield "low word first"
    if any(field.swapped_bytes for field in shown.fields):
        yield "bytes turned"
    if any(field.form == "float" for field in shown.fields):
        yield "floats"
    absent = sum(field.read is not None and field.read(device) is None for field in shown.fields)
    if absent:
        yield f"{absent} values not available"
    unreadable = sum(1 for field in shown.fields if field.read is None)
    if unreadable:
        yield f"{unreadable} orders that cannot be read back"
    yield from _watchdog(shown, device)


def _watchdog(shown: RegisterMap, device: Device) -> Iterator[str]:
    if shown.watchdog is None:
        return
    timeout_s = shown.watchdog.timeout_s(device)
    fed = sorted(shown.watchdog.fed_by)
    without = f"register {fed[0]}" if fed else "any request"
    if timeout_s == 0:
        yield f"falls back without {without}, off as it comes"
        return
    phases = max(device.pile.spec.supply.phases, 1)
    amps = shown.watchdog.fallback_kw(device) * 1000 / (AC_VOLTAGE_V * phases)
    yield f"falls back to {amps:.3g} A after {timeout_s:g} s without {without}"


def _ranges(ranges: Sequence[Range]) -> str:
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


if __name__ == "__main__":
    sys.stdout.write(models_table() + "\n")
