"""Pairs of users to learn from: what was known of both before a cut, how alike they chose after it.

Nothing of a pair's inputs is later than its cut, nothing of its label earlier. What is learned from
pairs is in `portrait.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from coordinator.core.recommend.collaborative import Stations, portrait_rows
from coordinator.core.recommend.portrait import STATISTICS
from training.journeys import Journeys, kilometres

Float32 = NDArray[np.float32]
Floats = NDArray[np.float64]
Index = NDArray[np.intp]

# The two groups of the patent, and where they are used side by side.
NEAR_IN_PLACE, NEAR_IN_BASICS = 0, 1


@dataclass(frozen=True, slots=True)
class PairSettings:
    """How pairs are drawn.

    `near_km` and `like_basics` make the two groups; `place_share` of the pairs are of the first.
    `new_share` of the pairs have a first user whose history is hidden: who just registered.
    Piles of one station are alike by 1; of two with the same current by at most 1 - `same_share`,
    and less with their distance, on a scale of `apart_km`.

    Source: US 12,393,974 B2, step 510. Departs: the patent names 1 km; the similarity threshold,
    the shares and what makes piles alike are ours.
    """

    per_cut: int = 6000
    near_km: float = 1.0
    like_basics: float = 0.8
    place_share: float = 0.5
    new_share: float = 0.2
    same_share: float = 0.7
    apart_km: float = 1.0


@dataclass(frozen=True, slots=True)
class Pairs:
    """p pairs: `first` and `second` (p,) index `rows` (n, len(COLUMNS)); `likeness` (p,) is 0-1.

    `group` (p,) is `NEAR_IN_PLACE` or `NEAR_IN_BASICS`.

    Source: US 12,393,974 B2, claim 11.
    """

    rows: Float32
    first: Index
    second: Index
    likeness: Float32
    group: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.likeness)


def joined(parts: Sequence[Pairs]) -> Pairs:
    """Pairs of several cuts or cities as one."""
    begins = np.cumsum([0, *(len(part.rows) for part in parts)])
    return Pairs(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.first + at for part, at in zip(parts, begins, strict=False)]),
        np.concatenate([part.second + at for part, at in zip(parts, begins, strict=False)]),
        np.concatenate([part.likeness for part in parts]),
        np.concatenate([part.group for part in parts]),
    )


def rows_before(journeys: Journeys, cut_s: float) -> Float32:
    """What an encoder sees of every user at the cut: choices up to it, and what was told."""
    counts = journeys.counts(journeys.at_s <= cut_s)
    return portrait_rows(counts, journeys.stations, journeys.users)


def draw_pairs(
    journeys: Journeys,
    cut_s: float,
    until_s: float,
    rng: np.random.Generator,
    settings: PairSettings | None = None,
) -> Pairs:
    """Pairs of both groups at one cut, labelled by the choices after it, up to `until_s`.

    Of the first group the piles are compared that the two took upon these requests; of the second
    all that they took after the cut.

    Source: US 12,393,974 B2, claim 11, step 510. Departs: the inputs of the first group end at the
    cut too, not at the request, so that one portrait of a user serves all pairs.
    """
    settings = settings or PairSettings()
    after = (journeys.at_s > cut_s) & (journeys.at_s <= until_s)
    rows = rows_before(journeys, cut_s)
    alike = station_likeness(journeys.stations, settings)
    in_place = round(settings.per_cut * settings.place_share)
    one, other = near_requests(journeys, np.flatnonzero(after), in_place, rng, settings)
    chosen = journeys.counts(after).toarray()
    first, second = like_basics(
        rows[:, len(STATISTICS) :], chosen.any(axis=1), settings.per_cut - in_place, rng, settings
    )
    # Who just registered: the same users once more, without their history.
    hidden = rows.copy()
    hidden[:, : len(STATISTICS)] = 0.0
    left = np.concatenate([journeys.user[one], first])
    return Pairs(
        np.concatenate([rows, hidden]),
        left + len(rows) * (rng.random(len(left)) < settings.new_share),
        np.concatenate([journeys.user[other], second]),
        np.concatenate(
            [
                alike[journeys.station[one], journeys.station[other]],
                likeness(chosen[first], chosen[second], alike),
            ]
        ).astype(np.float32),
        np.repeat([NEAR_IN_PLACE, NEAR_IN_BASICS], [len(one), len(second)]).astype(np.int8),
    )


def near_requests(
    journeys: Journeys,
    asked: Index,
    wanted: int,
    rng: np.random.Generator,
    settings: PairSettings,
) -> tuple[Index, Index]:
    """Pairs of requests of two users from within `near_km` of each other, rows of the journeys.

    Source: US 12,393,974 B2, claim 11, first group ("charging requests in similar locations").
    """
    at = np.column_stack([journeys.north_km[asked], journeys.east_km[asked]])
    pairs = cKDTree(at).query_pairs(settings.near_km, output_type="ndarray")
    one, other = asked[pairs[:, 0]], asked[pairs[:, 1]]
    apart = journeys.user[one] != journeys.user[other]
    one, other = one[apart], other[apart]
    drawn = rng.permutation(len(one))[:wanted]
    # Whose place is first is chance: what is hidden is hidden of the first.
    swap = rng.random(len(drawn)) < 0.5
    return (
        np.where(swap, other[drawn], one[drawn]),
        np.where(swap, one[drawn], other[drawn]),
    )


def like_basics(
    basics: Float32,
    chose: NDArray[np.bool_],
    wanted: int,
    rng: np.random.Generator,
    settings: PairSettings,
) -> tuple[Index, Index]:
    """Pairs of users whose second basic information has a cosine of at least `like_basics`.

    Source: US 12,393,974 B2, claim 11, second group.
    """
    length = np.linalg.norm(basics, axis=1)
    unit = basics / np.maximum(length, 1e-9)[:, None]
    like = unit @ unit.T >= settings.like_basics - 1e-6
    like &= (chose & (length > 0))[:, None] & (chose & (length > 0))
    np.fill_diagonal(like, False)
    first, second = np.nonzero(like)
    drawn = rng.permutation(len(first))[:wanted]
    return first[drawn], second[drawn]


def station_likeness(stations: Stations, settings: PairSettings) -> Floats:
    """How alike the piles of two stations are, (s, s), 1 on the diagonal, positive definite."""
    north, east = kilometres(stations, stations.lat_deg, stations.lon_deg)
    km = np.hypot(north[:, None] - north, east[:, None] - east)
    current = (stations.dc_share[:, None] > 0.5) == (stations.dc_share > 0.5)
    near = np.exp(-0.5 * (km / settings.apart_km) ** 2) * current
    mixed = settings.same_share * np.eye(len(km)) + (1.0 - settings.same_share) * near
    return np.asarray(mixed)


def likeness(one: Floats, other: Floats, alike: Floats) -> Floats:
    """Similarity of the piles chosen, (p,), of two (p, stations): a cosine that knows which
    stations are alike; 0-1.

    >>> likeness(np.array([[2.0, 0.0]]), np.array([[1.0, 0.0]]), np.eye(2)).tolist()
    [1.0]
    >>> likeness(np.array([[2.0, 0.0]]), np.array([[0.0, 3.0]]), np.eye(2)).tolist()
    [0.0]
    """
    left, right = one @ alike, other @ alike
    both = (left * other).sum(axis=1)
    size = np.sqrt((left * one).sum(axis=1) * (right * other).sum(axis=1))
    return np.asarray(np.clip(both / np.maximum(size, 1e-12), 0.0, 1.0))
