"""What would have happened to the same cars if each had driven to the nearest station.

One function, for whoever has real requests at hand and wants the comparison at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from city_sim.cars import Car
from city_sim.city import Travel
from city_sim.demand import Demand, Disturbance
from city_sim.engine import Engine
from city_sim.policies import Nearest
from coordinator.core.pile import Station


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over all cars that asked before the end; the unfinished count with their time so far.

    `served` cars have begun to charge; `drive_plus_wait_s` has one value a car, in demand order.
    """

    cars: int
    served: int
    unfinished: int
    mean_drive_s: float
    mean_wait_s: float
    mean_drive_plus_wait_s: float
    drive_plus_wait_s: tuple[float, ...]

    @property
    def mean_drive_plus_wait_min(self) -> float:
        """The headline: minutes from the request to the beginning of charging."""
        return self.mean_drive_plus_wait_s / 60.0


def nearest_baseline(
    stations: Sequence[Station],
    requests: Sequence[Demand],
    disturbances: Sequence[Disturbance] = (),
    until_s: float = float("inf"),
    travel: Travel | None = None,
) -> Figures:
    """Figures of the nearest-pile policy on exactly these requests.

    Each car drives to the nearest station that has a plug for it, knowing nothing of what is free,
    and queues there first come, first served. Finding no working plug for it at all, it drives on
    to the nearest one it has not seen. Sessions last as long as `Demand.charge_s` says, else by
    vehicle, plug and state of charge. A fault ends the session on its EVSE, and the car goes to the
    head of that station's queue; a blocked bay only keeps others out.

    All instants (`Demand.at_s`, `Disturbance.from_s`, `to_s`, `until_s`) are on one clock, in
    seconds. Requests at or after `until_s` do not count. Cars that drive or wait at `until_s` count
    with their time so far. Driving is great circle × 1.3 at the speed that the coordinator assumes,
    unless `travel` says otherwise. Takes about 1 ms per 10 requests.

    Raises KeyError when a disturbance names an EVSE that no station has.
    """
    engine = Engine(
        stations,
        requests,
        Nearest(),
        until_s=until_s,
        disturbances=disturbances,
        travel=travel,
    )
    return figures(engine.run())


def figures(cars: Sequence[Car]) -> Figures:
    """The figures of a run that has ended; all zero without cars."""
    n = len(cars)
    drive_s = sum(car.drive_s for car in cars)
    wait_s = sum(car.wait_s for car in cars)
    served = sum(car.served for car in cars)
    return Figures(
        cars=n,
        served=served,
        unfinished=n - served,
        mean_drive_s=drive_s / max(n, 1),
        mean_wait_s=wait_s / max(n, 1),
        mean_drive_plus_wait_s=(drive_s + wait_s) / max(n, 1),
        drive_plus_wait_s=tuple(car.drive_s + car.wait_s for car in cars),
    )
