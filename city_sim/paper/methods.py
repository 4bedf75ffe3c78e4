"""The four ways to choose a pile that the paper compares; each car for itself, none held.

The formulas are the product's own. What keeps cars out of each other's way is in `guided.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from city_sim.paper.instance import FLOOR_KM, Instance
from coordinator.core.recommend.preference import preference, preferred
from coordinator.core.recommend.traffic import integrated_factor

Floats = NDArray[np.float64]
Index = NDArray[np.intp]


def by_distance(scene: Instance) -> Index:
    """The nearest pile of each car. Source: paper 3, Fig. 5, 6."""
    return _column(scene.distance_km.argmin(axis=1))


def preferences(scene: Instance) -> Floats:
    """score = c / distance, (n, s). Source: paper Eq. (3), Fig. 7."""
    return preference(scene.counts, scene.distance_km, FLOOR_KM)


def by_preference(scene: Instance) -> Index:
    """The pile with the greatest preference. Source: paper Eq. (4), Fig. 8."""
    return np.array([preferred(scores) for scores in preferences(scene)], dtype=np.intp)


def by_traffic(scene: Instance) -> Index:
    """The pile with the least load on the way, the first of equals. Source: paper Fig. 9, 10.

    Departs: the text says the maximum, its figure shows the minimum, and more load is worse.
    """
    return _column(scene.load.argmin(axis=1))


def by_traffic_as_printed(scene: Instance) -> Index:
    """The pile with the greatest load on the way: the text taken by its word. Source: paper 3."""
    return _column(scene.load.argmax(axis=1))


def integrated(scene: Instance) -> Floats:
    """I = score' + (1/L)', (n, s), scaled as the configuration says. Source: paper Eq. (8)."""
    scores, load = preferences(scene), scene.load
    if scene.whole:
        return integrated_factor(scores.reshape(-1), load.reshape(-1)).reshape(load.shape)
    return integrated_factor(scores, load)


def by_integrated(scene: Instance) -> Index:
    """The pile with the greatest integrated factor. Source: paper 3, Fig. 11, 12."""
    return _column(integrated(scene).argmax(axis=1))


def _column(chosen: Any) -> Index:
    found: Index = np.asarray(chosen, dtype=np.intp)
    return found


METHODS: dict[str, Callable[[Instance], Index]] = {
    "distance": by_distance,
    "preference": by_preference,
    "traffic": by_traffic,
    "integrated": by_integrated,
}


def methods(literal_traffic: bool = False) -> dict[str, Callable[[Instance], Index]]:
    """The four by name; with `literal_traffic` the third as the text has it."""
    if not literal_traffic:
        return METHODS
    return METHODS | {"traffic": by_traffic_as_printed}
