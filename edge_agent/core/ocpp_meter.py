"""OCPP sampled values and timestamps become values and instants of our own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from edge_agent.core.reading import Values

DEFAULT_MEASURAND: Final = "Energy.Active.Import.Register"
# measurand -> (field of Values, how several phases are joined)
MEASURANDS: Final[dict[str, tuple[str, str]]] = {
    "Energy.Active.Import.Register": ("energy_kwh", "sum"),
    "Power.Active.Import": ("power_kw", "sum"),
    "Current.Import": ("current_a", "max"),
    "Voltage": ("voltage_v", "max"),
    "SoC": ("soc_pct", "max"),
    "Temperature": ("temperature_c", "max"),
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
    "current_a": "A",
    "voltage_v": "V",
    "soc_pct": "Percent",
    "temperature_c": "Celsius",
}
# Offline stations deliver old messages, but none from before the product or from the future.
SANE_FROM_MS: Final = 1_735_689_600_000
SANE_AHEAD_MS: Final = 3_600_000


def sampled(values: Iterable[Mapping[str, Any]]) -> Values:
    """The values in one meterValue's sampledValue list (snake case keys); unreadable ones left out.

    A value without phase beats the same measurand given per phase.

    >>> sampled([{"value": "1500", "measurand": "Power.Active.Import", "unit": "W"}]).power_kw
    1.5
    """
    whole: dict[str, float] = {}
    phases: dict[str, list[float]] = {}
    for value in values:
        known = MEASURANDS.get(value.get("measurand") or DEFAULT_MEASURAND)
        number = _number(value)
        if known is None or number is None:
            continue
        name = known[0]
        factor, offset = UNITS.get(value.get("unit") or DEFAULT_UNITS[name], (None, 0.0))
        if factor is None:
            continue
        scaled = number * factor + offset
        if value.get("phase"):
            phases.setdefault(name, []).append(scaled)
        else:
            whole[name] = scaled
    join = dict(MEASURANDS.values())
    for name, numbers in phases.items():
        whole.setdefault(name, sum(numbers) if join[name] == "sum" else max(numbers))
    return Values(**whole)


def instant_ms(text: str | None, now_ms: int) -> tuple[int, bool]:
    """Milliseconds of a station's timestamp, and whether it can be believed.

    A missing, unreadable or absurd one (1970 before the first boot, hours ahead) gives now. A
    stamp without zone is taken as UTC.

    >>> instant_ms("2026-01-01T00:00:00+02", 1_800_000_000_000)
    (1767218400000, True)
    >>> instant_ms("1970-01-01T00:00:05Z", 1_800_000_000_000)
    (1800000000000, False)
    """
    if not text:
        return now_ms, True
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return now_ms, False
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    at_ms = round(moment.timestamp() * 1000.0)
    if not SANE_FROM_MS <= at_ms <= now_ms + SANE_AHEAD_MS:
        return now_ms, False
    return at_ms, True


def _number(value: Mapping[str, Any]) -> float | None:
    if value.get("format") == "SignedData":
        return None
    try:
        return float(value["value"])
    except (KeyError, TypeError, ValueError):
        return None
