"""What a run came to: indexes of one policy, a comparison of several, a table to print."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from city_sim.cars import Car, Policy
from city_sim.engine import Engine
from city_sim.policies.free_now import Nearest
from city_sim.policies.named import policies as policies
from city_sim.scenarios import Scenario
from coordinator.core.district import District
from coordinator.core.indexes import gini, variation


@dataclass(frozen=True, slots=True)
class Indexes:
    """Means over all cars that asked; the unfinished count with their time so far.

    Minutes; `gini` and `cv` are of the cars begun at each plug, 0 is perfect balance.
    """

    cars: int
    served: int
    unfinished: int
    mean_drive_min: float
    mean_wait_min: float
    mean_drive_plus_wait_min: float
    p95_drive_plus_wait_min: float
    turned_away: int
    switches: int
    gini: float
    cv: float


def indexes(cars: Sequence[Car], served_by_plug: NDArray[np.int32]) -> Indexes:
    """The indexes of a run that has ended; all zero without cars."""
    drive = np.array([car.drive_s for car in cars] or [0.0]) / 60.0
    wait = np.array([car.wait_s for car in cars] or [0.0]) / 60.0
    served = sum(car.served for car in cars)
    return Indexes(
        cars=len(cars),
        served=served,
        unfinished=len(cars) - served,
        mean_drive_min=float(drive.mean()),
        mean_wait_min=float(wait.mean()),
        mean_drive_plus_wait_min=float((drive + wait).mean()),
        p95_drive_plus_wait_min=float(np.quantile(drive + wait, 0.95)),
        turned_away=sum(car.turned_away for car in cars),
        switches=sum(car.switches for car in cars),
        gini=gini(served_by_plug.astype(np.float64)),
        cv=variation(served_by_plug.astype(np.float64)),
    )


def play(scene: Scenario, policy: Policy) -> Indexes:
    """The indexes of one policy in one scene."""
    return indexes(*played(scene, policy))


def played(scene: Scenario, policy: Policy) -> tuple[list[Car], NDArray[np.int32]]:
    """The cars of a run that has ended, and how many began at each plug.

    Walk-ins drive to the nearest station unseen.
    """
    engine = Engine(
        scene.stations,
        scene.demands,
        policy,
        until_s=scene.until_s,
        disturbances=scene.disturbances,
        travel=scene.travel(District(scene.stations)),
        tariffs=scene.tariffs,
        strangers=Nearest(),
    )
    cars = engine.run()
    policy.ended()
    return cars, engine.district.served_today


def compare(
    scenes: Sequence[Scenario], made: Mapping[str, Callable[[Scenario], Policy]]
) -> dict[str, dict[str, float]]:
    """Means of the indexes over the scenes, by policy; every policy plays every scene."""
    results: dict[str, dict[str, float]] = {}
    for name, make in made.items():
        rows = [asdict(play(scene, make(scene))) for scene in scenes]
        results[name] = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    return results


def table(results: Mapping[str, Mapping[str, float]]) -> str:
    """The comparison as plain text, one line a policy."""
    columns = (
        ("mean_drive_min", "drive"),
        ("mean_wait_min", "wait"),
        ("mean_drive_plus_wait_min", "drive+wait"),
        ("p95_drive_plus_wait_min", "p95"),
        ("served", "served"),
        ("unfinished", "unfinished"),
        ("gini", "gini"),
        ("switches", "switches"),
    )
    width = max(len(name) for name in (*results, "policy"))
    lines = ["  ".join(["policy".ljust(width), *(f"{title:>10}" for _, title in columns)])]
    for name, row in results.items():
        lines.append("  ".join([name.ljust(width), *(f"{row[key]:>10.2f}" for key, _ in columns)]))
    return "\n".join(lines)
