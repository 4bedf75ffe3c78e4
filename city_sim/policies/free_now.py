"""Policies that see at most what is free now: random, nearest, nearest with a free plug."""

from __future__ import annotations

import numpy as np

from city_sim.cars import Car, Choice
from city_sim.engine import Engine
from city_sim.policies.blind import Blind, least, open_drive_s


class Random(Blind):
    """Any station with a plug for the car, the larger the likelier; the same for the same car."""

    name = "random"

    def choose(self, engine: Engine, car: Car) -> Choice | None:
        """One of those that the car has not yet tried in vain."""
        fits = engine.fits(car)
        open_s = open_drive_s(engine, car, fits)
        plugs = np.bincount(engine.district.station, fits, open_s.size)
        plugs[~np.isfinite(open_s)] = 0.0
        if not plugs.sum():
            return None
        drawn = np.random.default_rng([car.index, len(car.tried), 5])
        return Choice(int(drawn.choice(plugs.size, p=plugs / plugs.sum())))


class Nearest(Blind):
    """The nearest station with a plug for the car that the car has not yet tried in vain."""

    name = "nearest"

    def choose(self, engine: Engine, car: Car) -> Choice | None:
        """The least drive, whatever stands there."""
        return least(open_drive_s(engine, car, engine.fits(car)))


class NearestFree(Blind):
    """The nearest station where a plug for the car is free now; the nearest working if none is."""

    name = "nearest-free"

    def choose(self, engine: Engine, car: Car) -> Choice | None:
        """The least drive among stations with a free plug."""
        works = engine.fits(car) & engine.usable()
        free = works & (engine.occupant < 0)
        return (
            least(open_drive_s(engine, car, free))
            or least(open_drive_s(engine, car, works))
            or least(open_drive_s(engine, car, engine.fits(car)))
        )
