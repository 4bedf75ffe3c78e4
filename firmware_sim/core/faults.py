"""Which faults a pile can have and what each one does to pilot, relay, lock and power.

How faults arise from inputs is in `causes.py`; wire faults, which break the talking and not the
charging, are in `wire.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

# 1.6 offers no word of its own for most MREC codes.
_OTHER: Final = "OtherError"
_CX: Final = re.compile(r"CX0(\d\d)")
_PREFIX: Final = re.compile(r"MREC\d+")


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One fault of the catalogue.

    `stops` opens the relay and ends the session. `pilot` is the state that the controller then
    shows, None where the pilot keeps its state. `power_factor` scales the power of a fault that
    only derates. `reset` is how one that arose by itself ends once its cause is gone: by itself
    after `clears_after_s`, when the plug is out, or by hand. `component` is where OCPP 2.0.1 finds
    it; `number` tells faults apart where a register has a bit for each.
    Source: ChargeX MREC names and CX codes; OCPP 1.6 ChargePointErrorCode; OCPP 2.0.1 part 2
    appendix for components.
    """

    name: str
    code: str
    ocpp_error: str
    stops: bool = True
    pilot: Literal["E", "F"] | None = "F"
    power_factor: float = 1.0
    stop_reason: str = "Other"
    reset: Literal["self", "unplug", "hand"] = "hand"
    clears_after_s: float = 0.0
    component: str = "EVSE"
    beyond_mrec: int = 0

    @property
    def number(self) -> int:
        """That of the MREC code; the others have numbers up to 31 that MREC leaves free."""
        known = _CX.fullmatch(self.code)
        return int(known[1]) if known else self.beyond_mrec

    @property
    def mrec_name(self) -> str:
        """The name with its MREC number in front; the bare name beyond MREC.

        >>> FAULTS["HighTemperature"].mrec_name
        'MREC3HighTemperature'
        """
        return f"MREC{self.number}{self.name}" if _CX.fullmatch(self.code) else self.name

    @property
    def effect(self) -> str:
        """What it does, in one word."""
        if self.stops:
            return "stops"
        return "derates" if self.power_factor < 1 else "warns"


_CATALOGUE: Final = (
    FaultKind(
        "ConnectorLockFailure",
        "CX001",
        "ConnectorLockFailure",
        component="ConnectorPlugRetentionLock",
    ),
    FaultKind(
        "GroundFailure",
        "CX002",
        "GroundFailure",
        reset="unplug",
        component="GroundIsolationProtection",
    ),
    FaultKind(
        "HighTemperature", "CX003", "HighTemperature", reset="self", component="TemperatureSensor"
    ),
    FaultKind(
        "OverCurrentFailure",
        "CX004",
        "OverCurrentFailure",
        reset="unplug",
        component="OverCurrentProtection",
    ),
    FaultKind(
        "OverVoltage",
        "CX005",
        "OverVoltage",
        reset="self",
        clears_after_s=10.0,
        component="ElectricalFeed",
    ),
    FaultKind(
        "UnderVoltage",
        "CX006",
        "UnderVoltage",
        reset="self",
        clears_after_s=10.0,
        component="ElectricalFeed",
    ),
    FaultKind(
        "EmergencyStop",
        "CX008",
        _OTHER,
        stop_reason="EmergencyStop",
        reset="self",
        component="EmergencyStopSensor",
    ),
    FaultKind(
        "AuthorizationTimeout", "CX009", _OTHER, stops=False, pilot=None, component="TokenReader"
    ),
    FaultKind("InvalidVehicleMode", "CX010", _OTHER, pilot=None, reset="unplug"),
    FaultKind(
        "CableCheckFault",
        "CX011",
        _OTHER,
        reset="unplug",
        component="GroundIsolationProtection",
    ),
    FaultKind("PilotFault", "CX014", _OTHER, pilot="E", reset="self", component="CPPWMController"),
    FaultKind(
        "PowerLoss",
        "CX015",
        _OTHER,
        pilot="E",
        stop_reason="PowerLoss",
        component="ElectricalFeed",
    ),
    FaultKind("EVSEContactorFault", "CX017", "PowerSwitchFailure", component="PowerContactor"),
    FaultKind(
        "CableOverTempDerate",
        "CX018",
        _OTHER,
        stops=False,
        pilot=None,
        power_factor=0.5,
        reset="self",
        component="TemperatureSensor",
    ),
    FaultKind("CableOverTempStop", "CX019", _OTHER, reset="self", component="TemperatureSensor"),
    FaultKind("PartialInsertion", "CX020", _OTHER, reset="self", component="ConnectedEV"),
    FaultKind(
        "ResistanceFault",
        "CX022",
        _OTHER,
        reset="unplug",
        component="GroundIsolationProtection",
    ),
    FaultKind("ProximityFault", "CX023", _OTHER, reset="self", component="Connector"),
    FaultKind("ConnectorVoltageHigh", "CX024", _OTHER, component="PowerContactor"),
    FaultKind("BrokenLatch", "CX025", _OTHER, component="ConnectorPlugRetentionLock"),
    FaultKind("CutCable", "CX026", _OTHER, component="CableBreakawaySensor"),
    FaultKind(
        "EVCommunicationError",
        "EVCommunicationError",
        "EVCommunicationError",
        pilot=None,
        component="ConnectedEV",
        beyond_mrec=27,
    ),
    FaultKind(
        "CommunicationFault",
        "CommunicationFault",
        "InternalError",
        component="DataLink",
        beyond_mrec=28,
    ),
    FaultKind(
        "PowerMeterFailure",
        "PowerMeterFailure",
        "PowerMeterFailure",
        component="FiscalMetering",
        beyond_mrec=29,
    ),
    # 21 is a number that MREC does not use, so that 32 bits suffice.
    FaultKind(
        "PrechargeFault",
        "PrechargeFault",
        _OTHER,
        reset="unplug",
        component="AcDcConverter",
        beyond_mrec=21,
    ),
    FaultKind("TiltDetected", "TiltDetected", _OTHER, component="TiltSensor", beyond_mrec=30),
    FaultKind(
        "WaterIngressDetected",
        "WaterIngressDetected",
        _OTHER,
        component="FloodSensor",
        beyond_mrec=31,
    ),
)

FAULTS: dict[str, FaultKind] = {kind.name: kind for kind in _CATALOGUE}


def fault_named(text: str) -> FaultKind | None:
    """The fault that a bench names: bare, with its MREC number, or by code; None if unknown.

    >>> fault_named("MREC3HighTemperature") is fault_named("CX003") is FAULTS["HighTemperature"]
    True
    """
    found = FAULTS.get(text) or FAULTS.get(_PREFIX.sub("", text, count=1))
    return found or next((kind for kind in _CATALOGUE if kind.code == text), None)


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault that is present; `remaining_s` is None until somebody clears it.

    One that `arose` from the state itself ends as its kind says; an injected one by time or hand.
    """

    kind: FaultKind
    remaining_s: float | None = None
    arose: bool = False
