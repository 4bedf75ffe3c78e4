"""What was known of a user and of every station when a session began: columns for the choice model.

One pass through the sessions in order; a row is taken before its own session is counted, so that
nothing is learned from what came later. Scores of the baselines come from the same counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.sources import Sessions

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

DAY_S = 86_400.0
HALF_LIVES_DAYS = (2.0, 7.0, 14.0, 45.0)
BASELINE_HALF_LIFE_DAYS = 14.0
HOUR_WIDTH_H = 2.0
NEIGHBOURS = 20  # users of like habits (`coordinator.core.recommend.preference` takes as many)
RETRY_DAYS = 1.0 / 24.0
NEAR_KM = 1.0
BASELINES = ("popularity", "visits", "recency", "recency_hour")


@dataclass(frozen=True, slots=True)
class Habits:
    """Rows of users with a past: `columns` (n, k, d) over all k stations, `session` (n,) of each.

    `baselines` are scores (n, k) by name.
    """

    columns: Floats
    names: tuple[str, ...]
    baselines: dict[str, Floats]
    session: Index


def habits(sessions: Sessions) -> Habits:
    """The columns of every session whose user was seen before."""
    past = _Past(sessions)
    rows, kept = [], []
    said: dict[str, list[Floats]] = {name: [] for name in BASELINES}
    names: tuple[str, ...] = ()
    for number in range(len(sessions)):
        user = int(sessions.user[number])
        if user >= 0 and past.own[user]:
            mine = _Own(past, number)
            columns = {**_history(mine), **_novelty(mine), **_crowd(mine), **_places(mine)}
            names = tuple(columns)
            rows.append(np.stack(list(columns.values()), axis=-1))
            kept.append(number)
            for name, scores in _baselines(mine).items():
                said[name].append(scores)
        past.count(number)
    k = len(sessions.station_ids)
    return Habits(
        np.array(rows).reshape(len(kept), k, len(names)),
        names,
        {name: np.array(scores).reshape(len(kept), k) for name, scores in said.items()},
        np.array(kept, dtype=np.intp),
    )


@dataclass(slots=True)
class _Past:
    """Counts up to now."""

    sessions: Sessions
    own: list[list[int]] = field(init=False)
    visits: Floats = field(init=False)  # (users, stations)
    total: Floats = field(init=False)
    lately: Floats = field(init=False)  # total, forgotten with a half-life of 30 days
    follows: Floats = field(init=False)  # (stations, stations), from one to the next of a user
    by_hour: Floats = field(init=False)
    plugs: Floats = field(init=False)
    used_s: Floats = field(init=False)
    free_s: Floats = field(init=False)
    km: Floats = field(init=False)
    at_s: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        users, stations = len(self.sessions.user_ids), len(self.sessions.station_ids)
        self.own = [[] for _ in range(users)]
        self.visits = np.zeros((users, stations))
        self.total, self.lately = np.zeros(stations), np.zeros(stations)
        self.follows = np.zeros((stations, stations))
        self.by_hour = np.zeros((stations, 24))
        self.plugs = np.zeros((stations, len(self.sessions.plug_ids)))
        self.used_s, self.free_s = np.full(stations, -np.inf), np.full(stations, -np.inf)
        north, east = np.radians(self.sessions.places).T * 6371.0
        east = east * np.cos(np.radians(np.nanmean(self.sessions.places[:, 0])))
        self.km = np.hypot(north[:, None] - north, east[:, None] - east)

    def count(self, number: int) -> None:
        """Takes a session in."""
        s = self.sessions
        station, user, now_s = int(s.station[number]), int(s.user[number]), float(s.begin_s[number])
        self.lately *= 0.5 ** ((now_s - self.at_s) / (30.0 * DAY_S))
        self.at_s = now_s
        self.total[station] += 1.0
        self.lately[station] += 1.0
        self.by_hour[station, int(_hour(now_s))] += 1.0
        self.plugs[station, int(s.plug[number])] += 1.0
        self.used_s[station] = now_s
        self.free_s[station] = max(self.free_s[station], float(s.end_s[number]))
        if user >= 0:
            if self.own[user]:
                self.follows[int(s.station[self.own[user][-1]]), station] += 1.0
            self.visits[user, station] += 1.0
            self.own[user].append(number)


class _Own:
    """The past as one session sees it."""

    def __init__(self, past: _Past, number: int) -> None:
        s = past.sessions
        self.past, self.k = past, len(s.station_ids)
        self.user, self.now_s = int(s.user[number]), float(s.begin_s[number])
        mine = np.array(past.own[self.user], dtype=np.intp)
        self.station, self.good, self.plug = s.station[mine], s.good[mine], s.plug[mine]
        self.age_days = (self.now_s - s.begin_s[mine]) / DAY_S
        self.visits = past.visits[self.user]
        apart_h = np.abs(_hour(s.begin_s[mine]) - _hour(self.now_s))
        self.like_hour = np.exp(-0.5 * (np.minimum(apart_h, 24.0 - apart_h) / HOUR_WIDTH_H) ** 2)
        self.like_day = _weekday(s.begin_s[mine]) == _weekday(self.now_s)
        self.like_week = (_weekday(s.begin_s[mine]) >= 5) == (_weekday(self.now_s) >= 5)
        decayed = past.lately * 0.5 ** ((self.now_s - past.at_s) / (30.0 * DAY_S))
        self.popular = (past.total + 0.5) / (past.total.sum() + 0.5 * self.k)
        self.popular_lately = (decayed + 0.2) / (decayed.sum() + 0.2 * self.k)

    def sums(self, weight: Floats | NDArray[np.bool_]) -> Floats:
        """Weights of the user's sessions, added up by station."""
        return np.bincount(self.station, weights=weight, minlength=self.k).astype(np.float64)

    def share(self, weight: Floats, doubt: float) -> Floats:
        """Logarithm of each station's share of these weights; `doubt` counts for everybody."""
        sums = self.sums(weight)
        return np.asarray(np.log((sums + doubt) / (sums.sum() + 10.0 * doubt)))

    def fading(self, half_life_days: float) -> Floats:
        """Weights of the user's sessions by age."""
        return np.asarray(0.5 ** (self.age_days / half_life_days))


