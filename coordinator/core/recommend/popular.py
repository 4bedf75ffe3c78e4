"""Where piles stand like those that people around choose most often (step 320, history of users).

Made with the knowledge map, every few minutes; `candidates.py` only looks it up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coordinator.core.geo import Places

Index = NDArray[np.intp]
Floats = NDArray[np.float64]

AROUND_KM = 5.0
MOST_CHOSEN = 10  # EVSEs around whose like are looked for
ALIKE = 0.8  # least similarity
STATIONS = 3  # that are added to the candidates of a request
NONE = -1


def stations_alike(
    latitude_deg: Floats,
    longitude_deg: Floats,
    station: Index,
    uses: Floats,
    similarity: sparse.csr_matrix,
) -> NDArray[np.int32]:
    """For a driver near each station up to three stations within 5 km, best first; -1 is none.

    These hold EVSEs that are like the ten most used within 5 km, or are among them, by
    uses x similarity. `station` is the station of each EVSE, `uses` how often each was chosen,
    shapes (n,); `similarity` (n, n) has the edges of the knowledge map. The result is
    (stations, 3).

    Source: US 12,393,974 B2, step 320 (piles similar to those that users around selected most).
    """
    count = len(latitude_deg)
    table = np.full((count, STATIONS), NONE, dtype=np.int32)
    places = Places(latitude_deg, longitude_deg)
    used = np.argsort(-uses, kind="stable")
    used = used[uses[used] > 0]
    used_at = station[used]
    worth = np.zeros(count)
    for here in range(count if used.size else 0):
        point = np.array([[latitude_deg[here], longitude_deg[here]]])
        near = places.within(point, AROUND_KM)[0]
        worth[:] = 0.0
        for evse in used[np.flatnonzero(near[used_at])[:MOST_CHOSEN]].tolist():
            row = slice(similarity.indptr[evse], similarity.indptr[evse + 1])
            like = similarity.data[row] >= ALIKE
            at = station[similarity.indices[row][like]]
            np.maximum.at(worth, at, uses[evse] * similarity.data[row][like])
            worth[station[evse]] = max(worth[station[evse]], uses[evse])
        worth[~near] = 0.0
        best = np.argsort(-worth, kind="stable")[:STATIONS]
        best = best[worth[best] > 0]
        table[here, : best.size] = best
    return table
