"""Journeys made by hand: two camps of drivers that choose differently, and say so."""

from __future__ import annotations

import numpy as np

from coordinator.core.pile import User
from coordinator.core.recommend.collaborative import Stations
from training.journeys import Journeys


def camps(users: int = 40, choices: int = 40, seed: int = 1) -> Journeys:
    """Drivers of even number charge fast and in the north, the others slowly and in the south.

    All of a camp ask around one place; its stations stand a kilometre apart, and each driver
    prefers one. Two models of cars, one a camp; a choice an hour and driver.
    """
    rng = np.random.default_rng(seed)
    count = users * choices
    user = np.tile(np.arange(users, dtype=np.intp), choices)
    camp = user % 2
    own = rng.integers(0, 4, users)
    place = np.where(rng.random(count) < 0.7, own[user], rng.integers(0, 4, count))
    fast = np.repeat([1.0, 0.0], 4)
    stations = Stations(
        [f"S{number}" for number in range(8)],
        fast,
        np.where(fast > 0, 120.0, 7.0),
        22.5 + np.repeat([3.0, -3.0], 4) / 111.2,
        114.0 + np.tile(np.arange(4) * 0.01, 2),
    )
    return Journeys(
        user,
        (place + 4 * camp).astype(np.intp),
        3600.0 * np.repeat(np.arange(choices), users) + user,
        np.where(camp == 0, 3.0, -3.0) + rng.normal(0.0, 0.3, count),
        rng.normal(0.0, 0.3, count),
        tuple(
            User(f"u{n}", vehicle_model=("Han", "Seal")[n % 2], habits={"pace": "any"})
            for n in range(users)
        ),
        stations,
    )
