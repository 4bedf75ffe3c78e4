"""One policy in one scene, from a handful of parameters to figures; the same for the same run.

Many runs at once are played by `play_all.py`, what they say together is in `gains.py`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from city_sim.bound import least_drive_plus_wait_s
from city_sim.cars import Car, Policy
from city_sim.engine import Engine
from city_sim.past import NO_PAST, Past, with_past
from city_sim.policies.free_now import Nearest
from city_sim.policies.named import policies
from city_sim.recorder import Record, Recorder
from city_sim.report import indexes
from city_sim.run_figures import Played, run_figures
from city_sim.scenarios import CAMPUS_LAYOUT, Scenario
from city_sim.scenes.named import CAMPUS, SceneOptions, scene
from coordinator.core.district import District
from coordinator.core.vehicle import WarningLevel
from coordinator.models.serving import Serving, open_models, unhurried

OPTIMUM = "optimum"  # no policy: what none can beat
LEVELS = (WarningLevel.HIGH, WarningLevel.MEDIUM, WarningLevel.LOW)
# Wall time of this machine: the only figures that differ between two plays of one run.
MEASURED = ("decision_p50_ms", "decision_p95_ms")


@dataclass(frozen=True, slots=True)
class Run:
    """One policy in one scene; None leaves it to the scene. `past`: drivers and plugs have one."""

    policy: str
    cars: int | None
    seed: int
    walk_in_share: float | None = None
    failing_share: float | None = None
    layout: int = CAMPUS_LAYOUT
    scenario: str = CAMPUS
    stations: str = ""
    disobey_share: float | None = None
    vip_share: float | None = None
    load: float | None = None
    past: bool = False

    def scene(self) -> tuple[Scenario, Past]:
        """The scene, and what lies before it."""
        shared = {field.name for field in fields(SceneOptions)} & {f.name for f in fields(Run)}
        given = {name: getattr(self, name) for name in shared - {"stations"}}
        options = SceneOptions(Path(self.stations) if self.stations else None, **given)
        made = scene(self.scenario, self.seed, self.cars, options)
        return with_past(made, self.seed) if self.past else (made, NO_PAST)


def outcome(run: Run) -> dict[str, Any]:
    """Figures of the cars that asked and count; those who just came are counted apart. Minutes.

    The same for the same run, but for `MEASURED`. Levels go by the charge with which a car asked.
    """
    made, past = run.scene()
    if run.policy == OPTIMUM:
        least_s = least_drive_plus_wait_s(made)
        return {"mean_drive_plus_wait_min": None if least_s is None else least_s / 60.0}
    ours = run.policy.startswith("pilewise")
    policy = policies(_shipped() if ours else None, past)[run.policy](made)
    record = Record()
    engine = _engine(made, Recorder(policy, record), Recorder(Nearest(), record))
    cars = [car for car in engine.run() if made.counts(car.demand.at_s)]
    policy.ended()
    served = engine.district.served_today
    asked = [car for car in cars if not car.demand.walk_in]
    came = [car for car in cars if car.demand.walk_in]
    told: dict[str, Any] = asdict(indexes(asked, served))
    told |= run_figures(Played(engine.district, engine.travel, asked, record, past))
    told["switches_per_car"] = told["switches"] / max(len(asked), 1)
    told["degraded_share"] = getattr(policy, "degraded", 0) / max(len(asked), 1)
    told["walk_in_drive_plus_wait_min"] = indexes(came, served).mean_drive_plus_wait_min
    waits = np.array([car.wait_s / 60.0 for car in asked])
    told["p95_wait_min"] = float(np.quantile(waits, 0.95)) if len(waits) else None
    levels = np.array([int(level_of(car)) for car in asked])
    for level in LEVELS:
        mine = waits[levels == int(level)]
        told[f"wait_{level.name.lower()}"] = float(mine.mean()) if len(mine) else None
    return told


def _engine(made: Scenario, policy: Policy, strangers: Policy) -> Engine:
    return Engine(
        made.stations,
        made.demands,
        policy,
        until_s=made.until_s,
        disturbances=made.disturbances,
        travel=made.travel(District(made.stations)),
        tariffs=made.tariffs,
        strangers=strangers,
    )


@cache
def _shipped() -> Serving:
    """The models that the product ships, opened once a process."""
    return unhurried(open_models())


def level_of(car: Car) -> WarningLevel:
    """How urgent a car was by its charge alone, as the coordinator judges it."""
    soc_pct = car.demand.soc_pct
    if soc_pct < 15.0:
        return WarningLevel.HIGH
    return WarningLevel.MEDIUM if soc_pct < 40.0 else WarningLevel.LOW
