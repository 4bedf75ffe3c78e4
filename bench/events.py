"""The city's clock alone: events a second with a policy that does not think, against a bare heap.

An event is one that is taken from the engine's heap. The ceiling pushes and takes as many from a
bare `heapq` of the same size, and changes a number. Scenes and policies are not measured here.
"""

from __future__ import annotations

import argparse
import heapq
import json
import time
from collections.abc import Sequence
from itertools import count

import numpy as np

from city_sim.cars import Car, Choice
from city_sim.demand import Demand
from city_sim.engine import Engine
from city_sim.policies.blind import Blind
from coordinator.core.pile import Connector, Evse, Pile, PowerType, Station

STATIONS, PLUGS = 200, 10
LOAD, CHARGE_S = 0.9, 1_800.0
ROUNDS = 3


class Null(Blind):
    """Sends each car to the next station of the list."""

    name = "null"

    def choose(self, engine: Engine, car: Car) -> Choice | None:
        """The station whose turn it is."""
        return Choice(car.index % STATIONS)


def stations() -> list[Station]:
    """A square of stations, a km apart."""
    plug = (Connector("1", 19, PowerType.DC, 60.0),)
    return [
        Station(
            f"S{n}",
            f"S{n}",
            22.5 + n // 15 * 0.009,
            114.0 + n % 15 * 0.0097,
            tuple(Pile(f"S{n}-{k}", f"S{n}", (Evse(f"S{n}-{k}*1", plug),)) for k in range(PLUGS)),
        )
        for n in range(STATIONS)
    ]


def demands(cars: int, seed: int) -> list[Demand]:
    """Cars all over the square, at such a pace that nearly all plugs are in use."""
    rng = np.random.default_rng(seed)
    pace_s = CHARGE_S / (STATIONS * PLUGS * LOAD)
    at_s = np.cumsum(rng.exponential(pace_s, cars)).tolist()
    at = rng.uniform((22.5, 114.0), (22.62, 114.14), (cars, 2)).tolist()
    charge_s = rng.uniform(0.5 * CHARGE_S, 1.5 * CHARGE_S, cars).tolist()
    return [Demand(at_s[n], at[n][0], at[n][1], 30.0, charge_s=charge_s[n]) for n in range(cars)]


def engine_once(cars: int, seed: int) -> tuple[int, float, float]:
    """Events, seconds by the clock and of CPU of one run; making the cars is not counted."""
    engine = Engine(stations(), demands(cars, seed), Null(), until_s=float("inf"))
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    engine.run()
    return engine.events, time.perf_counter() - wall_s, time.process_time() - cpu_s


def heap_once(events: int, waiting: int, seed: int) -> tuple[float, float]:
    """Seconds by the clock and of CPU of as many pushes and takes in a heap of this size."""
    later_s = np.random.default_rng(seed).exponential(CHARGE_S, events).tolist()
    order, seen = count(), 0
    heap = [(at_s, next(order), "event", 0, 0) for at_s in later_s[:waiting]]
    heapq.heapify(heap)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    for at_s in later_s:
        now_s, _, _, _, version = heapq.heappop(heap)
        seen += version
        heapq.heappush(heap, (now_s + at_s, next(order), "event", 0, 0))
    return time.perf_counter() - wall_s, time.process_time() - cpu_s


def main(arguments: Sequence[str] | None = None) -> None:
    """Takes the best of some rounds, product and ceiling in turns."""
    parser = argparse.ArgumentParser(prog="python -m bench.events", description=__doc__)
    parser.add_argument("--cars", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one object, the only form there is")
    options = parser.parse_args(arguments)
    ours, bare = [], []
    for _ in range(ROUNDS):
        events, wall_s, cpu_s = engine_once(options.cars, options.seed)
        ours.append((events / wall_s, events / cpu_s))
        wall_s, cpu_s = heap_once(events, STATIONS * PLUGS, options.seed)
        bare.append((events / wall_s, events / cpu_s))
    by_clock, by_cpu = (max(rates) for rates in zip(*ours, strict=True))
    bare_clock, bare_cpu = (max(rates) for rates in zip(*bare, strict=True))
    told = {
        "events": events, "cars": options.cars, "plugs": STATIONS * PLUGS,
        "events_per_s": round(by_clock), "events_per_cpu_s": round(by_cpu),
        "ceiling_events_per_s": round(bare_clock), "ceiling_events_per_cpu_s": round(bare_cpu),
        "ratio": round(min(by_clock / bare_clock, by_cpu / bare_cpu), 4),
    }  # fmt: skip
    print(json.dumps(told, separators=(",", ":")), flush=True)


if __name__ == "__main__":
    main()
