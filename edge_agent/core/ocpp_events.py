"""OCPP 2.0.1 NotifyEvent becomes faults: component and variable name what is wrong.

Component and variable names are those of the specification's appendix (part 2, "Standardized
Components"); which MREC code each comes nearest to is our choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge_agent.core.faults import from_ocpp16, name_of
from edge_agent.core.reading import Fault

# component -> normalised code
COMPONENTS: Final[dict[str, str]] = {
    "AcDcConverter": "InternalError",
    "AirCoolingSystem": "CX003",
    "CableBreakawaySensor": "CX026",
    "ConnectorPlugRetentionLock": "CX001",
    "ControlMetering": "PowerMeterFailure",
    "Controller": "InternalError",
    "CPPWMController": "CX014",
    "DataLink": "WeakSignal",
    "ElectricalFeed": "CX015",
    "ELVSupply": "CX015",
    "EmergencyStopSensor": "CX008",
    "EVRetentionLock": "CX001",
    "ExternalTemperatureSensor": "CX003",
    "FiscalMetering": "PowerMeterFailure",
    "GroundIsolationProtection": "CX002",
    "LiquidCoolingSystem": "CX003",
    "OverCurrentProtection": "CX004",
    "PowerContactor": "CX017",
    "RCD": "CX002",
    "TemperatureSensor": "CX003",
    "TokenReader": "ReaderFailure",
    "UpstreamProtectionTrigger": "CX015",
}
# Names of whole places: what is wrong there is told by techCode, or is just a fault.
_PLACES: Final = frozenset({"ChargingStation", "EVSE", "Connector"})
# Variables that are true while something is wrong.
_TROUBLE: Final = frozenset({"Problem", "Tripped", "Overload", "Fallback", "Active"})
# `Active` is everyday life for most components and trouble for this one only.
_ACTIVE_IS_TROUBLE: Final = frozenset({"EmergencyStopSensor", "UpstreamProtectionTrigger"})
_VOLTAGE: Final = frozenset({"ACVoltage", "DCVoltage", "Voltage"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event is from; what clears it names the same place. EVSE 0 is the station."""

    evse: int
    connector: int
    component: str
    variable: str


@dataclass(frozen=True, slots=True)
class Event:
    """One eventData entry: the faults that hold from now on at `place` (none: they are over).

    `word` is a ConnectorStatus where the event tells one, else "". `text` describes it for people.
    `matters` is False for everyday values.
    """

    place: Place
    faults: tuple[Fault, ...]
    word: str
    text: str
    matters: bool


def read_event(data: Mapping[str, Any]) -> Event:
    """What one eventData entry (snake case keys) says.

    >>> data = {
    ...     "trigger": "Alerting",
    ...     "actual_value": "true",
    ...     "component": {"name": "CPPWMController", "evse": {"id": 2}},
    ...     "variable": {"name": "Problem"},
    ... }
    >>> [fault.code for fault in read_event(data).faults], read_event(data).place.evse
    (['CX014'], 2)
    >>> read_event({**data, "cleared": True}).faults
    ()
    """
    component: Mapping[str, Any] = data.get("component") or {}
    variable: Mapping[str, Any] = data.get("variable") or {}
    where: Mapping[str, Any] = component.get("evse") or {}
    name, what = str(component.get("name", "")), str(variable.get("name", ""))
    place = Place(
        int(where.get("id") or 0),
        int(where.get("connector_id") or 0),
        _instance(component, name),
        _instance(variable, what),
    )
    value = str(data.get("actual_value", ""))
    text = f"{place.component}.{place.variable}={value}"
    tech = ": ".join(str(data[key]) for key in ("tech_code", "tech_info") if data.get(key))
    text = f"{text} ({tech})" if tech else text
    if what == "AvailabilityState" and name in _PLACES:
        return Event(place, (), value, text, matters=False)
    found = _faults(data, name, what, value)
    over = bool(data.get("cleared")) or (what in _TROUBLE and not _true(value))
    matters = bool(found) or data.get("trigger") == "Alerting"
    return Event(place, () if over else found, "", text, matters)


def _faults(data: Mapping[str, Any], name: str, what: str, value: str) -> tuple[Fault, ...]:
    code = str(data.get("tech_code") or "")
    info = str(data.get("tech_info") or "")
    named = from_ocpp16("NoError", code, info)
    if named:
        return named
    if not _is_trouble(data, name, what):
        return ()
    known = COMPONENTS.get(name, "OtherError" if name in _PLACES or code else "")
    if name == "ElectricalFeed" and what in _VOLTAGE:
        known = _voltage_code(value)
    if not known:
        return ()
    return (Fault(known, code or f"{name}.{what}", info or name_of(known)),)


def _is_trouble(data: Mapping[str, Any], name: str, what: str) -> bool:
    if what == "Active":
        return name in _ACTIVE_IS_TROUBLE
    return what in _TROUBLE or data.get("trigger") == "Alerting"


def _voltage_code(value: str) -> str:
    """An alert on a mains voltage is about too much above the nominal 230 V, else too little."""
    try:
        return "CX005" if float(value) >= 230.0 else "CX006"
    except ValueError:
        return "CX015"


def _instance(thing: Mapping[str, Any], name: str) -> str:
    return f"{name}[{thing['instance']}]" if thing.get("instance") else name


def _true(value: str) -> bool:
    return value.strip().lower() in ("true", "1", "yes")