def _history(own: _Own) -> dict[str, Floats]:
    """What this user did before, by age, hour and day."""
    columns = {
        "visits": own.visits,
        "share": np.log((own.visits + 0.2) / (len(own.station) + 1.0)),
        "hour_faded": own.share(own.fading(14.0) * own.like_hour, 0.03),
        "hour_slow": own.share(own.fading(45.0) * own.like_hour, 0.03),
        "hour_week": own.share(own.like_hour * own.like_week, 0.05),
    }
    for half_life in HALF_LIVES_DAYS:
        columns[f"faded_{half_life:.0f}"] = own.share(own.fading(half_life), 0.05)
    weekday = own.sums(own.fading(45.0) * own.like_day)
    columns["weekday"] = np.log((weekday + 0.1) / (weekday.sum() + 1.0))
    last = (np.arange(own.k) == own.station[-1]) * 1.0
    columns["last"] = last
    columns["second_last"] = (
        (np.arange(own.k) == own.station[-2]) * 1.0 if len(own.station) > 1 else np.zeros(own.k)
    )
    again = not own.good[-1] and own.age_days[-1] < RETRY_DAYS
    columns["last_failed_now"] = last * again
    since = np.full(own.k, 400.0)
    np.minimum.at(since, own.station, own.age_days)
    columns["since"] = np.log(since + 0.1)
    well = own.sums(own.good)
    columns["went_well"] = np.where(own.visits > 0, (well + 1.0) / (own.visits + 1.5), 0.66)
    return columns


def _novelty(own: _Own) -> dict[str, Floats]:
    """Whether this user tries new stations, and which."""
    new = (own.visits == 0) * 1.0
    variety = len(np.unique(own.station)) / len(own.station)
    return {
        "new": new,
        "new_variety": new * variety,
        "new_experience": new * np.log(len(own.station)),
        "new_popular": new * np.log(own.popular),
    }


def _crowd(own: _Own) -> dict[str, Floats]:
    """What others do: popularity, what follows what, users of like habits, who stands there now."""
    past = own.past
    hour = int(_hour(own.now_s))
    around = past.by_hour[:, hour] + 0.5 * (
        past.by_hour[:, (hour + 1) % 24] + past.by_hour[:, hour - 1]
    )
    prior = own.popular * own.k
    follows = past.follows[own.station[-1]]
    rest_days = np.minimum((own.now_s - past.used_s) / DAY_S, 60.0)
    return {
        "popular": np.log(own.popular),
        "popular_lately": np.log(own.popular_lately),
        "popular_hour": np.log((around + 0.5 * prior) / (around.sum() + 0.5 * own.k) / own.popular),
        "follows": np.log((follows + 2.0 * own.popular) / (follows.sum() + 2.0)),
        "alike": _alike(own),
        "rest": np.log(rest_days + 0.02),
        "in_use": (past.free_s > own.now_s) * 1.0,
    }


def _alike(own: _Own) -> Floats:
    """Logarithm of the share of each station among the users of most like habits."""
    table = np.log1p(own.past.visits)
    mine = table[own.user]
    length = np.sqrt((table**2).sum(axis=1)) + 1e-9
    like = table @ mine / length / length[own.user]
    like[own.user] = 0.0
    near = np.argsort(-like, kind="stable")[:NEIGHBOURS]
    theirs = own.past.visits[near] / np.maximum(own.past.visits[near].sum(axis=1), 1.0)[:, None]
    counts = like[near] @ theirs
    return np.asarray(np.log((counts + 0.3 * own.popular) / (counts.sum() + 0.3)))


def _places(own: _Own) -> dict[str, Floats]:
    """Where stations stand against those of this user, and whether the plug fits."""
    past = own.past
    near = np.exp(-np.nan_to_num(past.km, nan=np.inf) / NEAR_KM)
    fading = own.fading(14.0)
    around = fading @ near[own.station] / fading.sum()
    unknown = np.isnan(past.sessions.places[:, 0]) * 1.0
    lately = near[own.station[-1]] * (own.age_days[-1] < 0.25)
    plugs = np.bincount(own.plug, minlength=past.plugs.shape[1]) / len(own.plug)
    offered = (past.plugs + 0.1) / (past.plugs + 0.1).sum(axis=1, keepdims=True)
    return {
        "near": np.log(around + 0.02),
        "unplaced": unknown,
        "near_last": lately,
        "plug": np.log(offered @ plugs + 0.02),
    }


def _baselines(own: _Own) -> dict[str, Floats]:
    fading = own.fading(BASELINE_HALF_LIFE_DAYS)
    return {
        "popularity": own.past.total.copy(),
        "visits": own.visits.copy(),
        "recency": own.sums(fading),
        "recency_hour": own.sums(fading * own.like_hour),
    }


def _hour(instant_s: float | Floats) -> NDArray[np.float64]:
    return np.asarray(np.asarray(instant_s) % DAY_S / 3600.0)


def _weekday(instant_s: float | Floats) -> NDArray[np.float64]:
    """0 is Monday."""
    return np.asarray((np.floor(np.asarray(instant_s) / DAY_S) + 3.0) % 7.0)
