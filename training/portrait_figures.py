"""Does an encoder find better neighbours? What users alike chose, against what a user chose next.

Production code makes the expectation: `learn_tastes` from visits up to a cut, then Eq. (3). Rows
are later choices of stations where the user never was, and all later choices of users without
history: there, and nowhere else, do users alike count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.ports import PortraitEncoder
from coordinator.core.recommend.collaborative import Tastes, learn_tastes
from coordinator.core.recommend.portrait import StatisticsEncoder
from coordinator.core.recommend.preference import preference
from training.backtest import metrics
from training.journeys import Journeys, kilometres
from training.pairs import NEAR_IN_BASICS, NEAR_IN_PLACE, Pairs

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

NEW_SHARE = 0.25  # of the users: their history is hidden, as if they had just registered
POPULARITY, STATISTICS = "popularity", "statistics"


@dataclass(frozen=True, slots=True)
class Later:
    """Choices after a cut that own visits say nothing of: `rows` of the journeys, `new` of users
    without history; `counts` (users, stations) and `visits` are what is known."""

    rows: Index
    new: NDArray[np.bool_]
    counts: Floats
    visits: dict[str, dict[str, int]]


def later(journeys: Journeys, cut_s: float, until_s: float, seed: int) -> Later:
    """The rows to judge by, and the visits that may be known at the cut."""
    rng = np.random.default_rng([seed, 8])
    hidden = rng.random(len(journeys.users)) < NEW_SHARE
    counts = journeys.counts(journeys.at_s <= cut_s).toarray()
    counts[hidden] = 0.0
    after = np.flatnonzero((journeys.at_s > cut_s) & (journeys.at_s <= until_s))
    user, station = journeys.user[after], journeys.station[after]
    known = counts.any(axis=1)[user]
    judged = (known & (counts[user, station] == 0)) | hidden[user]
    names = journeys.stations.station_ids
    visits = {
        journeys.users[row].user_id: {
            names[place]: int(counts[row, place]) for place in np.flatnonzero(seen).tolist()
        }
        for row, seen in enumerate(counts)
        if seen.any()
    }
    return Later(after[judged], hidden[user[judged]], counts, visits)


def ranks_by(
    journeys: Journeys, tested: Later, encoders: Mapping[str, PortraitEncoder], placed: bool
) -> dict[str, Floats]:
    """The rank of each later choice among stations without own visits, by encoder and by
    popularity; `placed`: the place of the request is known, and nearer is liked more."""
    users = {user.user_id: user for user in journeys.users}
    expected = {}
    for name, encoder in encoders.items():
        tastes = learn_tastes(tested.visits, users, journeys.stations, encoder)
        expected[name] = _expected(journeys, tested, tastes)
        expected[POPULARITY] = np.tile(tastes.mean, (len(tested.rows), 1))
    chosen, own = journeys.station[tested.rows], tested.counts[journeys.user[tested.rows]] > 0
    km = _distance_km(journeys, tested.rows) if placed else np.ones(own.shape)
    return {
        name: metrics.ranks(np.where(own, -1.0, preference(visits, km)), chosen)
        for name, visits in expected.items()
    }


def _expected(journeys: Journeys, tested: Later, tastes: Tastes) -> Floats:
    """Visits that users alike would have paid, (rows, stations); the mean for who is unknown."""
    asking = journeys.user[tested.rows].tolist()
    rows = np.array([tastes.row.get(journeys.users[user].user_id, -1) for user in asking])
    every = np.tile(np.arange(tastes.mean.size), (len(rows), 1))
    alike = tastes.expected(np.maximum(rows, 0), every)
    return np.where(rows[:, None] >= 0, alike, tastes.mean)


def _distance_km(journeys: Journeys, rows: Index) -> Floats:
    """Kilometres from where it was asked to each station, (rows, stations)."""
    stations = journeys.stations
    north, east = kilometres(stations, stations.lat_deg, stations.lon_deg)
    return np.asarray(
        np.hypot(journeys.north_km[rows][:, None] - north, journeys.east_km[rows][:, None] - east)
    )


def figures(
    journeys: Journeys,
    span: tuple[float, float],
    encoders: Mapping[str, PortraitEncoder],
    seed: int,
    placed: bool = True,
) -> dict[str, float]:
    """hit1 and mrr by encoder, of statistics and of popularity, on the choices of a span of time.

    Of users with a history, then `new_` of those without.
    """
    tested = later(journeys, *span, seed)
    both = {STATISTICS: StatisticsEncoder(), **encoders}
    out = {"rows": float((~tested.new).sum()), "new_rows": float(tested.new.sum())}
    for name, rank in ranks_by(journeys, tested, both, placed).items():
        for prefix, part in (("", ~tested.new), ("new_", tested.new)):
            if part.any():
                seen = metrics.order(rank[part])
                out |= {f"{prefix}{name}_{key}": seen[key] for key in ("hit1", "mrr")}
    return out


def gain(
    spans: Sequence[tuple[Journeys, tuple[float, float]]],
    encoder: PortraitEncoder,
    seed: int,
    placed: bool = True,
) -> tuple[float, float, float]:
    """How much the reciprocal rank gains over the statistics, and its interval of 95 %.

    Of all rows of these cities and spans together; users are drawn anew.
    """
    differences, groups, count = [], [], 0
    for journeys, span in spans:
        tested = later(journeys, *span, seed)
        both = {STATISTICS: StatisticsEncoder(), "encoder": encoder}
        rank = ranks_by(journeys, tested, both, placed)
        differences.append(1.0 / rank["encoder"] - 1.0 / rank[STATISTICS])
        groups.append(journeys.user[tested.rows] + count)
        count += len(journeys.users)
    difference = np.concatenate(differences)
    drawn = metrics.interval(
        lambda rows: {"gain": float(difference[rows].mean())}, np.concatenate(groups), seed
    )
    return float(difference.mean()), *drawn["gain"]  # type: ignore[return-value]


def agreement(pairs: Pairs, encoder: PortraitEncoder) -> tuple[float, float]:
    """Rank correlation of nearness in an encoder's space with the likeness of later choices, of
    each group of pairs."""
    vectors = encoder.portraits(pairs.rows)
    apart = np.linalg.norm(vectors[pairs.first] - vectors[pairs.second], axis=1)
    place, basics = (
        _correlation(_ranked(-apart[own]), _ranked(pairs.likeness[own]))
        for own in (pairs.group == NEAR_IN_PLACE, pairs.group == NEAR_IN_BASICS)
    )
    return place, basics


def _correlation(one: Floats, other: Floats) -> float:
    """0 where either does not vary: it says nothing of the other."""
    if not one.size or np.ptp(one) == 0.0 or np.ptp(other) == 0.0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _ranked(values: NDArray[np.float32]) -> Floats:
    """Ranks; equals share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2.0)[place])
