"""How soon cars could begin at best if everything were known: a bound for every policy.

All requests are given at once, and a min-cost assignment sends each car that asks and counts to a
place in the row of a plug. What is relaxed: strangers, faults and the other cars do not exist; the
cars ahead in a row have the shortest charges of all, and the first of them begins when the first
car of all could be there; beyond `PLACES` in a row, and beyond the `NEAREST` stations, there is
room for everybody.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from city_sim.cars import Car
from city_sim.engine import Engine
from city_sim.policies.free_now import Nearest
from city_sim.scenarios import Scenario
from coordinator.core.district import District

Float64 = NDArray[np.float64]
Index = NDArray[np.intp]

NEAREST, PLACES = 12, 3
MOST_ARCS = 1_500_000  # more take minutes


def least_drive_plus_wait_s(scene: Scenario, most_arcs: int = MOST_ARCS) -> float | None:
    """A lower bound of the mean drive + wait of the cars that ask and count.

    None without such cars, or where they are too many to be assigned in reasonable time.
    """
    engine = Engine(
        scene.stations, scene.demands, Nearest(), until_s=scene.until_s,
        travel=scene.travel(District(scene.stations)),
    )  # fmt: skip
    cars = [c for c in engine.cars if not c.demand.walk_in and scene.counts(c.demand.at_s)]
    plugs = engine.district.station_size.astype(np.intp)
    most = int(np.sort(plugs)[::-1][:NEAREST].sum())
    if not cars or len(cars) * most * PLACES > most_arcs:
        return None
    drive_s = np.stack([_drive_s(engine, car) for car in cars])
    asked_s = np.array([car.demand.at_s for car in cars])
    charge_s = np.sort([_shortest_s(engine, car) for car in cars])
    return _assigned_s(asked_s, drive_s, plugs, charge_s) / len(cars)


def _drive_s(engine: Engine, car: Car) -> Float64:
    """To every station when the car asks; infinite where no plug fits."""
    engine.now_s = car.demand.at_s
    count = len(engine.district.stations)
    fits = np.bincount(engine.district.station, engine.fits(car), count) > 0
    return np.where(fits, engine.drive_s(car), np.inf)


def _shortest_s(engine: Engine, car: Car) -> float:
    """The shortest charge at any plug that fits."""
    district = engine.district
    rows = np.flatnonzero(engine.fits(car))
    _, first = np.unique(
        np.stack([district.max_power_kw[rows], district.dc[rows]]), axis=1, return_index=True
    )
    return min((engine.charge_s(car, row) for row in rows[first].tolist()), default=0.0)


def _assigned_s(asked_s: Float64, drive_s: Float64, plugs: Index, charge_s: Float64) -> float:
    """The least sum over all cars of the time until they begin; `charge_s` ascending.

    Two cars at one plug, ten seconds away, the shorter charge takes a minute: one waits that long.

    >>> _assigned_s(np.zeros(2), np.full((2, 1), 10.0), np.array([1]), np.array([60.0, 90.0]))
    80.0
    """
    count, near = len(asked_s), min(NEAREST, plugs.size)
    order = np.argsort(drive_s, axis=1, kind="stable")
    first_s = (asked_s[:, None] + drive_s).min(axis=0)  # anybody could begin at a station
    ahead_s = np.concatenate([[0.0], np.cumsum(charge_s)[:PLACES]])
    ahead_s = np.pad(ahead_s, (0, PLACES + 1 - ahead_s.size), mode="edge")
    offset = np.cumsum(plugs) - plugs
    rows, columns, costs = [], [], []
    for car in range(count):
        stations = order[car, :near]
        stations = stations[np.isfinite(drive_s[car, stations])]
        begins_s = first_s[stations, None] + ahead_s - asked_s[car]
        cost_s = np.maximum(drive_s[car, stations][:, None], begins_s)
        for n, station in enumerate(stations.tolist()):
            size = int(plugs[station])
            places = (offset[station] + np.arange(size))[:, None] * PLACES + np.arange(PLACES)
            rows.append(np.full(places.size, car))
            columns.append(places.ravel())
            costs.append(np.tile(cost_s[n, :PLACES], size))
        elsewhere_s = drive_s[car, order[car, near]] if near < plugs.size else np.inf
        rows.append(np.array([car]))
        columns.append(np.array([int(plugs.sum()) * PLACES + car]))
        costs.append(np.array([min(elsewhere_s, cost_s[:, PLACES].min(initial=np.inf))]))
    cost = np.concatenate(costs) + 1.0  # an arc of nothing would be none
    known = np.isfinite(cost)
    graph = csr_array(
        (cost[known], (np.concatenate(rows)[known], np.concatenate(columns)[known])),
        shape=(count, int(plugs.sum()) * PLACES + count),
    )
    # Older matchers take 32-bit indices only.
    graph.indices, graph.indptr = graph.indices.astype(np.int32), graph.indptr.astype(np.int32)
    matched = min_weight_full_bipartite_matching(graph)
    return float(graph[matched].sum()) - count
