"""Nouns of the demand side: the car, its charging request, its warning level.

Source: US 12,393,974 B2, steps 310, 510, 610; paper 2.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from coordinator.core.pile import Payment


class WarningLevel(IntEnum):
    """Urgency of a car, numbered as on the wire; a smaller number is more urgent.

    Source: paper 2.2.
    """

    UNSPECIFIED = 0
    HIGH = 1
    MEDIUM = 2
    LOW = 3


class SelectBy(IntEnum):
    """Order of candidates, numbered as on the wire; unspecified means as configured."""

    UNSPECIFIED = 0
    COST = 1
    MERGED = 2
    RANKER = 3
    TIME = 4
    QUEUE = 5
    TOTAL_TIME = 6
    PREFERENCE = 7
    PRICE = 8
    TRAFFIC = 9
    INTEGRATED = 10


class ChargePlace(IntEnum):
    """Where the charge happens with respect to the destination, numbered as on the wire."""

    ON_THE_WAY = 1
    AT_DESTINATION = 2


class Purpose(IntEnum):
    """Why the driver travels, numbered as on the wire. Source: US 12,393,974 B2, step 610."""

    EAT = 1
    SHOP = 2
    HOSPITAL = 3
    WORK = 4
    HOME = 5
    OTHER = 6


@dataclass(frozen=True, slots=True)
class Vehicle:
    """What a car can do. The curve is (soc_pct, power_kw) points, ascending; empty: a usual one.

    `connector_mask` has bit n set for wire number n of each plug that fits; 0 fits any.
    """

    battery_kwh: float
    model: str = ""
    charging_curve: tuple[tuple[float, float], ...] = ()
    reserve_at_station_pct: float = 5.0
    reserve_at_destination_pct: float = 10.0
    connector_mask: int = 0
    consumption_kwh_per_km: float | None = None
    setup_s: float = 120.0
    max_ac_power_kw: float = 11.0
    max_dc_power_kw: float | None = None


COARSE_M = 200.0  # a fix no better than this says in which area a car is, not where


class PositionSource(IntEnum):
    """Who measured a position, numbered as on the wire.

    Source: US 12,393,974 B2, step 310 (GPS of the vehicle, or the user terminal).
    """

    UNSPECIFIED = 0
    VEHICLE = 1
    TERMINAL = 2


@dataclass(frozen=True, slots=True)
class Fix:
    """A car's word on where it is, WGS84, and on its charge; None means not said."""

    latitude_deg: float
    longitude_deg: float
    soc_pct: float
    accuracy_m: float | None = None  # radius of the 68 % circle
    speed_kmh: float | None = None
    source: PositionSource = PositionSource.UNSPECIFIED

    @property
    def coarse(self) -> bool:
        """Whether it is too rough to say what is near.

        >>> Fix(0.0, 0.0, 50.0, 200.0).coarse, Fix(0.0, 0.0, 50.0, 200.1).coarse
        (False, True)
        """
        return self.accuracy_m is not None and self.accuracy_m > COARSE_M


@dataclass(frozen=True, slots=True)
class ChargingRequest:
    """A validated charging request (patent step 310); positions are WGS84 degrees."""

    request_id: str
    vehicle_id: str
    vehicle: Vehicle
    soc_pct: float
    latitude_deg: float
    longitude_deg: float
    user_id: str = ""
    target_soc_pct: float = 80.0
    destination: tuple[float, float] | None = None
    purpose: int = 0
    charge_place: ChargePlace = ChargePlace.ON_THE_WAY
    arrive_by_s: float | None = None
    expected_travel_s: float | None = None
    payments: tuple[Payment, ...] = ()
    arrival_window_s: tuple[float, float] | None = None
    air_conditioning: bool | None = None
    select_by: SelectBy = SelectBy.COST
    id_token: str = ""
    offers_opt_in: bool = False
    language: str = "en"
    alternative_count: int = 3
    accuracy_m: float | None = None  # of the position; None means unknown
    position_source: PositionSource = PositionSource.UNSPECIFIED
    target_said: bool = True  # False: the target is the default
    vip: bool = False  # whether this car's own token says so

    @property
    def coarse(self) -> bool:
        """Whether the position is too rough for distances to be exact."""
        return self.accuracy_m is not None and self.accuracy_m > COARSE_M
