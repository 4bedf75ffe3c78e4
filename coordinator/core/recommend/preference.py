"""What this user likes: visits over distance (paper Eq. 3-4).

What everybody likes, and the encoder's portrait, do not belong here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.asked import Asked
from coordinator.core.recommend.found import Candidates

Floats = NDArray[np.float64]


def preference(visits: Floats, distance_km: Floats, floor_km: float = 0.05) -> Floats:
    """score_ij = c_ij / max(dist, floor), per km.

    Source: paper 2.3.2.2, Eq. (3); paper 1 (new users and piles).

    Departs: the paper needs c > 0 and dist > 0; here no visit gives 0, and the distance has a
    floor of 50 m.

    >>> preference(np.array([6.0, 2.0, 0.0]), np.array([3.0, 0.5, 0.0])).tolist()
    [2.0, 4.0, 0.0]
    """
    score: Floats = visits / np.maximum(distance_km, floor_km)
    return score


def preferred(scores: Floats) -> int:
    """The pile with the greatest preference, the nearest of equals. Source: paper Eq. (4).

    >>> preferred(np.array([2.0, 4.0, 0.0]))
    1
    """
    return int(scores.argmax())


def columns(candidates: Candidates, asked: Asked, distance_km: Floats) -> tuple[Floats, Floats]:
    """Preference and share of this user's visits, each of shape (r, n); 0 for a new user.

    Source: US 12,393,974 B2, steps 330, 510; paper 2.3.2.2.
    """
    liked, share = np.zeros(distance_km.shape), np.zeros(distance_km.shape)
    for number, context in enumerate(asked.contexts):
        if not context.visits:
            continue
        stations = candidates.near.stations[number].tolist()
        counts = np.array([context.visits.get(row, 0) for row in stations], dtype=np.float64)
        visits = counts[candidates.place[number]]
        floor_km = asked.rules.distance_floor_km
        liked[number] = preference(visits, distance_km[number], floor_km)
        share[number] = visits / sum(context.visits.values())
    return liked, share
