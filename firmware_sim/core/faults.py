"""Which faults a pile can have and what each one does to pilot, relay and power.

Wire faults, which break the talking and not the charging, are in `wire.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# 1.6 offers no word of its own for most MREC codes.
_OTHER = "OtherError"


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One fault of the catalogue.

    `stops` opens the relay and ends the session. `pilot` is the state that the controller then
    shows, None where the pilot keeps its state. `power_factor` scales the power of a fault that
    only derates.
    Source: ChargeX MREC names and CX codes; OCPP 1.6 ChargePointErrorCode.
    """

    name: str
    code: str
    ocpp_error: str
    stops: bool = True
    pilot: Literal["E", "F"] | None = "F"
    power_factor: float = 1.0
    stop_reason: str = "Other"


_CATALOGUE = (
    FaultKind("ConnectorLockFailure", "CX001", "ConnectorLockFailure"),
    FaultKind("GroundFailure", "CX002", "GroundFailure"),
    FaultKind("HighTemperature", "CX003", "HighTemperature"),
    FaultKind("OverCurrentFailure", "CX004", "OverCurrentFailure"),
    FaultKind("OverVoltage", "CX005", "OverVoltage"),
    FaultKind("UnderVoltage", "CX006", "UnderVoltage"),
    FaultKind("EmergencyStop", "CX008", _OTHER, stop_reason="EmergencyStop"),
    FaultKind("InvalidVehicleMode", "CX010", _OTHER, pilot=None),
    FaultKind("CableCheckFault", "CX011", _OTHER),
    FaultKind("PilotFault", "CX014", _OTHER, pilot="E"),
    FaultKind("PowerLoss", "CX015", _OTHER, pilot="E", stop_reason="PowerLoss"),
    FaultKind("EVSEContactorFault", "CX017", "PowerSwitchFailure"),
    FaultKind("CableOverTempDerate", "CX018", _OTHER, stops=False, pilot=None, power_factor=0.5),
    FaultKind("CableOverTempStop", "CX019", _OTHER),
    FaultKind("PartialInsertion", "CX020", _OTHER),
    FaultKind("ResistanceFault", "CX022", _OTHER),
    FaultKind("ProximityFault", "CX023", _OTHER),
    FaultKind("ConnectorVoltageHigh", "CX024", _OTHER),
    FaultKind("BrokenLatch", "CX025", _OTHER),
    FaultKind("CutCable", "CX026", _OTHER),
)

FAULTS: dict[str, FaultKind] = {kind.name: kind for kind in _CATALOGUE}


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault that is present; `remaining_s` is None until somebody clears it."""

    kind: FaultKind
    remaining_s: float | None = None
