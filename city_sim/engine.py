"""The city's clock: cars ask, drive, queue, and go on.

Event-driven and without chance: the same demand, disturbances and policy give the same outcome.
What a car does is decided by a `Policy`; this file only moves time and keeps who stands where. What
happens at a plug is in `plugs.py`, whose turn it is in `turns.py`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from city_sim import plugs
from city_sim.cars import Car, Choice, Doing, Policy
from city_sim.city import StraightTravel, Travel, charging_s
from city_sim.demand import Demand, Disturbance
from city_sim.sites import Sites
from city_sim.streets import Streets
from city_sim.turns import line_up, place_for
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus, Station, Tariff, User
from coordinator.core.usual import put_users

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
        put_users(self.district, [User(d.user_id, vip=True) for d in demands if d.vip])
        self.travel = travel or StraightTravel(self.district)
        self._streets = self.travel if isinstance(self.travel, Streets) else None
        self.policy, self._strangers = policy, strangers or policy
        self.until_s = until_s
        self.now_s = 0.0
        self.cars = [Car.of(i, d) for i, d in enumerate(demands) if d.at_s < until_s]
        self.sites = Sites(self.district)
        n_evse, n_station = len(self.district), len(self.district.stations)
        self.occupant = np.full(n_evse, -1, dtype=np.intp)
        self.ends_s = np.full(n_evse, -np.inf)
        self.faults: NDArray[np.int64] = np.zeros(n_evse, dtype=np.int64)
        self.blocks: NDArray[np.int64] = np.zeros(n_evse, dtype=np.int64)
        self.queue: list[list[int]] = [[] for _ in range(n_station)]
        self.lined_up: set[int] = set()  # stations whose queue counters show somebody
        self.left = 0  # cars that have gone
        self.held: list[dict[int, tuple[float, float]]] = [{} for _ in range(n_evse)]
        self.events = 0
        self._heap: list[tuple[float, int, str, int, int]] = []
        self._order = count(len(self.cars))
        self._disturbances = disturbances
        self._charge_s: dict[tuple[int, float, float, bool], float] = {}
        self.district.status[:] = EvseStatus.AVAILABLE
        self.status = [EvseStatus.AVAILABLE] * n_evse
        # Only the next to ask is in the heap: it stays as small as the cars under way are few.
        self._asking = iter(sorted(self.cars, key=lambda car: (car.demand.at_s, car.index)))
        self._next_asks()
        if self._streets is not None and self.cars:
            self.at(self.cars[0].demand.at_s + self._streets.period_s, "look", 0, 0)
        if policy.period_s and self.cars:
            self.at(self.cars[0].demand.at_s + policy.period_s, "tick", 0, 0)
        for index, disturbance in enumerate(disturbances):
            self.at(disturbance.from_s, "breaks", index, 0)
            if disturbance.to_s < until_s:
                self.at(disturbance.to_s, "mends", index, 0)

    def run(self) -> list[Car]:
        """Every car as it stands at `until_s`, its times counted up to then."""
        heap, cars = self._heap, self.cars
        while heap and heap[0][0] < self.until_s:
            self.now_s, _, what, subject, version = heapq.heappop(heap)
            self.events += 1
            if what == "asks":
                self._next_asks()
                self._request(cars[subject])
            elif what in _OF_CARS:
                if version == cars[subject].version:
                    _OF_CARS[what](self, cars[subject])
            elif what == "tick":
                self._tick()
            elif what == "look":
                self._look()
            else:
                self._disturb(self._disturbances[subject], 1 if what == "breaks" else -1)
        self.now_s = self.until_s
        for car in self.cars:
            car.count(self.until_s)
        return self.cars

    def usable(self) -> NDArray[np.bool_]:
        """Which EVSEs neither failed nor are blocked; not to be changed."""
        return self.sites.usable

    def fits(self, car: Car) -> NDArray[np.bool_]:
        """Which EVSEs have a plug for this car; not to be changed."""
        return self.sites.fits(car.demand.vehicle.connector_mask)

    def drive_s(self, car: Car) -> NDArray[np.float64]:
        """Driving times from where the car is now to every station."""
        return self.travel.drive_s(*self.position(car), self.now_s)

    def position(self, car: Car) -> tuple[float, float]:
        """Where the car is now."""
        if car.doing is not Doing.DRIVING:
            return car.latitude_deg, car.longitude_deg
        return car.on_the_way(self.now_s, self.sites.places[car.station])

    def charge_s(self, car: Car, evse: int) -> float:
        """Seconds that this car still needs at this EVSE."""
        if car.demand.charge_s is not None:
            return car.demand.charge_s * (1.0 - car.done_share)
        power_kw, dc = float(self.district.max_power_kw[evse]), bool(self.district.dc[evse])
        key = (car.index, car.soc_pct, power_kw, dc)
        if key not in self._charge_s:
            demand = car.demand
            self._charge_s[key] = float(
                charging_s(
                    demand.vehicle, np.array([power_kw]), np.array([dc]),
                    car.soc_pct, demand.target_soc_pct,
                )[0]
            )  # fmt: skip
        return self._charge_s[key]

    def at(self, at_s: float, what: str, subject: int, version: int) -> None:
        """Notes what will happen to a car, unless its version is another by then."""
        heapq.heappush(self._heap, (at_s, next(self._order), what, subject, version))

    def _next_asks(self) -> None:
        car = next(self._asking, None)
        if car is not None:
            heapq.heappush(self._heap, (car.demand.at_s, car.index, "asks", car.index, 0))

    def _tick(self) -> None:
        """Lets the policy look at all cars, as long as there are any."""
        self.policy.tick(self)
        self.settle()
        if self.left < len(self.cars):
            self.at(self.now_s + self.policy.period_s, "tick", 0, 0)

    def _look(self) -> None:
        """Lets the streets see how full they are, as long as there are cars."""
        if self._streets is not None and self.left < len(self.cars):
            self._streets.look(self.now_s)
            self.at(self.now_s + self._streets.period_s, "look", 0, 0)

    def move(self, car: Car, choice: Choice) -> None:
        """Sends a car that drives, or waits at its station, to what is now held for it."""
        if choice.station == car.station:
            return self._hold(car, choice)
        car.switches += 1
        car.count(self.now_s)
        if car.doing is Doing.WAITING and car.index in self.queue[car.station]:
            self.queue[car.station].remove(car.index)
        return self._send(car, choice)

    def policy_of(self, car: Car) -> Policy:
        """What decides for a car and hears of it."""
        return self._strangers if car.stranger else self.policy

    def _request(self, car: Car) -> None:
        car.count(self.now_s)
        self._send(car, self._asks(car))
        self.settle()

    def _leaves(self, car: Car) -> None:
        plugs.leave(self, car)
        self.settle(car.station)

    def _asks(self, car: Car) -> Choice | None:
        """What the car does by what it is told; one that disobeys is a stranger from then on."""
        choice = self.policy_of(car).choose(self, car)
        if not car.demand.disobeys or car.stranger:
            return choice
        car.stranger = True
        return self._strangers.choose(self, car)

    def _send(self, car: Car, choice: Choice | None) -> None:
        """Starts the drive; a car that has nowhere to go waits where it is and asks again."""
        self.let_go(car)
        car.version += 1
        if choice is None:
            car.doing, car.since_s = Doing.WAITING, self.now_s
            self.at(self.now_s + ASK_AGAIN_S, "asks again", car.index, car.version)
            return
        car.turns(*self.position(car))
        drive_s = self.travel.to_s(car.latitude_deg, car.longitude_deg, choice.station, self.now_s)
        if self._streets is not None:
            self._streets.set_out(car.latitude_deg, car.longitude_deg, choice.station)
        car.doing, car.station, car.since_s = Doing.DRIVING, choice.station, self.now_s
        car.arrives_s = self.now_s + drive_s
        self._hold(car, choice)
        self.at(car.arrives_s, "arrives", car.index, car.version)

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
        car.count(self.now_s)
        car.turns(*self.sites.places[car.station])
        car.doing, car.since_s = Doing.WAITING, self.now_s
        car.tried.add(car.station)
        self.queue[car.station].append(car.index)
        self.policy_of(car).arrived(self, car)
        self.settle(car.station)
        if car.index in self.queue[car.station]:
            self._drive_on(car)

    def _drive_on(self, car: Car) -> None:
        """Asks again for a waiting car that no plug here, or not the one held for it, can serve."""
        usable, rows = self.usable(), self.sites.rows[car.station]
        if (self.fits(car)[rows] & usable[rows]).any() and (car.evse < 0 or usable[car.evse]):
            return
        choice = self.policy_of(car).choose(self, car)
        if choice is None or (choice.station == car.station and choice.evse < 0):
            return
        if choice.station == car.station:
            self._hold(car, choice)
            return
        self.queue[car.station].remove(car.index)
        car.count(self.now_s)
        car.turned_away += 1
        self._send(car, choice)

    def settle(self, *stations: int) -> None:
        """Tells the policy what was seen, and plugs in whoever may, until nothing more happens."""
        changed: set[int] | Sequence[int] = stations
        for _ in range(ROUNDS):
            line_up(self, changed)
            moved = self.policy.react(self)
            if moved:
                changed = sorted(moved.union(changed))
            changed = [station for station in changed if self.queue[station]]
            changed = [station for station in changed if self._serve(station)]
            if not changed:
                return

    def _serve(self, station: int) -> bool:
        """Plugs in whoever may take a free plug of this station, in order of arrival."""
        queue, free = self.queue[station], self.sites.free[station]
        served = False
        for index in list(queue):
            if not free:
                break
            evse = place_for(self, self.cars[index], free)
            if evse >= 0:
                served = True
                queue.remove(index)
                plugs.plug_in(self, self.cars[index], evse)
        return served

    def _disturb(self, disturbance: Disturbance, by: int) -> None:
        evse = plugs.disturb(self, disturbance, by)
        self.sites.put(evse, bool(self.faults[evse] == 0 and self.blocks[evse] == 0))
        plugs.restate(self, evse)
        station = int(self.district.station[evse])
        self.settle(station)
        for index in list(self.queue[station]):
            self._drive_on(self.cars[index])


_OF_CARS: dict[str, Callable[[Engine, Car], None]] = {
    "arrives": Engine._arrives,
    "leaves": Engine._leaves,
    "asks again": Engine._request,
}
