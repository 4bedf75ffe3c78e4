"""The city's clock: cars ask, drive, queue, charge and leave; plugs fail and come back.

Event-driven and without chance: the same demand, disturbances and policy give the same outcome.
What a car does is decided by a `Policy`; this file only moves time and keeps who stands where.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from city_sim.city import StraightTravel, Travel, charging_s
from city_sim.demand import Demand, Disturbance, DisturbanceKind
from coordinator.core.district import District
from coordinator.core.pile import Station


class Doing(Enum):
    """What a car does now."""

    AWAY = "away"
    DRIVING = "driving"
    WAITING = "waiting"
    CHARGING = "charging"
    LEFT = "left"


@dataclass(slots=True)
class Car:
    """A car in the city; `drive_s` and `wait_s` count what is over, `since_s` began what is not."""

    index: int
    demand: Demand
    doing: Doing = Doing.AWAY
    latitude_deg: float = 0.0
    longitude_deg: float = 0.0
    soc_pct: float = 0.0
    station: int = -1
    evse: int = -1
    since_s: float = 0.0
    arrives_s: float = 0.0
    drive_s: float = 0.0
    wait_s: float = 0.0
    switches: int = 0
    turned_away: int = 0
    tried: set[int] = field(default_factory=set)
    done_share: float = 0.0
    version: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a car is sent: a station, and the EVSE held for it in `[from_s, to_s)` if one is."""

    station: int
    evse: int = -1
    from_s: float = 0.0
    to_s: float = 0.0


class Policy(Protocol):
    """Sends cars. Called at each request, and again when a car finds its station unusable."""

    name: str

    def choose(self, engine: Engine, car: Car) -> Choice | None:
        """The choice for a car that stands at its position now; None when nothing fits it."""
        ...

    def revise(self, engine: Engine, car: Car) -> Choice | None:
        """A better choice for a car on its way, or None; asked when the usable plugs change."""
        ...


