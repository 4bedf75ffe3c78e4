"""The OCPP statuses and error code that follow from an EVSE's state.

Only this mapping lives here; how a status travels is the OCPP face's business.
Source: IEC 61851 to OCPP mapping, with and without a running transaction.
"""

from __future__ import annotations

from firmware_sim.core.evse import Evse, Phase, Pilot

MREC_VENDOR_ID = "https://chargex.inl.gov"

# What a running transaction is called, by pilot.
_WITH_TRANSACTION = {
    Pilot.B1: "SuspendedEVSE",
    Pilot.B2: "SuspendedEV",
    Pilot.C1: "SuspendedEVSE",
    Pilot.C2: "Charging",
    Pilot.D1: "SuspendedEVSE",
    Pilot.D2: "Charging",
}


def ocpp_status(evse: Evse) -> str:
    """The 1.6 ChargePointStatus of this EVSE."""
    if evse.is_broken and not evse.is_dark:
        return "Faulted"
    if not evse.is_operative or evse.is_dark:
        return "Unavailable"
    session = evse.session
    if session is None:
        if evse.reservation is not None:
            return "Reserved"
        return "Preparing" if evse.token_ahead is not None else "Available"
    if session.phase is Phase.RUNNING:
        return _WITH_TRANSACTION.get(evse.pilot, "SuspendedEVSE")
    return "Finishing" if session.phase is Phase.ENDED else "Preparing"


def connector_status(evse: Evse) -> str:
    """The 2.0.1 ConnectorStatus of this EVSE: a car at the plug is Occupied, whatever it does."""
    status = ocpp_status(evse)
    if status in ("Available", "Reserved", "Unavailable", "Faulted"):
        return status
    return "Occupied" if evse.car is not None else "Available"


def charging_state(evse: Evse) -> str:
    """The 2.0.1 ChargingState of this EVSE."""
    if evse.car is None:
        return "Idle"
    if not evse.is_running or evse.is_broken:
        return "EVConnected"
    return _WITH_TRANSACTION.get(evse.pilot, "EVConnected")


def ocpp_error(evse: Evse) -> tuple[str, str]:
    """1.6 errorCode and the CX code for vendorErrorCode; `("NoError", "")` when all is well.

    A fault that stops is told before one that only derates.
    """
    if not evse.faults:
        return ("NoError", "")
    worst = max(evse.faults, key=lambda fault: fault.kind.stops)
    return (worst.kind.ocpp_error, worst.kind.code)
