"""Who wants charge, when and where; and what goes wrong meanwhile. Nouns of the laboratory only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from coordinator.core.vehicle import ChargePlace, Vehicle


@dataclass(frozen=True, slots=True)
class Demand:
    """One car that asks for charge once. `at_s` is epoch seconds, positions WGS84 degrees.

    `charge_s` is the time at the plug when it is known (a replay); None takes it from the vehicle,
    the plug and the state of charge. A walk-in drives to the nearest station unseen; who disobeys
    asks, says yes, and then does the same. A `vip` is one by its `user_id`.
    """

    at_s: float
    latitude_deg: float
    longitude_deg: float
    soc_pct: float
    vehicle: Vehicle = field(default_factory=lambda: Vehicle(battery_kwh=60.0))
    target_soc_pct: float = 80.0
    car_id: str = ""
    user_id: str = ""
    charge_s: float | None = None
    walk_in: bool = False
    disobeys: bool = False
    vip: bool = False
    destination: tuple[float, float] | None = None
    purpose: int = 0
    charge_place: ChargePlace = ChargePlace.ON_THE_WAY
    arrive_by_s: float | None = None


class DisturbanceKind(Enum):
    """What makes an EVSE unusable: a fault ends the session on it, a blocked bay does not."""

    FAULT = "fault"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Disturbance:
    """An EVSE that cannot be used in `[from_s, to_s)`; infinite `to_s` means for good."""

    evse_id: str
    kind: DisturbanceKind
    from_s: float
    to_s: float = float("inf")
