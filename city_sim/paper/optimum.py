"""The least total distance that the slots allow: what nobody who keeps to them can beat.

It knows all cars at once, and regards nothing but distance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from city_sim.paper.instance import Instance


def optimum(scene: Instance) -> NDArray[np.intp]:
    """The station of each car in a plan of least distance, none over its slots, (n,)."""
    slots = scene.size.slots_per_station
    _, slot = linear_sum_assignment(np.repeat(scene.distance_km, slots, axis=1))
    chosen: NDArray[np.intp] = slot // slots
    return chosen
