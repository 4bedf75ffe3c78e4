"""Cars that are known to be about: how many are around, and how many may be on their way unasked.

Cars that asked are promised something and counted by the ledger; what a car intends is decided in
`intention.py`. Everything here is refreshed by the minute, not by the request.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.district import District
from coordinator.core.geo import CELL_DEG, Places
from coordinator.core.recommend import arrivals
from coordinator.core.recommend.candidates import USABLE
from coordinator.core.recommend.intention import Intention
from coordinator.core.recommend.intention_history import IntentionHistory
from coordinator.core.recommend.layout import layout_of
from coordinator.core.recommend.rules import DEFAULT_RULES

HEARD_S = 1_800.0  # a car that was heard of so lately is about, link time
CARS_KEPT = 100_000
AROUND_KM = DEFAULT_RULES.around_km

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Car:
    """Where a car was last, and whether it may be on its way without having asked."""

    driver: str  # whose history counts: the user, or else the car
    place: tuple[float, float]
    heard_link_s: float
    unasked: bool
    intention: Intention | None = None  # by its position; None leaves it to history


class Fleet:
    """Known cars, by vehicle."""

    def __init__(self, district: District, table: ClaimTable) -> None:
        self._district = district
        self._table = table
        self._cars: dict[str, Car] = {}
        self._about: Places | None = None
        self._around: dict[tuple[int, int], int] = {}
        self._counted: dict[str, tuple[tuple[float, float], float]] = {}  # share an EVSE

    def __len__(self) -> int:
        return len(self._cars)

    def asked(
        self, vehicle_id: str, user_id: str, place: tuple[float, float], link_s: float
    ) -> None:
        """A car asks for a pile: from now on the ledger counts it."""
        self._cars[vehicle_id] = Car(user_id or vehicle_id, place, link_s, False)
        if self._counted and vehicle_id in self._counted:
            self._take_out(vehicle_id)

    def seen(
        self,
        vehicle_id: str,
        driver: str,
        place: tuple[float, float],
        link_s: float,
        intention: Intention | None,
    ) -> None:
        """A car was seen that asks for nothing; what its position says it intends, if anything."""
        self._cars[vehicle_id] = Car(driver, place, link_s, True, intention)

    def forget(self, vehicle_id: str) -> None:
        """Nothing is known of this car any more."""
        if self._cars.pop(vehicle_id, None) is not None:
            self._take_out(vehicle_id)

    def place_of(self, vehicle_id: str) -> tuple[float, float] | None:
        """Where a car was last; None if nothing was heard of it lately."""
        car = self._cars.get(vehicle_id)
        return None if car is None else car.place

    def cars_around(self, latitude_deg: float, longitude_deg: float) -> int | None:
        """Cars within 3 km of the middle of the cell, as of the last minute; None at first."""
        if self._about is None:
            return None
        cell = int(latitude_deg // CELL_DEG), int(longitude_deg // CELL_DEG)
        count = self._around.get(cell)
        if count is None:
            middle = np.array([[(cell[0] + 0.5) * CELL_DEG, (cell[1] + 0.5) * CELL_DEG]])
            count = int(self._about.within(middle, AROUND_KM).sum())
            self._around[cell] = count
        return count

    async def refresh(self, history: IntentionHistory, now_s: float, link_s: float) -> None:
        """Counts again where cars are, and which EVSEs can expect some of them."""
        self._prune(link_s)
        cars = list(self._cars.values())
        self._about = Places(*_columns([car.place for car in cars]))
        self._around = {}
        coming = [
            (vehicle_id, car)
            for vehicle_id, car in self._cars.items()
            if car.unasked and not self._table.of_car(vehicle_id)
        ]
        chances = history.p_on_the_way([car.driver for _, car in coming], now_s)
        for number, (_, car) in enumerate(coming):
            if car.intention is not None:
                chances[number] = float(car.intention is Intention.ON_THE_WAY)
        await self._expect(coming, chances)

    async def _expect(self, coming: list[tuple[str, Car]], chances: Floats) -> None:
        """Sets the column of the district; the sums are made on a worker thread."""
        district, places = self._district, layout_of(self._district).places
        if not coming or not len(district):
            district.expected_arrivals[:] = 0.0
            self._counted = {}
            return
        where = np.array([car.place for _, car in coming])
        usable = np.bincount(district.station[USABLE[district.status]], minlength=places.count)
        found = await asyncio.to_thread(
            arrivals.expected, places, where, chances, usable, AROUND_KM
        )
        if layout_of(district).places is not places:
            return  # rows mean other EVSEs now; the next minute counts anew
        district.expected_arrivals[:] = found[district.station]
        self._counted = {
            vehicle_id: (car.place, float(chance))
            for (vehicle_id, car), chance in zip(coming, chances, strict=True)
            if chance > 0
        }
        for vehicle_id, _ in coming:
            if not self._cars[vehicle_id].unasked:
                self._take_out(vehicle_id)  # it asked meanwhile

    def _take_out(self, vehicle_id: str) -> None:
        """Takes a car's own share out of the column: nobody waits for himself."""
        counted = self._counted.pop(vehicle_id, None)
        if counted is None:
            return
        district, places = self._district, layout_of(self._district).places
        place, chance = counted
        usable = np.bincount(district.station[USABLE[district.status]], minlength=places.count)
        own = arrivals.expected(places, np.array([place]), np.array([chance]), usable, AROUND_KM)[
            district.station
        ]
        column = district.expected_arrivals
        column[:] = np.maximum(column - own, 0.0)

    def _prune(self, link_s: float) -> None:
        """Forgets cars of which nothing was heard for half an hour, and the oldest of too many."""
        heard = {
            vehicle_id: car
            for vehicle_id, car in self._cars.items()
            if link_s - car.heard_link_s <= HEARD_S
        }
        if len(heard) > CARS_KEPT:
            newest = sorted(heard.items(), key=lambda item: -item[1].heard_link_s)
            heard = dict(newest[:CARS_KEPT])
        self._cars = heard


def _columns(places: list[tuple[float, float]]) -> tuple[Floats, Floats]:
    """Latitudes and longitudes."""
    table = np.array(places, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
