"""What a choice of piles for all cars comes to: the paper's five indexes, and who finds no room.

The indexes are the product's own; means over seeds are made in `summary.py`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from city_sim.paper.configurations import GRADES
from city_sim.paper.instance import KWH_PER_KM, PRICE_PER_KWH, RATED_KWH, Instance
from city_sim.paper.queues import queued
from coordinator.core.indexes import (
    JAMMED_GRADE,
    gini,
    point_demand_km,
    total_cost,
    traffic,
    variation,
)
from coordinator.core.passing import cars_passing, cell_loads, in_step

Index = NDArray[np.intp]
Loads = dict[tuple[int, int], int]  # cars by cell


@dataclass(frozen=True, slots=True)
class Figures:
    """One choice in one scene. `cv` and `gini` are of the cars served at each plug.

    `served` cars fit the slots of the stations that they were sent to, `over` do not, and
    `stations_over` have more cars than slots. `passing` sums, over stations, the cars whose way
    comes within 200 m, those that charge there left out. Ways are graded by L of the configuration
    (`mean_grade`, `jammed_share`: from grade 4), and loads are cars through a cell of 250 m.

    Source: paper 2.4, Fig. 3.
    """

    total_km: float
    served: int
    passing: int
    cost: float
    mean_total_time_h: float
    gini: float
    cv: float
    over: int
    stations_over: int
    mean_grade: float
    jammed_share: float
    mean_load: float
    max_load: float
    mean_load_change: float
    max_load_change: float

    def row(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


def unguided(scene: Instance) -> Loads:
    """Loads of cells if every car drove to its nearest station. Source: paper 2.4."""
    return loads_of(scene, scene.distance_km.argmin(axis=1))


def loads_of(scene: Instance, chosen: Index) -> Loads:
    """Cars through each cell of the map by a choice. Source: paper 2.4."""
    return cell_loads(scene.cars_km, scene.stations_km[chosen], np.arange(scene.cars))


def judged(scene: Instance, chosen: Index, without: Loads) -> Figures:
    """The figures of a choice (n,); `without` are the loads of unguided cars."""
    car = np.arange(scene.cars)
    ways_km = scene.distance_km[car, chosen]
    count = np.bincount(chosen, minlength=scene.size.stations)
    over = np.maximum(count - scene.size.slots_per_station, 0)
    totals_h, served = queued(scene, chosen)
    plugs = served.astype(np.float64)
    passing = cars_passing(scene.cars_km, scene.stations_km[chosen], car, scene.stations_km)
    grades = np.minimum(scene.load[car, chosen], float(GRADES))
    here, before = in_step(loads_of(scene, chosen), without)
    loads = traffic(here, None, before)
    kwh = RATED_KWH - scene.left_kwh + KWH_PER_KM * ways_km
    return Figures(
        total_km=point_demand_km(ways_km),
        served=int(scene.cars - over.sum()),
        passing=int(passing.sum()) - scene.cars,
        cost=total_cost(kwh * PRICE_PER_KWH),
        mean_total_time_h=float(totals_h.mean()),
        gini=gini(plugs),
        cv=variation(plugs),
        over=int(over.sum()),
        stations_over=int((over > 0).sum()),
        mean_grade=float(grades.mean()),
        jammed_share=float((grades >= JAMMED_GRADE).mean()),
        mean_load=loads.mean_load,
        max_load=loads.max_load,
        mean_load_change=loads.mean_change,
        max_load_change=loads.max_change,
    )