class Engine:
    """One run. `now_s` is the clock; the columns of `district` say what stands where."""

    def __init__(
        self,
        stations: Sequence[Station],
        demands: Sequence[Demand],
        policy: Policy,
        *,
        until_s: float,
        disturbances: Sequence[Disturbance] = (),
        travel: Travel | None = None,
    ) -> None:
        self.district = District(stations)
        self.travel = travel or StraightTravel(self.district)
        self.policy = policy
        self.until_s = until_s
        self.now_s = 0.0
        self.cars = [_car(index, d) for index, d in enumerate(demands) if d.at_s < until_s]
        n_evse, n_station = len(self.district), len(self.district.stations)
        self.occupant = np.full(n_evse, -1, dtype=np.intp)
        self.ends_s = np.full(n_evse, -np.inf)
        self.unusable: NDArray[np.int64] = np.zeros(n_evse, dtype=np.int64)
        self.queue: list[list[int]] = [[] for _ in range(n_station)]
        self.held: list[dict[int, tuple[float, float]]] = [{} for _ in range(n_evse)]
        self.events = 0
        self._heap: list[tuple[float, int, str, int, int]] = []
        self._order = count()
        self._disturbances = disturbances
        for car in self.cars:
            self._at(car.demand.at_s, "request", car.index, 0)
        for index, disturbance in enumerate(disturbances):
            self._at(disturbance.from_s, "breaks", index, 0)
            if disturbance.to_s < until_s:
                self._at(disturbance.to_s, "mends", index, 0)

    def run(self) -> list[Car]:
        """Every car as it stands at `until_s`, its times counted up to then."""
        while self._heap and self._heap[0][0] < self.until_s:
            self.now_s, _, what, subject, version = heapq.heappop(self._heap)
            self.events += 1
            if what == "breaks":
                self._breaks(self._disturbances[subject])
            elif what == "mends":
                self._mends(self._disturbances[subject])
            elif version == self.cars[subject].version:
                self._step(what, self.cars[subject])
        self.now_s = self.until_s
        for car in self.cars:
            if car.doing is Doing.DRIVING:
                car.drive_s += self.until_s - car.since_s
            elif car.doing is Doing.WAITING:
                car.wait_s += self.until_s - car.since_s
        return self.cars

    # What policies may ask.

    def fits(self, car: Car) -> NDArray[np.bool_]:
        """Which EVSEs have a plug for this car."""
        mask = car.demand.vehicle.connector_mask
        if mask == 0:
            return np.ones(len(self.district), dtype=bool)
        return np.asarray((self.district.connector_mask & mask) != 0)

    def drive_s(self, car: Car) -> NDArray[np.float64]:
        """Driving times from where the car is now to every station."""
        latitude_deg, longitude_deg = self.position(car)
        return self.travel.drive_s(latitude_deg, longitude_deg, self.now_s)

    def position(self, car: Car) -> tuple[float, float]:
        """Where the car is: on the line between its start and its station while it drives."""
        if car.doing is not Doing.DRIVING or car.arrives_s <= car.since_s:
            return car.latitude_deg, car.longitude_deg
        share = min((self.now_s - car.since_s) / (car.arrives_s - car.since_s), 1.0)
        to_lat = float(self.district.station_lat_deg[car.station])
        to_lon = float(self.district.station_lon_deg[car.station])
        return (
            car.latitude_deg + share * (to_lat - car.latitude_deg),
            car.longitude_deg + share * (to_lon - car.longitude_deg),
        )

    def charge_s(self, car: Car, evse: int) -> float:
        """Seconds that this car still needs at this EVSE."""
        if car.demand.charge_s is not None:
            return car.demand.charge_s * (1.0 - car.done_share)
        power_kw = self.district.max_power_kw[evse : evse + 1].astype(np.float64)
        dc = self.district.dc[evse : evse + 1]
        target_pct = car.demand.target_soc_pct
        return float(charging_s(car.demand.vehicle, power_kw, dc, car.soc_pct, target_pct)[0])

    # What happens.

    def _at(self, at_s: float, what: str, subject: int, version: int) -> None:
        heapq.heappush(self._heap, (at_s, next(self._order), what, subject, version))

    def _step(self, what: str, car: Car) -> None:
        if what == "request":
            self._send(car, self.policy.choose(self, car))
        elif what == "arrives":
            self._arrives(car)
        else:
            self._leaves(car)

    def _send(self, car: Car, choice: Choice | None) -> None:
        """Starts the drive; a car that has nowhere to go stays and waits where it is."""
        self.let_go(car)
        car.version += 1
        if choice is None:
            car.doing, car.since_s = Doing.WAITING, self.now_s
            return
        drive_s = float(self.drive_s(car)[choice.station])
        car.latitude_deg, car.longitude_deg = self.position(car)
        car.doing, car.station, car.since_s = Doing.DRIVING, choice.station, self.now_s
        car.arrives_s = self.now_s + drive_s
        if choice.evse >= 0:
            car.evse = choice.evse
            self.held[choice.evse][car.index] = (choice.from_s, choice.to_s)
        self._at(car.arrives_s, "arrives", car.index, car.version)

    def let_go(self, car: Car) -> None:
        """Gives back what is held for a car."""
        if car.evse >= 0:
            self.held[car.evse].pop(car.index, None)
        car.evse = -1

    def _arrives(self, car: Car) -> None:
        car.drive_s += self.now_s - car.since_s
        car.latitude_deg = float(self.district.station_lat_deg[car.station])
        car.longitude_deg = float(self.district.station_lon_deg[car.station])
        car.doing, car.since_s = Doing.WAITING, self.now_s
        car.tried.add(car.station)
        self.queue[car.station].append(car.index)
        self._serve(car.station)
        if car.doing is Doing.WAITING:
            self._drive_on(car)

    def _drive_on(self, car: Car) -> None:
        """Sends a waiting car elsewhere when no plug for it works here; else it keeps waiting."""
        here = (self.district.station == car.station) & self.fits(car)
        if np.any(here & (self.unusable == 0)):
            return
        choice = self.policy.choose(self, car)
        if choice is None or choice.station == car.station:
            return
        self.queue[car.station].remove(car.index)
        car.wait_s += self.now_s - car.since_s
        car.turned_away += 1
        self._send(car, choice)

    def _serve(self, station: int) -> None:
        """Plugs in whoever may take a free plug of this station, in order of arrival."""
        start = int(self.district.station_start[station])
        rows = range(start, start + int(self.district.station_size[station]))
        free = [e for e in rows if self.occupant[e] < 0 and self.unusable[e] == 0]
        for index in list(self.queue[station]):
            car = self.cars[index]
            evse = self._place(car, free)
            if evse >= 0:
                free.remove(evse)
                self.queue[station].remove(index)
                self._plugs_in(car, evse)

    def _place(self, car: Car, free: list[int]) -> int:
        """The free plug that this car takes: its own, else the first nobody needs meanwhile."""
        if car.evse in free:
            return car.evse
        mask = car.demand.vehicle.connector_mask
        for evse in free:
            if mask and not int(self.district.connector_mask[evse]) & mask:
                continue
            ends_s = self.now_s + self.charge_s(car, evse)
            held = self.held[evse].items()
            if not any(f < ends_s and t > self.now_s for o, (f, t) in held if o != car.index):
                return evse
        return -1

    def _plugs_in(self, car: Car, evse: int) -> None:
        self.let_go(car)
        car.wait_s += self.now_s - car.since_s
        car.doing, car.since_s, car.evse = Doing.CHARGING, self.now_s, evse
        self.occupant[evse] = car.index
        self.ends_s[evse] = self.now_s + self.charge_s(car, evse)
        self.district.served_today[evse] += 1
        car.version += 1
        self._at(float(self.ends_s[evse]), "leaves", car.index, car.version)

    def _leaves(self, car: Car) -> None:
        evse, car.evse = car.evse, -1
        car.doing, car.soc_pct = Doing.LEFT, car.demand.target_soc_pct
        self.occupant[evse] = -1
        self._serve(car.station)

    def _breaks(self, disturbance: Disturbance) -> None:
        evse = self.district.row[disturbance.evse_id]
        self.unusable[evse] += 1
        index = int(self.occupant[evse])
        if index >= 0 and disturbance.kind is DisturbanceKind.FAULT:
            self._interrupts(self.cars[index], evse)
        self._changed(int(self.district.station[evse]))

    def _interrupts(self, car: Car, evse: int) -> None:
        """Ends a session before its time: the car goes to the queue's head with what it has."""
        share = (self.now_s - car.since_s) / max(float(self.ends_s[evse]) - car.since_s, 1e-9)
        car.soc_pct += share * (car.demand.target_soc_pct - car.soc_pct)
        car.done_share += share * (1.0 - car.done_share)
        self.occupant[evse] = -1
        car.doing, car.since_s, car.evse = Doing.WAITING, self.now_s, -1
        car.version += 1
        self.queue[car.station].insert(0, car.index)

    def _mends(self, disturbance: Disturbance) -> None:
        evse = self.district.row[disturbance.evse_id]
        self.unusable[evse] -= 1
        self._changed(int(self.district.station[evse]))

    def _changed(self, station: int) -> None:
        """Serves, sends away who waits in vain, and lets the policy revise cars on their way."""
        self._serve(station)
        for index in list(self.queue[station]):
            self._drive_on(self.cars[index])
        for car in self.cars:
            if car.doing is Doing.DRIVING and car.station == station:
                choice = self.policy.revise(self, car)
                if choice is not None and (choice.station, choice.evse) != (car.station, car.evse):
                    car.drive_s += self.now_s - car.since_s
                    car.switches += 1
                    self._send(car, choice)


def _car(index: int, demand: Demand) -> Car:
    return Car(
        index,
        demand,
        latitude_deg=demand.latitude_deg,
        longitude_deg=demand.longitude_deg,
        soc_pct=demand.soc_pct,
    )
