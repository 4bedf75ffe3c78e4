"""Plays a day in the city's engine and notes who stood at which plug from when to when.

What is compared is in `figures.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from city_sim.cars import Car, Choice, Policy
from city_sim.demand import Demand
from city_sim.engine import Engine
from city_sim.policies import Nearest
from city_sim.product import Pilewise
from city_sim.report import policies
from city_sim.scenarios import Scenario
from city_sim.whatif.day import DayScene
from city_sim.whatif.errors import ChangeInvalid, ModelRefused
from city_sim.whatif.stored import StoredDay
from coordinator.core.district import District
from coordinator.core.geo import Places
from coordinator.core.pile import EvseStatus, Station
from coordinator.core.recommend.context import Models
from coordinator.core.road_graph import RoadEdge, RoadGraph
from coordinator.core.roads import EstimatedRoads, Roads
from coordinator.models.serving import Serving, open_models, unhurried

Float64 = NDArray[np.float64]
OURS = "pilewise"
AFTER_S = 6 * 3_600.0  # everybody is charged a while after the day's last request


@dataclass(frozen=True, slots=True)
class Stay:
    """A car at a plug; all are rows or indexes, seconds are of the engine's clock."""

    car: int
    station: int
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Played:
    """A day that is over: the cars as they ended, and every stay."""

    district: District
    cars: tuple[Car, ...]
    stays: tuple[Stay, ...]
    degraded: int


class RoadTravel:
    """Drives take as long as the coordinator thinks that they take."""

    def __init__(self, roads: Roads, district: District, utc_offset_h: float) -> None:
        self._roads, self._utc_offset_h = roads, utc_offset_h
        self._places = Places(district.station_lat_deg, district.station_lon_deg)
        self._every = np.arange(self._places.count)

    def drive_s(self, latitude_deg: float, longitude_deg: float, at_s: float) -> Float64:
        """Seconds to every station at the speed of the hour."""
        straight_km = self._places.distance_km(latitude_deg, longitude_deg, self._every)
        km = self._roads.distance_km(latitude_deg, longitude_deg, self._every, straight_km)
        hour = (at_s / 3_600.0 + self._utc_offset_h) % 24.0
        return np.asarray(km * (3_600.0 / self._roads.speed_kmh(hour)))

    def to_s(self, latitude_deg: float, longitude_deg: float, station: int, at_s: float) -> float:
        """Seconds to one station, a row of the district."""
        return float(self.drive_s(latitude_deg, longitude_deg, at_s)[station])


@dataclass(slots=True)
class Watched:
    """A policy with somebody beside it who notes when cars plug in and leave."""

    policy: Policy
    since: dict[int, tuple[int, float]] = field(default_factory=dict)
    stays: list[Stay] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The policy's."""
        return self.policy.name

    @property
    def period_s(self) -> float:
        """The policy's."""
        return self.policy.period_s

    def choose(self, engine: Engine, car: Car) -> Choice | None:
        """The policy's choice."""
        return self.policy.choose(engine, car)

    def arrived(self, engine: Engine, car: Car) -> None:
        """Told on."""
        self.policy.arrived(engine, car)

    def plugged(self, engine: Engine, car: Car) -> None:
        """Noted, and told on."""
        self.since[car.index] = car.station, engine.now_s
        self.policy.plugged(engine, car)

    def gone(self, engine: Engine, car: Car) -> None:
        """Noted, and told on."""
        if car.index in self.since:
            station, from_s = self.since.pop(car.index)
            self.stays.append(Stay(car.index, station, from_s, engine.now_s))
        self.policy.gone(engine, car)

    def restated(self, engine: Engine, evse: int, before: EvseStatus, after: EvseStatus) -> None:
        """Told on."""
        self.policy.restated(engine, evse, before, after)

    def react(self, engine: Engine) -> set[int]:
        """The policy's."""
        return self.policy.react(engine)

    def tick(self, engine: Engine) -> None:
        """Told on."""
        self.policy.tick(engine)

    def ended(self) -> None:
        """Told on."""
        self.policy.ended()

    def all_stays(self, until_s: float) -> tuple[Stay, ...]:
        """With those that are not over."""
        open_ = [Stay(car, station, at_s, until_s) for car, (station, at_s) in self.since.items()]
        return (*self.stays, *open_)


def replay(
    day: StoredDay,
    scene: DayScene,
    stations: Sequence[Station],
    demands: Sequence[Demand],
    policy: str,
    models: Serving,
) -> Played:
    """The day with these stations and cars, decided by this policy."""
    there = {e.evse_id for s in stations for p in s.piles for e in p.evses}
    setting = Scenario(
        "stored day",
        tuple(stations),
        tuple(demands),
        day.ends_s + AFTER_S,
        lambda district: RoadTravel(roads_of(day, district), district, day.utc_offset_h),
        lambda district: roads_of(day, district),
        tuple(d for d in scene.disturbances if d.evse_id in there),
        day.tariffs,
    )
    deciding = _policy(policy, setting, models, day.utc_offset_h)
    watched, strangers = Watched(deciding), Watched(Nearest())
    engine = Engine(
        setting.stations,
        setting.demands,
        watched,
        until_s=setting.until_s,
        disturbances=setting.disturbances,
        travel=setting.travel(District(setting.stations)),
        tariffs=setting.tariffs,
        strangers=strangers,
    )
    cars = engine.run()
    watched.ended()
    stays = (*watched.all_stays(setting.until_s), *strangers.all_stays(setting.until_s))
    return Played(engine.district, tuple(cars), stays, getattr(deciding, "degraded", 0))


def roads_of(day: StoredDay, district: District) -> Roads:
    """The stored network's ways to these stations; estimated without one, as the coordinator."""
    if not day.roads:
        return EstimatedRoads()
    edges = [
        RoadEdge(
            road.from_position, road.to_position, road.length_km, road.free_speed_kmh,
            road.two_way, road.grade_by_hour,
        )
        for road in day.roads
    ]  # fmt: skip
    try:
        return RoadGraph(edges, district.station_lat_deg, district.station_lon_deg)
    except ValueError:  # too large to hold; the coordinator estimates then, too
        return EstimatedRoads()


def models_of(bundle: str) -> Serving:
    """The models of a bundle, or the shipped ones. Raises `ModelRefused`."""
    serving = open_models(bundle)
    if serving.bundle is None:
        refused = ModelRefused(f"the models {bundle or 'that are shipped'} cannot be loaded")
        refused.hint = "; ".join(serving.problems)
        raise refused
    return unhurried(serving)


def checked_policy(name: str) -> str:
    """The name; raises `ChangeInvalid` for one that no policy has."""
    if name not in policies():
        raise ChangeInvalid.unknown("policy", name, policies())
    return name


def _policy(name: str, setting: Scenario, models: Serving, utc_offset_h: float) -> Policy:
    if name != OURS:
        return policies()[name](setting)
    judges = Models(models.ranker, models.arrival, models.travel)
    return Pilewise(setting.roads(District(setting.stations)), judges, utc_offset_h)
