"""One status out of many vocabularies: IEC 61851 letters, OCPP 1.6, OCPP 2.0.1, one table each.

What bay sensors and age do to a status belongs to `occupancy.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_agent.core.reading import EvseStatus, IecState, OcppStatus


@dataclass(frozen=True, slots=True)
class PileState:
    """A pile's own word, translated: OCPI status, pilot letter, OCPP status, cable plugged or not.

    `plugged` is None where the word does not tell.
    """

    status: EvseStatus
    iec: IecState = IecState.UNSPECIFIED
    ocpp: OcppStatus = OcppStatus.UNSPECIFIED
    plugged: bool | None = None


_FREE = EvseStatus.AVAILABLE
_IN_USE = EvseStatus.CHARGING

# A car at the cable blocks the EVSE for everybody else, whether energy flows or not: every state
# from B to D counts as CHARGING, and the letter beside it tells the difference.
IEC_TABLE: dict[str, PileState] = {
    "A": PileState(_FREE, IecState.A, plugged=False),
    "A1": PileState(_FREE, IecState.A, plugged=False),
    "A2": PileState(_FREE, IecState.A, plugged=False),
    "B": PileState(_IN_USE, IecState.B, plugged=True),
    "B1": PileState(_IN_USE, IecState.B, plugged=True),
    "B2": PileState(_IN_USE, IecState.B, plugged=True),
    "C": PileState(_IN_USE, IecState.C, plugged=True),
    "C1": PileState(_IN_USE, IecState.C, plugged=True),
    "C2": PileState(_IN_USE, IecState.C, plugged=True),
    "D": PileState(_IN_USE, IecState.D, plugged=True),
    "D1": PileState(_IN_USE, IecState.D, plugged=True),
    "D2": PileState(_IN_USE, IecState.D, plugged=True),
    "E": PileState(EvseStatus.OUTOFORDER, IecState.E),
    "F": PileState(EvseStatus.INOPERATIVE, IecState.F),
}

OCPP16_TABLE: dict[str, PileState] = {
    "Available": PileState(_FREE, ocpp=OcppStatus.AVAILABLE, plugged=False),
    "Preparing": PileState(_IN_USE, ocpp=OcppStatus.PREPARING, plugged=True),
    "Charging": PileState(_IN_USE, ocpp=OcppStatus.CHARGING, plugged=True),
    "SuspendedEVSE": PileState(_IN_USE, ocpp=OcppStatus.SUSPENDED_EVSE, plugged=True),
    "SuspendedEV": PileState(_IN_USE, ocpp=OcppStatus.SUSPENDED_EV, plugged=True),
    "Finishing": PileState(_IN_USE, ocpp=OcppStatus.FINISHING, plugged=True),
    "Reserved": PileState(EvseStatus.RESERVED, ocpp=OcppStatus.RESERVED, plugged=False),
    "Unavailable": PileState(EvseStatus.INOPERATIVE, ocpp=OcppStatus.UNAVAILABLE),
    "Faulted": PileState(EvseStatus.OUTOFORDER, ocpp=OcppStatus.FAULTED),
}

OCPP201_TABLE: dict[str, PileState] = {
    "Available": PileState(_FREE, ocpp=OcppStatus.AVAILABLE, plugged=False),
    "Occupied": PileState(_IN_USE, ocpp=OcppStatus.OCCUPIED, plugged=True),
    "Reserved": PileState(EvseStatus.RESERVED, ocpp=OcppStatus.RESERVED, plugged=False),
    "Unavailable": PileState(EvseStatus.INOPERATIVE, ocpp=OcppStatus.UNAVAILABLE),
    "Faulted": PileState(EvseStatus.OUTOFORDER, ocpp=OcppStatus.FAULTED),
}

# Words a profile may use for its enum values: letters and OCPP statuses are disjoint. What the
# versions of OCPP share means the same in both.
PROFILE_WORDS: dict[str, PileState] = {**IEC_TABLE, **OCPP201_TABLE, **OCPP16_TABLE}

UNKNOWN_STATE = PileState(EvseStatus.UNKNOWN)
