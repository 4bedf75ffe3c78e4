"""The city's clock: cars ask, drive, queue, charge and leave; plugs fail and come back.

Event-driven and without chance: the same demand, disturbances and policy give the same outcome.
What a car does is decided by a `Policy`; this file only moves time and keeps who stands where.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from city_sim.cars import Car, Choice, Doing, Policy
from city_sim.city import StraightTravel, Travel, charging_s
from city_sim.demand import Demand, Disturbance, DisturbanceKind
from city_sim.turns import line_up, place_for
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus, Station, Tariff

# A car that nothing could be said to asks again after this.
ASK_AGAIN_S = 120.0
ROUNDS = 8  # of seeing and plugging in that one event can lead to


class Engine:
    """One run. `now_s` is the clock; `district` is what a perfect report would show.

    `strangers` decides for walk-ins, which `policy` does not know; without it they ask like
    everybody.
    """

    def __init__(
        self,
        stations: Sequence[Station],
        demands: Sequence[Demand],
        policy: Policy,
        *,
        until_s: float,
        disturbances: Sequence[Disturbance] = (),
        travel: Travel | None = None,
        tariffs: Sequence[Tariff] = (),
        strangers: Policy | None = None,
    ) -> None:
        self.district = District(stations)
        self.district.put_tariffs(tariffs)
        self.travel = travel or StraightTravel(self.district)
        self.policy, self._strangers = policy, strangers or policy
        self.until_s = until_s
        self.now_s = 0.0
        self.cars = [Car.of(i, d) for i, d in enumerate(demands) if d.at_s < until_s]
        n_evse, n_station = len(self.district), len(self.district.stations)
        self.occupant = np.full(n_evse, -1, dtype=np.intp)
        self.ends_s = np.full(n_evse, -np.inf)
        self.faults: NDArray[np.int64] = np.zeros(n_evse, dtype=np.int64)
        self.blocks: NDArray[np.int64] = np.zeros(n_evse, dtype=np.int64)
        self.queue: list[list[int]] = [[] for _ in range(n_station)]
        self.held: list[dict[int, tuple[float, float]]] = [{} for _ in range(n_evse)]
        self.events = 0
        self._heap: list[tuple[float, int, str, int, int]] = []
        self._order = count()
        self._disturbances = disturbances
        self.district.status[:] = EvseStatus.AVAILABLE
        for car in self.cars:
            self._at(car.demand.at_s, "request", car.index, 0)
        if policy.period_s and self.cars:
            self._at(self.cars[0].demand.at_s + policy.period_s, "tick", 0, 0)
        for index, disturbance in enumerate(disturbances):
            self._at(disturbance.from_s, "breaks", index, 0)
            if disturbance.to_s < until_s:
                self._at(disturbance.to_s, "mends", index, 0)

    def run(self) -> list[Car]:
        """Every car as it stands at `until_s`, its times counted up to then."""
        while self._heap and self._heap[0][0] < self.until_s:
            self.now_s, _, what, subject, version = heapq.heappop(self._heap)
            self.events += 1
            if what == "tick":
                self._tick()
            elif what in ("breaks", "mends"):
                self._disturb(self._disturbances[subject], 1 if what == "breaks" else -1)
            elif version == self.cars[subject].version:
                self._step(what, self.cars[subject])
        self.now_s = self.until_s
        for car in self.cars:
            if car.doing is Doing.DRIVING:
                car.drive_s += self.until_s - car.since_s
            elif car.doing is Doing.WAITING:
                car.wait_s += self.until_s - car.since_s
        return self.cars

    def usable(self) -> NDArray[np.bool_]:
        """Which EVSEs neither failed nor are blocked."""
        return np.asarray((self.faults == 0) & (self.blocks == 0))

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
        """Where the car is now."""
        if car.doing is not Doing.DRIVING:
            return car.latitude_deg, car.longitude_deg
        to_lat, to_lon = self.district.station_lat_deg, self.district.station_lon_deg
        return car.on_the_way(self.now_s, (to_lat[car.station], to_lon[car.station]))

    def charge_s(self, car: Car, evse: int) -> float:
        """Seconds that this car still needs at this EVSE."""
        if car.demand.charge_s is not None:
            return car.demand.charge_s * (1.0 - car.done_share)
        power_kw = self.district.max_power_kw[evse : evse + 1].astype(np.float64)
        dc = self.district.dc[evse : evse + 1]
        target_pct = car.demand.target_soc_pct
        return float(charging_s(car.demand.vehicle, power_kw, dc, car.soc_pct, target_pct)[0])

    def _at(self, at_s: float, what: str, subject: int, version: int) -> None:
        heapq.heappush(self._heap, (at_s, next(self._order), what, subject, version))

    def _tick(self) -> None:
        """Lets the policy look at all cars, as long as there are any."""
        self.policy.tick(self)
        self._settle()
        if any(car.doing is not Doing.LEFT for car in self.cars):
            self._at(self.now_s + self.policy.period_s, "tick", 0, 0)

    def move(self, car: Car, choice: Choice) -> None:
        """Sends a car that drives, or waits at its station, to what is now held for it."""
        if choice.station == car.station:
            return self._hold(car, choice)
        car.switches += 1
        if car.doing is Doing.DRIVING:
            car.drive_s += self.now_s - car.since_s
        elif car.index in self.queue[car.station]:
            self.queue[car.station].remove(car.index)
            car.wait_s += self.now_s - car.since_s
        return self._send(car, choice)

    def _policy_of(self, car: Car) -> Policy:
        return self._strangers if car.demand.walk_in else self.policy

    def _step(self, what: str, car: Car) -> None:
        if what == "request":
            if car.doing is Doing.WAITING:
                car.wait_s += self.now_s - car.since_s
            self._send(car, self._policy_of(car).choose(self, car))
            self._settle()
        elif what == "arrives":
            self._arrives(car)
        else:
            self._leaves(car)

    def _send(self, car: Car, choice: Choice | None) -> None:
        """Starts the drive; a car that has nowhere to go waits where it is and asks again."""
        self.let_go(car)
        car.version += 1
        if choice is None:
            car.doing, car.since_s = Doing.WAITING, self.now_s
            self._at(self.now_s + ASK_AGAIN_S, "request", car.index, car.version)
            return
        drive_s = float(self.drive_s(car)[choice.station])
        car.latitude_deg, car.longitude_deg = self.position(car)
        car.doing, car.station, car.since_s = Doing.DRIVING, choice.station, self.now_s
        car.arrives_s = self.now_s + drive_s
        self._hold(car, choice)
        self._at(car.arrives_s, "arrives", car.index, car.version)

    def _hold(self, car: Car, choice: Choice) -> None:
        self.let_go(car)
        if choice.evse >= 0:
            car.evse = choice.evse
            self.held[choice.evse][car.index] = (choice.from_s, choice.to_s)

    def let_go(self, car: Car) -> None:
        """Keeps nothing for a car any more."""
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
        self._policy_of(car).arrived(self, car)
        self._settle(car.station)
        if car.index in self.queue[car.station]:
            self._drive_on(car)

    def _drive_on(self, car: Car) -> None:
        """Asks again for a waiting car that no plug here, or not the one held for it, can serve."""
        usable = self.usable()
        here = (self.district.station == car.station) & self.fits(car) & usable
        if here.any() and (car.evse < 0 or usable[car.evse]):
            return
        choice = self._policy_of(car).choose(self, car)
        if choice is None or (choice.station == car.station and choice.evse < 0):
            return
        if choice.station == car.station:
            self._hold(car, choice)
            return
        self.queue[car.station].remove(car.index)
        car.wait_s += self.now_s - car.since_s
        car.turned_away += 1
        self._send(car, choice)

    def _settle(self, *stations: int) -> None:
        """Tells the policy what was seen, and plugs in whoever may, until nothing more happens."""
        changed = set(stations)
        for _ in range(ROUNDS):
            line_up(self, changed)
            changed |= self.policy.react(self)
            if not changed:
                return
            changed = {station for station in sorted(changed) if self._serve(station)}

    def _serve(self, station: int) -> bool:
        """Plugs in whoever may take a free plug of this station, in order of arrival."""
        here = (self.district.station == station) & (self.occupant < 0) & self.usable()
        free = np.flatnonzero(here).tolist()
        served = False
        for index in list(self.queue[station]):
            evse = place_for(self, self.cars[index], free)
            if evse >= 0:
                served = True
                free.remove(evse)
                self.queue[station].remove(index)
                self._plugs_in(self.cars[index], evse)
        return served

    def _plugs_in(self, car: Car, evse: int) -> None:
        self.let_go(car)
        car.wait_s += self.now_s - car.since_s
        car.doing, car.since_s, car.evse = Doing.CHARGING, self.now_s, evse
        self.occupant[evse] = car.index
        self.ends_s[evse] = self.now_s + self.charge_s(car, evse)
        self.district.served_today[evse] += 1
        car.version += 1
        self._at(float(self.ends_s[evse]), "leaves", car.index, car.version)
        self._policy_of(car).plugged(self, car)
        self._restate(evse)

    def _leaves(self, car: Car) -> None:
        evse, car.evse = car.evse, -1
        car.doing, car.soc_pct = Doing.LEFT, car.demand.target_soc_pct
        self.occupant[evse] = -1
        self._restate(evse)
        self._policy_of(car).gone(self, car)
        self._settle(car.station)

    def _disturb(self, disturbance: Disturbance, by: int) -> None:
        evse = self.district.row[disturbance.evse_id]
        fault = disturbance.kind is DisturbanceKind.FAULT
        (self.faults if fault else self.blocks)[evse] += by
        index = int(self.occupant[evse])
        if index >= 0 and fault and by > 0:
            self._interrupts(self.cars[index], evse)
        self._restate(evse)
        station = int(self.district.station[evse])
        self._settle(station)
        for index in list(self.queue[station]):
            self._drive_on(self.cars[index])

    def _interrupts(self, car: Car, evse: int) -> None:
        """Ends a session before its time: the car goes to the queue's head with what it has."""
        share = (self.now_s - car.since_s) / max(float(self.ends_s[evse]) - car.since_s, 1e-9)
        car.soc_pct += share * (car.demand.target_soc_pct - car.soc_pct)
        car.done_share += share * (1.0 - car.done_share)
        self.occupant[evse] = -1
        car.doing, car.since_s, car.evse = Doing.WAITING, self.now_s, -1
        car.version += 1
        self._policy_of(car).gone(self, car)
        self.queue[car.station].insert(0, car.index)

    def _restate(self, evse: int) -> None:
        """Writes what a report of this EVSE would say."""
        district, occupied = self.district, self.occupant[evse] >= 0
        if self.faults[evse] > 0:
            status = EvseStatus.OUTOFORDER
        elif occupied:
            status = EvseStatus.CHARGING
        else:
            status = EvseStatus.BLOCKED if self.blocks[evse] > 0 else EvseStatus.AVAILABLE
        before = EvseStatus(district.status[evse])
        if status != before:
            district.status[evse] = status
            district.changed_at_s[evse] = self.now_s
            self.policy.restated(self, evse, before, status)
