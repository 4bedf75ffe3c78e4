"""Writes down what indexes are made of: arrivals, sessions, how long decisions took.

A policy around a policy; what is decided is what the one inside says. Ways are kept by the cars.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from city_sim.cars import Car, Choice, Policy
from city_sim.engine import Engine
from city_sim.streets import Streets
from city_sim.turns import place_for
from coordinator.core.pile import EvseStatus


@dataclass(frozen=True, slots=True)
class Arrival:
    """A car came to its station: plugs it could take, working ones, blocked bays; all that fit."""

    car: int
    free: int
    working: int
    blocked: int


@dataclass(frozen=True, slots=True)
class Stay:
    """A car at a plug, from plug-in until it left or was thrown out (`broken`)."""

    car: int
    evse: int
    from_s: float
    to_s: float
    broken: bool


@dataclass(slots=True)
class Record:
    """What happened in one run; `decisions_s` is wall time, one for each car that asked first.

    `grades` are those of the ways on which cars set out by a choice, car and grade, where streets
    know how full they are.
    """

    arrivals: list[Arrival] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    decisions_s: list[float] = field(default_factory=list)
    grades: list[tuple[int, float]] = field(default_factory=list)
    begun: dict[int, tuple[float, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Recorder:
    """A policy that decides as the one inside and fills a record; strangers' may share it."""

    inside: Policy
    record: Record
    watch: Callable[[], float] = time.perf_counter

    @property
    def name(self) -> str:
        """As the one inside is called."""
        return self.inside.name

    @property
    def period_s(self) -> float:
        """As often as the one inside looks at all cars; 0 for never."""
        return self.inside.period_s

    def choose(self, engine: Engine, car: Car) -> Choice | None:
        """What the one inside says, and how long that took the first time."""
        begun = self.watch()
        choice = self.inside.choose(engine, car)
        if not car.version and not car.demand.walk_in:
            self.record.decisions_s.append(self.watch() - begun)
        if choice is not None and isinstance(engine.travel, Streets):
            here, hour = engine.position(car), engine.now_s / 3600.0 % 24.0
            (grade,) = engine.travel.grades(*here, np.array([choice.station]), hour)
            self.record.grades.append((car.index, float(grade)))
        return choice

    def arrived(self, engine: Engine, car: Car) -> None:
        """Notes what the car finds."""
        here = (engine.district.station == car.station) & engine.fits(car)
        usable = here & engine.usable()
        free = np.flatnonzero(usable & (engine.occupant < 0)).tolist()
        blocked = here & (engine.blocks > 0) & (engine.faults == 0)
        self.record.arrivals.append(
            Arrival(
                car.index,
                int(bool(free) and place_for(engine, car, free) >= 0),
                int(usable.sum()),
                int(blocked.sum()),
            )
        )
        self.inside.arrived(engine, car)

    def plugged(self, engine: Engine, car: Car) -> None:
        """Notes when a stay began."""
        self.record.begun[car.index] = engine.now_s, car.evse
        self.inside.plugged(engine, car)

    def gone(self, engine: Engine, car: Car) -> None:
        """Notes a stay that ended; one that was thrown out waits again."""
        begun = self.record.begun.pop(car.index, None)
        if begun is not None:
            broken = car.soc_pct < car.demand.target_soc_pct
            self.record.stays.append(Stay(car.index, begun[1], begun[0], engine.now_s, broken))
        self.inside.gone(engine, car)

    def restated(self, engine: Engine, evse: int, before: EvseStatus, after: EvseStatus) -> None:
        """What the one inside does."""
        self.inside.restated(engine, evse, before, after)

    def react(self, engine: Engine) -> set[int]:
        """What the one inside says."""
        return self.inside.react(engine)

    def tick(self, engine: Engine) -> None:
        """What the one inside does."""
        self.inside.tick(engine)

    def ended(self) -> None:
        """What the one inside does."""
        self.inside.ended()
