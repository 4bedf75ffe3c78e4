"""Ways to send cars to piles, each a thin adapter from the engine's state to a choice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from city_sim.engine import Car, Choice, Engine


class Blind:
    """Base of policies that never change their mind on the way."""

    name = ""

    def revise(self, engine: Engine, car: Car) -> Choice | None:
        """Nothing: the car finds out when it arrives."""
        return None


class Nearest(Blind):
    """The nearest station with a plug for the car that the car has not yet tried in vain."""

    name = "nearest"

    def choose(self, engine: Engine, car: Car) -> Choice | None:
        """The least drive, whatever stands there."""
        drive_s = engine.drive_s(car)
        drive_s[~_with_any(engine, engine.fits(car))] = np.inf
        drive_s[list(car.tried)] = np.inf
        return _least(drive_s)


def _with_any(engine: Engine, evse: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Stations with at least one of these EVSEs."""
    return np.bincount(engine.district.station, evse, len(engine.district.stations)) > 0


def _least(cost_s: NDArray[np.float64]) -> Choice | None:
    if cost_s.size == 0:
        return None
    best = int(np.argmin(cost_s))
    return Choice(best) if np.isfinite(cost_s[best]) else None
