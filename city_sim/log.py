"""What happened in the city, one JSON object a line: `python -m city_sim.log --out city.jsonl`.

First the stations, then every session when it ends. Read back by `training/sources/city_log.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from city_sim.cars import Car, Choice, Policy
from city_sim.engine import Engine
from city_sim.policies import Nearest
from city_sim.report import policies
from city_sim.scenarios import Scenario, generated
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus


@dataclass(slots=True)
class Logged:
    """A policy that decides as the one inside, and writes down who charged where and when."""

    inside: Policy
    out: TextIO
    _begun: dict[int, tuple[float, int, float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As the one inside is called."""
        return self.inside.name

    @property
    def period_s(self) -> float:
        """As often as the one inside looks at all cars; 0 for never."""
        return self.inside.period_s

    def tick(self, engine: Engine) -> None:
        """What the one inside does."""
        self.inside.tick(engine)

    def ended(self) -> None:
        """What the one inside does."""
        self.inside.ended()

    def choose(self, engine: Engine, car: Car) -> Choice | None:
        """What the one inside says."""
        return self.inside.choose(engine, car)

    def arrived(self, engine: Engine, car: Car) -> None:
        """What the one inside does."""
        self.inside.arrived(engine, car)

    def restated(self, engine: Engine, evse: int, before: EvseStatus, after: EvseStatus) -> None:
        """What the one inside does."""
        self.inside.restated(engine, evse, before, after)

    def react(self, engine: Engine) -> set[int]:
        """What the one inside says."""
        return self.inside.react(engine)

    def plugged(self, engine: Engine, car: Car) -> None:
        """Notes where and when a session began."""
        self._begun[car.index] = engine.now_s, car.evse, car.soc_pct
        self.inside.plugged(engine, car)

    def gone(self, engine: Engine, car: Car) -> None:
        """Writes a session that ended, of itself or by a fault."""
        if begun := self._begun.pop(car.index, None):
            write(self.out, _session(engine, car, *begun))
        self.inside.gone(engine, car)


def play_logged(scene: Scenario, policy: Policy, out: TextIO) -> list[Car]:
    """Plays a scene to its end and writes it down; gives the cars as they stand then."""
    for station in scene.stations:
        write(
            out,
            {
                "kind": "station",
                "station_id": station.station_id,
                "latitude_deg": station.latitude_deg,
                "longitude_deg": station.longitude_deg,
            },
        )
    engine = Engine(
        scene.stations,
        scene.demands,
        Logged(policy, out),
        until_s=scene.until_s,
        disturbances=scene.disturbances,
        travel=scene.travel(District(scene.stations)),
        tariffs=scene.tariffs,
        strangers=Logged(Nearest(), out),
    )
    return engine.run()


def write(out: TextIO, line: dict[str, Any]) -> None:
    """One line of the log."""
    out.write(json.dumps(line, separators=(",", ":")) + "\n")


def _session(
    engine: Engine, car: Car, begin_s: float, evse: int, start_soc_pct: float
) -> dict[str, Any]:
    district, demand = engine.district, car.demand
    station = district.stations[int(district.station[evse])]
    gained = max(car.soc_pct - start_soc_pct, 0.0) / 100.0
    return {
        "kind": "session",
        "car_id": demand.car_id or str(car.index),
        "user_id": demand.user_id,
        "station_id": station.station_id,
        "evse_id": district.evse_ids[evse],
        "asked_at_s": round(demand.at_s, 1),
        "begin_at_s": round(begin_s, 1),
        "end_at_s": round(engine.now_s, 1),
        "start_soc_pct": round(start_soc_pct, 2),
        "end_soc_pct": round(car.soc_pct, 2),
        "energy_kwh": round(gained * demand.vehicle.battery_kwh, 3),
        "drive_s": round(car.drive_s, 1),
        "wait_s": round(car.wait_s, 1),
    }


def main(arguments: list[str] | None = None) -> int:
    """Plays one day of the made-up city and writes it into a file."""
    parser = argparse.ArgumentParser(prog="python -m city_sim.log", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="file for the lines")
    parser.add_argument("--seed", type=int, default=7, help="seed of city, drivers and faults")
    parser.add_argument("--cars", type=int, default=800, help="cars that ask within the day")
    parser.add_argument("--policy", choices=sorted(policies()), default="pilewise")
    options = parser.parse_args(arguments)
    scene = generated(options.seed, options.cars)
    with options.out.open("w", encoding="utf-8") as out:
        cars = play_logged(scene, policies()[options.policy](scene), out)
    sys.stderr.write(f"{sum(car.served for car in cars)} of {len(cars)} cars were served\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
