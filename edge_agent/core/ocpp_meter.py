"""OCPP sampled values become values of our own: measurands, units, phases and places.

Both versions: 1.6 gives texts with a `unit`, 2.0.1 numbers with a `unit_of_measure`. Timestamps
belong to `ocpp_clock.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from edge_agent.core.reading import Values

DEFAULT_MEASURAND: Final = "Energy.Active.Import.Register"
# measurand -> (quantity, how several phases are joined); quantities that are no field of `Values`
# are understood and not kept.
MEASURANDS: Final[dict[str, tuple[str, str]]] = {
    "Current.Export": ("current_out_a", "max"),
    "Current.Import": ("current_a", "max"),
    "Current.Offered": ("current_offered_a", "max"),
    "Energy.Active.Export.Interval": ("energy_out_interval_kwh", "sum"),
    "Energy.Active.Export.Register": ("energy_out_kwh", "sum"),
    "Energy.Active.Import.Interval": ("energy_interval_kwh", "sum"),
    "Energy.Active.Import.Register": ("energy_kwh", "sum"),
    "Energy.Reactive.Export.Interval": ("reactive_out_interval_kvarh", "sum"),
    "Energy.Reactive.Export.Register": ("reactive_out_kvarh", "sum"),
    "Energy.Reactive.Import.Interval": ("reactive_interval_kvarh", "sum"),
    "Energy.Reactive.Import.Register": ("reactive_kvarh", "sum"),
    "Frequency": ("frequency_hz", "max"),
    "Power.Active.Export": ("power_out_kw", "sum"),
    "Power.Active.Import": ("power_kw", "sum"),
    "Power.Factor": ("power_factor", "max"),
    "Power.Offered": ("power_offered_kw", "sum"),
    "Power.Reactive.Export": ("reactive_out_kvar", "sum"),
    "Power.Reactive.Import": ("reactive_power_kvar", "sum"),
    "RPM": ("fan_rpm", "max"),
    "SoC": ("soc_pct", "max"),
    "Temperature": ("temperature_c", "max"),
    "Voltage": ("voltage_v", "max"),
}
# unit -> (factor, offset) to kWh, kW, A, V, percent, degrees Celsius
UNITS: Final[dict[str, tuple[float, float]]] = {
    "Wh": (0.001, 0.0),
    "kWh": (1.0, 0.0),
    "W": (0.001, 0.0),
    "kW": (1.0, 0.0),
    "A": (1.0, 0.0),
    "V": (1.0, 0.0),
    "Percent": (1.0, 0.0),
    "Celsius": (1.0, 0.0),
    "Celcius": (1.0, 0.0),  # the misspelling is part of OCPP 1.6
    "Fahrenheit": (5.0 / 9.0, -160.0 / 9.0),
    "K": (1.0, -273.15),
}
DEFAULT_UNITS: Final[dict[str, str]] = {
    "energy_kwh": "Wh",
    "power_kw": "W",
    "power_out_kw": "W",
    "current_a": "A",
    "voltage_v": "V",
    "soc_pct": "Percent",
    "temperature_c": "Celsius",
}
# Units that fit a quantity at all: volts are no watts, whatever a station writes.
FITTING: Final[dict[str, frozenset[str]]] = {
    "energy_kwh": frozenset({"Wh", "kWh"}),
    "power_kw": frozenset({"W", "kW"}),
    "power_out_kw": frozenset({"W", "kW"}),
    "current_a": frozenset({"A"}),
    "voltage_v": frozenset({"V"}),
    "soc_pct": frozenset({"Percent"}),
    "temperature_c": frozenset({"Celsius", "Celcius", "Fahrenheit", "K"}),
}
# Where several places are measured, the nearest to the car's cable counts.
PLACES: Final = ("Outlet", "Cable", "Body", "EV", "Inlet")
_LINE_TO_LINE: Final = frozenset({"L1-L2", "L2-L3", "L3-L1"})


def sampled(values: Iterable[Mapping[str, Any]]) -> Values:
    """The values in one meterValue's sampledValue list (snake case keys); unreadable ones left out.

    A value without phase beats the same measurand given per phase; the neutral is no phase; a
    voltage between two phases counts only where none to neutral is given. Power that flows out
    (`Power.Active.Export`) is negative power.

    >>> sampled([{"value": "1500", "measurand": "Power.Active.Import", "unit": "W"}]).power_kw
    1.5
    >>> sampled([{"value": 2, "unit_of_measure": {"unit": "Wh", "multiplier": 3}}]).energy_kwh
    2.0
    """
    whole: dict[str, tuple[int, float]] = {}
    phases: dict[str, dict[str, tuple[int, float]]] = {}
    for value in values:
        quantity, _ = MEASURANDS.get(value.get("measurand") or DEFAULT_MEASURAND, ("", ""))
        number = _scaled(value, quantity)
        phase = value.get("phase") or ""
        if number is None or phase == "N":
            continue
        found = (_place(value), number)
        if not phase:
            whole[quantity] = _nearer(whole.get(quantity), found)
            continue
        line = phase if phase in _LINE_TO_LINE else phase[:2]
        slots = phases.setdefault(quantity, {})
        slots[line] = _nearer(slots.get(line), found)
    for quantity, slots in phases.items():
        whole.setdefault(quantity, (0, _joined(quantity, slots)))
    power_out = whole.pop("power_out_kw", None)
    if power_out is not None and power_out[1] > 0.0:
        imported = whole.get("power_kw", (0, 0.0))[1]
        whole["power_kw"] = (0, imported - power_out[1])
    return Values(**{quantity: number for quantity, (_, number) in whole.items()})


def _joined(quantity: str, slots: Mapping[str, tuple[int, float]]) -> float:
    how = next(join for name, join in MEASURANDS.values() if name == quantity)
    single = [number for line, (_, number) in slots.items() if line not in _LINE_TO_LINE]
    numbers = single or [number for _, number in slots.values()]
    return sum(numbers) if how == "sum" else max(numbers)


def _place(value: Mapping[str, Any]) -> int:
    place = value.get("location") or "Outlet"
    return PLACES.index(place) if place in PLACES else len(PLACES)


def _nearer(before: tuple[int, float] | None, fresh: tuple[int, float]) -> tuple[int, float]:
    return fresh if before is None or fresh[0] <= before[0] else before


def _scaled(value: Mapping[str, Any], quantity: str) -> float | None:
    """The number in our unit; None where it is not kept, not readable, or in a foreign unit.

    NaN passes: that a meter measures nonsense is for `plausibility.py` to say.
    """
    if quantity not in DEFAULT_UNITS or value.get("format") == "SignedData":
        return None
    measure = value.get("unit_of_measure") or {}
    unit = value.get("unit") or measure.get("unit") or DEFAULT_UNITS[quantity]
    if unit not in FITTING[quantity]:
        return None
    try:
        number = float(value["value"]) * 10.0 ** int(measure.get("multiplier") or 0)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    factor, offset = UNITS[unit]
    return number * factor + offset
