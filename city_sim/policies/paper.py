"""The paper's four ways to send a car: by distance, preference, traffic load, both together.

Each car by itself and once, as the paper has it: no queue and no capacity is looked at. The rules
are the coordinator's own; the laws of what the paper does not print are its simulation's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from city_sim.cars import Car, Choice
from city_sim.engine import Engine
from city_sim.policies.blind import Blind, open_drive_s
from coordinator.core.geo import Places
from coordinator.core.recommend.preference import preference, preferred
from coordinator.core.recommend.traffic import integrated_factor

Float64 = NDArray[np.float64]

METHODS = ("distance", "preference", "traffic", "integrated")
ZIPF, MOST_VISITS = 1.8, 100  # law of visits of drivers without a history
NOISE = (0.5, 1.5)  # of a way's load about its length
GRADES = 5.0


@dataclass(slots=True)
class PaperMethod(Blind):
    """One of `METHODS`. `visits` is c_ij by user and station; who has none gets drawn ones.

    Source: paper 2.3.2, 3, Eq. (3), (4), (8).
    """

    method: str
    visits: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    _places: Places | None = None

    @property
    def name(self) -> str:
        """As reports call it."""
        return f"paper-{self.method}"

    def choose(self, engine: Engine, car: Car) -> Choice | None:
        """The pile that the method recommends, as its station."""
        open_rows = np.flatnonzero(np.isfinite(open_drive_s(engine, car, engine.fits(car))))
        if not open_rows.size:
            return None
        km = self._distance_km(engine, car, open_rows)
        rng = np.random.default_rng([car.index, 8])
        shape = len(engine.district.stations)
        drawn = np.minimum(rng.zipf(ZIPF, shape), MOST_VISITS).astype(np.float64)
        way_km = km * rng.uniform(*NOISE, shape)[open_rows]
        score = preference(self._visits(engine, car, drawn)[open_rows], km)
        load = np.ceil(GRADES * way_km / max(float(way_km.max()), 1e-9)).clip(1.0)
        return Choice(int(open_rows[self._best(km, score, load)]))

    def _best(self, km: Float64, score: Float64, load: Float64) -> int:
        """The row that is recommended; the nearest of equals, but for preference the first."""
        if self.method == "preference":
            return preferred(score)
        keys = {"distance": km, "traffic": load, "integrated": -integrated_factor(score, load)}
        return int(np.lexsort((km, keys[self.method]))[0])

    def _visits(self, engine: Engine, car: Car, drawn: Float64) -> Float64:
        seen = self.visits.get(car.demand.user_id)
        if seen is None:
            return drawn
        known = np.zeros_like(drawn)
        for station_id, count in seen.items():
            known[engine.district.station_row[station_id]] = count
        return known

    def _distance_km(self, engine: Engine, car: Car, rows: NDArray[np.intp]) -> Float64:
        if self._places is None:
            district = engine.district
            self._places = Places(district.station_lat_deg, district.station_lon_deg)
        return self._places.distance_km(*engine.position(car), rows)
