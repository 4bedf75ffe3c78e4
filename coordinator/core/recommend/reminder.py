"""Reminders where piles are few: by which km a car must charge, and at which station (paper 2.2.3).

Whether a reminder is told again is decided here too; the words are in `explain.py`, and the level
that the same scarcity gives a car is in `warning.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.geo import great_circle_km
from coordinator.core.pile import Payment
from coordinator.core.recommend import warning
from coordinator.core.recommend.asked import Asked
from coordinator.core.recommend.candidates import USABLE
from coordinator.core.recommend.context import Context
from coordinator.core.recommend.found import Candidates
from coordinator.core.recommend.layout import Layout, layout_of
from coordinator.core.vehicle import ChargingRequest

Index = NDArray[np.intp]

AHEAD = "CHARGE_AHEAD"  # the last usable station towards the destination
OR_RETURN = "CHARGE_OR_RETURN"  # without a destination: further on there is no way back
SHORT = "CHARGE_SHORT"  # the nearest usable station is beyond what the charge carries safely
NOWHERE = "CHARGE_NOWHERE"  # no usable station is known

NO_STATION = -1


@dataclass(frozen=True, slots=True)
class Reminder:
    """Charge within `before_km` of driving; `station` is the row of the last usable one.

    Source: paper 2.2.3.
    """

    code: str
    why: str  # THIN_AREA, FEW_PILES_IN_REACH, MANY_CARS
    before_km: float
    station: int = NO_STATION
    away_km: float = float("inf")  # along the road to that station


def point_of_no_return_km(reach_km: float, distance_km: float) -> float:
    """How far a car may go away from a station and still get back to it, km.

    Going x km further and back takes 2 x + distance. A choice of ours: the paper asks for reminders
    and gives no figure.

    Source: paper 2.2.3.

    >>> point_of_no_return_km(reach_km=100.0, distance_km=20.0)
    40.0
    """
    return max(reach_km - distance_km, 0.0) / 2.0


def due_again(told_km: float, now_km: float) -> bool:
    """Whether the margin has halved since the reminder was told.

    Source: paper 2.2.3.

    >>> due_again(40.0, 20.1), due_again(40.0, 20.0), due_again(0.0, 0.0)
    (False, True, False)
    """
    return told_km > 0.0 and now_km <= told_km / 2.0


def each(district: District, asked: Asked, found: Candidates) -> list[Reminder | None]:
    """A reminder for each request whose car is where piles are few; None for the others.

    Source: paper 2.2.3 ("in such areas strengthened recommendations and reminders are necessary").
    """
    counts = zip(found.fitting_in_reach.tolist(), found.around_count.tolist(), strict=True)
    reminders: list[Reminder | None] = []
    for number, (in_reach, around) in enumerate(counts):
        cars = asked.contexts[number].cars_around
        why = warning.scarcity(in_reach, around, cars, asked.rules)
        reminders.append(_reminder(district, asked, number, why) if why else None)
    return reminders


def _reminder(district: District, asked: Asked, number: int, why: str) -> Reminder:
    """The reminder of one request, over all usable stations of the district."""
    layout, request = layout_of(district), asked.requests[number]
    here = request.latitude_deg, request.longitude_deg
    reach_km = float(asked.reach_km[number, 0])
    usable = usable_stations(district, layout, request, asked.contexts[number])
    if not len(usable):
        return Reminder(NOWHERE, why, reach_km)
    straight_km = layout.places.distance_km(*here, usable)
    road_km = asked.roads.distance_km(*here, usable, straight_km)
    in_reach = road_km <= reach_km
    nearest = int(road_km.argmin())
    if not in_reach[nearest]:
        return Reminder(SHORT, why, reach_km, int(usable[nearest]), float(road_km[nearest]))
    if request.destination is not None:
        onward_km = layout.places.distance_km(*request.destination, usable)
        ahead = in_reach & (onward_km < great_circle_km(here, request.destination))
        if ahead.any():
            last = int(np.where(ahead, onward_km, np.inf).argmin())
            before_km = float(road_km[last])
            return Reminder(AHEAD, why, before_km, int(usable[last]), before_km)
    away_km = float(road_km[nearest])
    before_km = point_of_no_return_km(reach_km, away_km)
    return Reminder(OR_RETURN, why, before_km, int(usable[nearest]), away_km)


def usable_stations(
    district: District, layout: Layout, request: ChargingRequest, context: Context
) -> Index:
    """Rows of the stations with an EVSE that works and fits the car, promised to others or not.

    Source: paper 2.2.3.
    """
    fits = USABLE[district.status]
    if request.vehicle.connector_mask:
        fits &= (layout.plugs & request.vehicle.connector_mask) != 0
    if context.excluded:
        fits[list(context.excluded)] = False
    stations = np.bincount(district.station[fits], minlength=layout.places.count) > 0
    if request.payments and Payment.ANY not in request.payments:
        stations &= (layout.payments & sum(1 << method for method in request.payments)) != 0
    return stations.nonzero()[0]
