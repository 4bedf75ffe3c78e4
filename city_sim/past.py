"""What a city has behind it: who charged where before, what drivers like, which plugs often fail.

A scene with a past is the same scene with drivers who are known, and with plugs that go on failing
as they did. Tastes stay latent: they judge what a car got, nobody is told them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from city_sim.city import StraightTravel, city_of
from city_sim.demand import Disturbance, DisturbanceKind
from city_sim.population import DAY_S, Tastes, generate_drivers
from city_sim.scenarios import Scenario
from coordinator.core.district import District

Float64 = NDArray[np.float64]

EXPOSURE_DAYS = 60.0
# A tenth of the plugs has most of the faults: 132 of 654 Irish connectors had nearly all of 1,280.
FLAPPING_SHARE, FLAPPING_PER_DAY, USUAL_PER_DAY = 0.12, (1.0, 4.0), 0.02
REPAIR_LN_S, REPAIR_SPREAD = 7.3, 1.2  # median 25 minutes, with a tail of hours
MEAN_VISITS = 15
LOOKED_AT = 12  # stations that a driver ever went to are among the nearest ones
CHOICE_MIN = 2.0  # scale of what made them choose, in minutes of driving


@dataclass(frozen=True, slots=True)
class Past:
    """`visits` is c_ij by user and station, `tastes` by user; faults and exposure by row of EVSE.

    Empty columns mean that nothing is known.
    """

    visits: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    tastes: Mapping[str, Tastes] = field(default_factory=dict)
    fault_count: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    exposure_days: Float64 = field(default_factory=lambda: np.zeros(0))


NO_PAST = Past()


def with_past(scene: Scenario, seed: int) -> tuple[Scenario, Past]:
    """The scene with a driver for each car that asks, and plugs that fail as they have failed."""
    district = District(scene.stations)
    rng = np.random.default_rng([seed, 21])
    per_day = np.where(
        rng.random(len(district)) < FLAPPING_SHARE,
        rng.uniform(*FLAPPING_PER_DAY, len(district)),
        USUAL_PER_DAY,
    )
    asking = [n for n, demand in enumerate(scene.demands) if not demand.walk_in]
    names = {n: f"U{n:05d}" for n in asking}
    demands = tuple(
        replace(demand, user_id=names.get(n, "")) for n, demand in enumerate(scene.demands)
    )
    drivers = generate_drivers(seed, city_of(scene.stations), len(asking))
    tastes = dict(zip(names.values(), (driver.tastes for driver in drivers), strict=True))
    past = Past(
        _visits(scene, district, names, seed),
        tastes,
        rng.poisson(per_day * EXPOSURE_DAYS).astype(np.int32),
        np.full(len(district), EXPOSURE_DAYS),
    )
    faults = _faults(scene, district, per_day, rng)
    return replace(scene, demands=demands, disturbances=(*scene.disturbances, *faults)), past


def _visits(
    scene: Scenario, district: District, names: Mapping[int, str], seed: int
) -> dict[str, dict[str, int]]:
    """Where each driver charged before: near to where it asks now, and more where it likes to."""
    rng = np.random.default_rng([seed, 22])
    travel = StraightTravel(district)
    seen: dict[str, dict[str, int]] = {}
    for n, name in names.items():
        demand = scene.demands[n]
        away_min = travel.drive_s(demand.latitude_deg, demand.longitude_deg, demand.at_s) / 60.0
        near = np.argsort(away_min, kind="stable")[:LOOKED_AT]
        liking = rng.gumbel(size=near.size) * 1.5 - away_min[near] / CHOICE_MIN
        share = np.exp(liking - liking.max())
        counts = rng.multinomial(int(rng.poisson(MEAN_VISITS)), share / share.sum())
        seen[name] = {
            district.stations[row].station_id: int(count)
            for row, count in zip(near.tolist(), counts.tolist(), strict=True)
            if count
        }
    return seen


def _faults(
    scene: Scenario, district: District, per_day: Float64, rng: np.random.Generator
) -> list[Disturbance]:
    """Outages from the first request to the end, each plug at its own rate."""
    begin_s = min((demand.at_s for demand in scene.demands), default=0.0)
    count = rng.poisson(per_day * (scene.until_s - begin_s) / DAY_S)
    evse = np.repeat(np.arange(count.size), count)
    at_s = rng.uniform(begin_s, scene.until_s, evse.size)
    lasts_s = rng.lognormal(REPAIR_LN_S, REPAIR_SPREAD, evse.size)
    return [
        Disturbance(district.evse_ids[row], DisturbanceKind.FAULT, begins, begins + lasts)
        for row, begins, lasts in zip(evse.tolist(), at_s.tolist(), lasts_s.tolist(), strict=True)
    ]
