"""What was measured: statuses, values, readings of a pile and the records made of them.

Numbers of the enums are those of the contract, so that the uplink copies them unchanged; a test
holds both together. How a status is found is the business of `status.py` and `occupancy.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Final

# Before this instant (2025-01-01) a gateway without a battery clock has not been synchronised yet.
CLOCK_SANE_FROM_MS: Final = 1_735_689_600_000


class EvseStatus(IntEnum):
    """OCPI 2.2.1 EVSE status."""

    AVAILABLE = 1
    BLOCKED = 2
    CHARGING = 3
    INOPERATIVE = 4
    OUTOFORDER = 5
    PLANNED = 6
    REMOVED = 7
    RESERVED = 8
    UNKNOWN = 9


class StatusSource(IntEnum):
    """Who says so."""

    UNSPECIFIED = 0
    MODBUS = 1
    OCPP = 2
    BAY_SENSOR = 3
    FUSED = 4
    TIMEOUT = 5
    OPERATOR = 6


class IecState(IntEnum):
    """IEC 61851-1 control pilot state; 0 where it is not measured."""

    UNSPECIFIED = 0
    A = 1
    B = 2
    C = 3
    D = 4
    E = 5
    F = 6


class OcppStatus(IntEnum):
    """OCPP 1.6 ChargePointStatus and the `Occupied` of 2.0.1; 0 where there is none."""

    UNSPECIFIED = 0
    AVAILABLE = 1
    PREPARING = 2
    CHARGING = 3
    SUSPENDED_EVSE = 4
    SUSPENDED_EV = 5
    FINISHING = 6
    RESERVED = 7
    UNAVAILABLE = 8
    FAULTED = 9
    OCCUPIED = 10


class BayState(IntEnum):
    """What a bay sensor says; 0 where there is none, STALE where its last word is too old."""

    UNSPECIFIED = 0
    FREE = 1
    OCCUPIED = 2
    STALE = 3


class RecordKind(IntEnum):
    """What a record reports."""

    STATUS = 1
    METER = 2
    FAULT = 3
    FAULT_CLEARED = 4
    SESSION_START = 5
    SESSION_END = 6
    EVENT = 7


class RecordFlags(IntFlag):
    """Doubts about a record."""

    NONE = 0
    CLOCK_UNSYNCED = 1
    IMPLAUSIBLE = 2
    CARRIED_OVER = 4


@dataclass(frozen=True, slots=True)
class Values:
    """Measured values of one EVSE; None where not measured.

    `energy_kwh` is a register that only rises; `session_energy_kwh` starts anew with each session.
    `current_a` is the largest phase current.
    """

    power_kw: float | None = None
    energy_kwh: float | None = None
    session_energy_kwh: float | None = None
    current_a: float | None = None
    voltage_v: float | None = None
    soc_pct: float | None = None
    temperature_c: float | None = None


NO_VALUES = Values()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a camera and a thermometer say of the place around a pile; None where not measured."""

    people_count: int | None = None
    vehicle_count: int | None = None
    ambient_temperature_c: float | None = None


NOTHING_SEEN = Surroundings()


@dataclass(frozen=True, slots=True)
class Fault:
    """A normalised fault: ChargeX MREC code (or OCPP errorCode where MREC has none) and the raw."""

    code: str
    vendor_code: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a pile says of one EVSE at one moment, already translated but not yet fused.

    A `suspect` reading lacks values that cannot be true; `doubt` keeps what was read instead.
    """

    evse_id: str
    status: EvseStatus
    source: StatusSource
    iec: IecState = IecState.UNSPECIFIED
    ocpp: OcppStatus = OcppStatus.UNSPECIFIED
    values: Values = NO_VALUES
    faults: tuple[Fault, ...] = ()
    plugged: bool | None = None
    suspect: bool = False
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Detail:
    """What a few records say beyond the columns; empty strings where there is nothing to say."""

    fault_code: str = ""
    vendor_code: str = ""
    text: str = ""
    session_id: str = ""
    id_token_hash: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One row for the coordinator. `observed_at_ms` is domain time, milliseconds since 1970 UTC.

    `urgent` is news: it closes the batch that holds the row at once and is never thinned.
    `own_energy_kwh` is what the pile's own register says where that has to outlive a restart; it
    is never sent.
    """

    evse_id: str
    kind: RecordKind
    observed_at_ms: int
    status: EvseStatus
    source: StatusSource
    iec: IecState = IecState.UNSPECIFIED
    ocpp: OcppStatus = OcppStatus.UNSPECIFIED
    bay: BayState = BayState.UNSPECIFIED
    queue_length: int | None = None
    values: Values = NO_VALUES
    detail: Detail | None = None
    surroundings: Surroundings | None = None
    flags: RecordFlags = RecordFlags.NONE
    urgent: bool = False
    own_energy_kwh: float | None = field(default=None, compare=False)
