"""What policies share that hear nothing and never change their mind on the way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from city_sim.cars import Car, Choice
from city_sim.engine import Engine
from coordinator.core.pile import EvseStatus

Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Blind:
    """Base of policies that hear nothing and never change their mind on the way."""

    period_s = 0.0

    def arrived(self, engine: Engine, car: Car) -> None:
        """Not heard."""

    def restated(self, engine: Engine, evse: int, before: EvseStatus, after: EvseStatus) -> None:
        """Not heard: a car finds out when it arrives."""

    def react(self, engine: Engine) -> set[int]:
        """Nothing."""
        return set()

    def plugged(self, engine: Engine, car: Car) -> None:
        """Not heard."""

    def gone(self, engine: Engine, car: Car) -> None:
        """Not heard."""

    def tick(self, engine: Engine) -> None:
        """Never."""

    def ended(self) -> None:
        """Nothing is left."""


def open_drive_s(engine: Engine, car: Car, evse: Mask) -> Float64:
    """Driving times to stations with one of these EVSEs that were not tried in vain; else inf."""
    drive_s = engine.drive_s(car)
    stations = len(engine.district.stations)
    drive_s[np.bincount(engine.district.station, evse, stations) == 0] = np.inf
    drive_s[list(car.tried)] = np.inf
    return drive_s


def least(cost_s: Float64) -> Choice | None:
    """The station with the least; None if none is open."""
    if cost_s.size == 0:
        return None
    best = int(np.argmin(cost_s))
    return Choice(best) if np.isfinite(cost_s[best]) else None
