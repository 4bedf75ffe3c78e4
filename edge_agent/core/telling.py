"""A record as one line for people, or as plain fields for programs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from edge_agent.core.reading import BayState, Record

_UNITS: Final = {
    "power_kw": "kW",
    "energy_kwh": "kWh",
    "current_a": "A",
    "voltage_v": "V",
    "soc_pct": "%",
    "temperature_c": "°C",
}


def fields(record: Record) -> dict[str, Any]:
    """What a record says, by name; what it does not say is left out."""
    told: dict[str, Any] = {
        "evse_id": record.evse_id,
        "kind": record.kind.name,
        "observed_at_ms": record.observed_at_ms,
        "status": record.status.name,
        "source": record.source.name,
    }
    for name in ("iec", "ocpp", "bay"):
        word = getattr(record, name)
        if word:
            told[name] = word.name
    if record.queue_length is not None:
        told["queue_length"] = record.queue_length
    for part in (record.values, record.detail, record.surroundings):
        if part is not None:
            told |= {name: value for name, value in asdict(part).items() if value not in (None, "")}
    if record.flags:
        told["flags"] = str(record.flags.name).split("|")
    return told


def line(told: dict[str, Any]) -> str:
    """One line of what `fields` gave.

    >>> line({"evse_id": "A*1", "kind": "STATUS", "observed_at_ms": 1767225600000,
    ...       "status": "CHARGING", "source": "OCPP", "power_kw": 7.25})
    '2026-01-01 00:00:00.000  A*1           STATUS         CHARGING     OCPP    7.25 kW'
    """
    at = datetime.fromtimestamp(told["observed_at_ms"] / 1000, UTC)
    stamp = at.strftime("%Y-%m-%d %H:%M:%S.") + f"{told['observed_at_ms'] % 1000:03d}"
    head = f"{stamp}  {told['evse_id']:<12}  {told['kind']:<13}  {told['status']:<11}  "
    rest = [f"{told[name]:g} {unit}" for name, unit in _UNITS.items() if name in told]
    if told.get("bay") in (BayState.OCCUPIED.name, BayState.STALE.name):
        rest.append(f"bay {told['bay'].lower()}")
    if "queue_length" in told:
        rest.append(f"queue {told['queue_length']}")
    if "ambient_temperature_c" in told:
        rest.append(f"air {told['ambient_temperature_c']:g} °C")
    for name, word in (("people_count", "people"), ("vehicle_count", "vehicles")):
        if name in told:
            rest.append(f"{told[name]} {word}")
    rest += [told[name] for name in ("fault_code", "vendor_code", "reason", "text") if name in told]
    if "session_id" in told:
        rest.append(f"session {told['session_id']}")
    rest += [flag.lower() for flag in told.get("flags", [])]
    return f"{head}{told['source']:<7} {', '.join(rest)}".rstrip()
