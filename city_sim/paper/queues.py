"""Who waits how long at a pile when all have set out at once: total times by Eq. (5) to (7).

The paper counts cars at a pile and leaves their queue out; here each is served in turn.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from city_sim.paper.instance import POWER_KW, RATED_KWH, SPEED_KMH, Instance
from coordinator.core.recommend.waiting import (
    charging_time_h,
    time_on_the_way_h,
    total_time_h,
)

Floats = NDArray[np.float64]
Index = NDArray[np.intp]


def queued(scene: Instance, chosen: Index) -> tuple[Floats, Index]:
    """Total time T of each car, hours, (n,), and how many cars each plug serves, (plugs,).

    Whoever arrives first takes the plug that is free first. Source: paper 2.3.2.2, Eq. (5)-(7).
    Departs: T_l is the time until everybody ahead has left, not the previous user alone.
    """
    size = scene.size
    totals_h = np.zeros(scene.cars)
    served = np.zeros(size.plugs, dtype=np.intp)
    free: list[list[tuple[float, int]]] = [
        [(0.0, station * size.plugs_per_station + n) for n in range(size.plugs_per_station)]
        for station in range(size.stations)
    ]
    way_km = scene.distance_km[np.arange(scene.cars), chosen]
    for car in np.argsort(way_km, kind="stable").tolist():
        station, left_kwh = int(chosen[car]), float(scene.left_kwh[car])
        way_h = time_on_the_way_h(float(way_km[car]), SPEED_KMH)
        charge_h = charging_time_h(RATED_KWH, left_kwh, POWER_KW)
        free_h, plug = heapq.heappop(free[station])
        queue_h = max(free_h - way_h, 0.0)
        totals_h[car] = total_time_h(charge_h, way_h, queue_h)
        served[plug] += 1
        heapq.heappush(free[station], (float(totals_h[car]), plug))
    return totals_h, served
