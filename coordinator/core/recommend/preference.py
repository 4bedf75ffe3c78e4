"""What this user likes: visits over distance (paper Eq. 3-4).

What users alike would like where this one never was is asked of `collaborative.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.asked import Asked
from coordinator.core.recommend.found import Candidates
from coordinator.core.recommend.visited import visited

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
    """Preference and share of this user's visits, each of shape (r, n).

    Where the user never charged, c_ij is what users alike would have done; without a name, a
    history or a portrait both are 0 for all.

    Source: paper 2.3.2.2, Eq. (3); US 12,393,974 B2, step 330 ("the user's personalization").
    Departs: the paper leaves out stations with c = 0.
    """
    stations, contexts = candidates.near.stations, asked.contexts
    chosen, total = np.zeros(stations.shape), np.ones((len(contexts), 1))
    seen = visited(contexts)
    if seen is not None:
        rows, counts = seen
        number, place, which = (stations[:, :, None] == rows[:, None, :]).nonzero()
        chosen[number, place] = counts[number, which]
        total = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    tastes = contexts[0].tastes
    known = np.array([context.taste for context in contexts])
    alike = (known >= 0).nonzero()[0]
    if tastes is None or not alike.size:
        if not chosen.any():
            nothing = np.zeros(distance_km.shape)
            return nothing, nothing
        counts = chosen
    else:
        counts = chosen.copy()
        expected = tastes.expected(known[alike], stations[alike])
        counts[alike] = np.where(chosen[alike] > 0, chosen[alike], expected)
    liked = preference(candidates.of_station(counts), distance_km, asked.rules.distance_floor_km)
    return liked, candidates.of_station(chosen) / total
