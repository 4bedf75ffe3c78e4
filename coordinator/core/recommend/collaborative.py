"""What a user would choose where nobody of that name ever charged: like others in portrait space.

The "improved collaborative filtering" of the paper. A snapshot of all users, made now and then off
the loop; answers for many requests at once. Portraits are made in `portrait.py`; how visits become
a preference is in `preference.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coordinator.core.pile import User
from coordinator.core.ports import PortraitEncoder
from coordinator.core.recommend.portrait import (
    portraits_or_statistics,
    second_basic,
    statistics,
)
from coordinator.core.reliability.printed import entries

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Index = NDArray[np.intp]

NEIGHBOURS = 20
# The station's mean counts as so many neighbours.
SHRINK = 5.0
# Neighbours are looked for among the users with the most visits; more would be slow and no nearer.
POOL = 5_000
_ROWS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Stations:
    """Facts of stations as columns (s,), copies of a district's. Source: paper 2.3.2.2."""

    station_ids: Sequence[str]
    dc_share: Float64
    power_kw: Float64
    lat_deg: Float64
    lon_deg: Float64


@dataclass(frozen=True, slots=True)
class Tastes:
    """All users at one time: who is near whom, who charged where, how usual each station is.

    `neighbours` is (u, NEIGHBOURS), -1 where there are fewer; `mean` (s,) is over users with a
    history. `fallback` says why the statistics stood in for the encoder; empty if they did not.

    Source: paper 1, 2.3.2.2.
    """

    row: Mapping[str, int]
    neighbours: Index
    counts: sparse.csr_matrix
    mean: Float64
    fallback: str = ""

    def expected(self, users: Index, stations: Index) -> Float64:
        """Visits that such users would have paid to these stations, shape (r, k) like `stations`.

        The mean over the 20 nearest users in portrait space, shrunk to the mean of the station.

        Source: paper 2.3.2.2, "the improved collaborative filtering algorithm"; 1 ("not applicable
        to newly installed charging piles and new users").
        """
        count, place = len(users), np.full(self.mean.size, -1, dtype=np.intp)
        flat = stations.ravel()
        place[flat] = 0
        kept = (place == 0).nonzero()[0]
        place[kept] = np.arange(kept.size)
        near = self.neighbours[users]
        who, which = (near >= 0).nonzero()
        at, lengths = entries(self.counts.indptr, near[who, which])
        column = place[self.counts.indices[at]]
        asked = column >= 0
        cell = who.repeat(lengths)[asked] * kept.size + column[asked]
        sums = np.bincount(cell, self.counts.data[at][asked], count * kept.size)
        own = np.arange(count)[:, None] * kept.size + place[stations]
        among = np.bincount(who, minlength=count)[:, None]
        expected: Float64 = (sums[own] + SHRINK * self.mean[stations]) / (among + SHRINK)
        return expected


def learn_tastes(
    visits: Mapping[str, Mapping[str, int]],
    users: Mapping[str, User],
    stations: Stations,
    encoder: PortraitEncoder,
) -> Tastes:
    """The snapshot of these users; `visits` is c_ij by user and station, `users` what is known.

    Of whom neither a visit nor a model or habit is known, nothing can be expected. Where the
    encoder is unavailable, the statistics are the portraits.

    Source: US 12,393,974 B2, step 510; paper 2.3.2.2, Eq. (3).
    """
    told = (name for name, user in users.items() if user.vehicle_model or user.habits)
    row_of = {name: number for number, name in enumerate(dict.fromkeys([*visits, *told]))}
    place = {station_id: number for number, station_id in enumerate(stations.station_ids)}
    cells = [
        (row_of[user], place[station_id], count)
        for user, seen in visits.items()
        for station_id, count in seen.items()
        if station_id in place and count > 0
    ]
    who, where, count = np.array(cells, dtype=np.float64).reshape(-1, 3).T
    counts = sparse.csr_matrix(
        (count, (who.astype(np.intp), where.astype(np.intp))),
        shape=(len(row_of), len(stations.station_ids)),
    )
    rows = portrait_rows(counts, stations, (users.get(name) for name in row_of))
    total = np.asarray(counts.sum(axis=1)).ravel()
    active = (total > 0).nonzero()[0]
    pool = active[np.argsort(-total[active], kind="stable")[:POOL]]
    mean = np.asarray(counts.sum(axis=0)).ravel() / max(active.size, 1)
    portraits, why = portraits_or_statistics(encoder, rows)
    return Tastes(row_of, nearest(portraits, pool), counts, mean, why)


def portrait_rows(
    counts: sparse.csr_matrix, stations: Stations, users: Iterable[User | None]
) -> Float32:
    """What an encoder is given, shape (u, len(COLUMNS)): statistics of the visits `counts` (u, s)
    and second basic information of the same users; one code for training and serving.

    Source: US 12,393,974 B2, step 510 ("the input of the feature extraction model").
    """
    seen = statistics(
        counts, stations.dc_share, stations.power_kw, stations.lat_deg, stations.lon_deg
    )
    return np.hstack([seen, second_basic(users)])


def nearest(portraits: Float32, pool: Index, count: int = NEIGHBOURS) -> Index:
    """The users of the pool nearest to each user in portrait space, shape (u, count), else -1.

    Nobody is near to themselves. Ties fall to who comes first in the pool.

    Source: paper 2.3.2.2; US 12,393,974 B2, step 510 (users are compared by feature vectors).

    >>> rows = np.array([[0.0], [0.1], [1.0], [1.2]], dtype=np.float32)
    >>> nearest(rows, np.array([0, 1, 2]), 2).tolist()
    [[1, 2], [0, 2], [1, 0], [2, 1]]
    """
    found = np.full((len(portraits), count), -1, dtype=np.intp)
    some = portraits[pool]
    squares = np.einsum("ij,ij->i", some, some)
    place = np.full(len(portraits), -1, dtype=np.intp)
    place[pool] = np.arange(pool.size)
    for start in range(0, len(portraits), _ROWS_AT_ONCE):
        part = portraits[start : start + _ROWS_AT_ONCE]
        away = squares - 2.0 * (part @ some.T)
        own = place[start : start + len(part)]
        inside = (own >= 0).nonzero()[0]
        away[inside, own[inside]] = np.inf
        order = _smallest(away, min(count, pool.size))
        far = np.isinf(np.take_along_axis(away, order, axis=1))
        found[start : start + len(part), : order.shape[1]] = np.where(far, -1, pool[order])
    return found


def _smallest(values: Float32, count: int) -> Index:
    """Columns of the smallest values of each row, ascending."""
    if count < values.shape[1]:
        some = np.sort(np.argpartition(values, count, axis=1)[:, :count], axis=1)
    else:
        some = np.broadcast_to(np.arange(values.shape[1]), values.shape)[:, :count]
    order = np.take_along_axis(values, some, axis=1).argsort(axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)
