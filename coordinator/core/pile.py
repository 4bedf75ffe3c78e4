"""Nouns of the supply side: stations, piles, EVSEs, tariffs, and the words for their status.

What is believed *now* about an EVSE lives in `district.py`; the enums carry the numbers of the wire
so that adapters convert by value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class EvseStatus(IntEnum):
    """OCPI 2.2.1 EVSE status, numbered as on the wire. Source: paper 2.3.2.1 (occupancy)."""

    UNSPECIFIED = 0
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
    """Where a status came from, numbered as on the wire. Source: US 12,393,974 B2, step 330."""

    UNSPECIFIED = 0
    MODBUS = 1
    OCPP = 2
    BAY_SENSOR = 3
    FUSED = 4
    TIMEOUT = 5
    OPERATOR = 6


class RecordKind(IntEnum):
    """What a row of a report says, numbered as on the wire. Source: US 12,393,974 B2, FIG. 2."""

    UNSPECIFIED = 0
    STATUS = 1
    METER = 2
    FAULT = 3
    FAULT_CLEARED = 4
    SESSION_START = 5
    SESSION_END = 6
    EVENT = 7


class BayState(IntEnum):
    """What a bay sensor says, numbered as on the wire. Source: paper 2.3.2.1 (parking space)."""

    UNKNOWN = 0
    FREE = 1
    OCCUPIED = 2


class PowerType(IntEnum):
    """OCPI power type, numbered as on the wire. Source: US 12,393,974 B2, step 410."""

    UNSPECIFIED = 0
    AC_1_PHASE = 1
    AC_2_PHASE = 2
    AC_2_PHASE_SPLIT = 3
    AC_3_PHASE = 4
    DC = 5


class Payment(IntEnum):
    """How a driver can pay, numbered as on the wire. Source: paper 2.3.2.2 (matching)."""

    ANY = 0
    APP = 1
    RFID = 2
    BANK_CARD = 3
    PLUG_AND_CHARGE = 4


@dataclass(frozen=True, slots=True)
class Connector:
    """One plug; `standard` is the wire number of the OCPI connector type.

    Source: US 12,393,974 B2, step 410.
    """

    connector_id: str
    standard: int
    power_type: PowerType
    max_power_kw: float


@dataclass(frozen=True, slots=True)
class Evse:
    """The unit that serves one car at a time. Source: US 12,393,974 B2, step 410."""

    evse_id: str
    connectors: tuple[Connector, ...]
    bay_count: int = 0


@dataclass(frozen=True, slots=True)
class Pile:
    """A pile as a device: the patent's first basic information. Empty or None means unknown.

    `address` is where it and its agent meet: the URL to type into it, or where it is asked.

    Source: US 12,393,974 B2, step 410 (basic information).
    """

    pile_id: str
    station_id: str
    evses: tuple[Evse, ...]
    label: str = ""
    maker: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    commissioned_at_s: float | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    bay_count: int = 0
    address: str = ""
    sources: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Station:
    """A place with piles; the position is its entrance, WGS84.

    Source: US 12,393,974 B2, FIG. 1 (piles 140).
    """

    station_id: str
    name: str
    latitude_deg: float
    longitude_deg: float
    piles: tuple[Pile, ...] = ()
    operator: str = ""
    operator_url: str = ""
    facilities: tuple[str, ...] = ()
    opening_hours: str = ""
    parking_space_count: int = 0
    payment_methods: tuple[Payment, ...] = ()
    tariff_id: str = ""


@dataclass(frozen=True, slots=True)
class TariffElement:
    """One priced dimension: ENERGY per kWh, TIME and PARKING_TIME per hour, FLAT once.

    Source: paper 2.3.2.2 (pricing standard).
    """

    dimension: str
    price: float
    start_time: str = ""
    end_time: str = ""
    weekdays: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Tariff:
    """A price list; the first element that fits wins, per dimension.

    Source: paper 2.3.2.2 (pricing standard).
    """

    tariff_id: str
    currency: str
    elements: tuple[TariffElement, ...]
    time_zone: str = "UTC"
    valid_from_s: float | None = None
    valid_until_s: float | None = None


@dataclass(frozen=True, slots=True)
class PlannedOutage:
    """A time in which an EVSE, or a whole station, is out of service on purpose.

    Source: US 12,393,974 B2, step 410.
    """

    from_s: float
    to_s: float
    evse_id: str = ""
    station_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RetiredPile:
    """A pile that was scrapped: since when, and why. Source: US 12,393,974 B2, step 410."""

    pile_id: str
    at_s: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """What the operator knows of a driver (patent: second basic information).

    Source: US 12,393,974 B2, step 510 (second basic information); paper 2.2.1.
    """

    user_id: str
    vip: bool = False
    vip_until_s: float | None = None
    vehicle_model: str = ""
    habits: dict[str, str] = field(default_factory=dict)
    vehicle_ids: tuple[str, ...] = ()
