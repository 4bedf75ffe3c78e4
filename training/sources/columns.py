"""The typed columns that every adapter gives: sessions, connectors, their states, hourly use.

How a file becomes them is the adapters' affair. NaN means unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

SHORT_S, SHORT_WH = 120.0, 100.0  # a session below either is a proxy for a failed attempt
STATES = ("available_or_unlisted", "part", "occ", "ooc", "oos")
AVAILABLE, PART, OCCUPIED, OUT_OF_CONTACT, OUT_OF_SERVICE = range(5)


@dataclass(frozen=True, slots=True)
class Sessions:
    """n charging sessions, ascending by begin. `user` is -1 where nobody is known.

    `station` indexes `station_ids`, `plug` indexes `plug_ids`; times are seconds of the file's own
    clock; `good` is False for a session so short that it may have failed.
    """

    user: Index
    station: Index
    plug: Index
    begin_s: Floats
    end_s: Floats
    good: NDArray[np.bool_]
    user_ids: tuple[str, ...]
    station_ids: tuple[str, ...]
    plug_ids: tuple[str, ...]
    places: Floats  # (stations, 2) degrees of latitude and longitude
    energy_kwh: Floats
    start_soc_pct: Floats
    end_soc_pct: Floats
    power_kw: Floats  # the greatest that was seen
    report: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.begin_s)


@dataclass(frozen=True, slots=True)
class Session:
    """One session on its way into the columns; empty and NaN mean unknown."""

    begin_s: float
    end_s: float
    station: str
    user: str = ""
    plug: str = ""
    energy_kwh: float = float("nan")
    start_soc_pct: float = float("nan")
    end_soc_pct: float = float("nan")
    power_kw: float = float("nan")

    @property
    def good(self) -> bool:
        """Whether it lasted and gave enough not to look like a failed attempt."""
        enough = not self.energy_kwh < SHORT_WH / 1000.0
        return self.end_s - self.begin_s >= SHORT_S and enough


def sessions_of(
    rows: list[Session], places: dict[str, tuple[float, float]], report: dict[str, float]
) -> Sessions:
    """The columns of these sessions, ordered by begin; stations are those of either."""
    rows.sort(key=lambda one: one.begin_s)
    station_ids = tuple(sorted(set(places) | {one.station for one in rows}))
    user_ids = tuple(sorted({one.user for one in rows} - {""}))
    plug_ids = tuple(sorted({one.plug for one in rows}))
    users, stations, plugs = (
        {name: number for number, name in enumerate(names)}
        for names in (user_ids, station_ids, plug_ids)
    )

    def numbers(name: str) -> Floats:
        return np.array([getattr(one, name) for one in rows], dtype=np.float64)

    count = max(len(rows), 1)
    return Sessions(
        np.array([users.get(one.user, -1) for one in rows], dtype=np.intp),
        np.array([stations[one.station] for one in rows], dtype=np.intp),
        np.array([plugs[one.plug] for one in rows], dtype=np.intp),
        numbers("begin_s"),
        numbers("end_s"),
        np.array([one.good for one in rows], dtype=bool),
        user_ids,
        station_ids,
        plug_ids,
        np.array([places.get(name, (np.nan, np.nan)) for name in station_ids]).reshape(-1, 2),
        numbers("energy_kwh"),
        numbers("start_soc_pct"),
        numbers("end_soc_pct"),
        numbers("power_kw"),
        {
            "sessions": float(len(rows)),
            **report,
            "unknown_user_share": round(sum(not one.user for one in rows) / count, 4),
            "short_share": round(sum(not one.good for one in rows) / count, 4),
        },
    )


@dataclass(frozen=True, slots=True)
class Connectors:
    """m connectors: their post, address and type as indexes of what is written."""

    ids: tuple[str, ...]
    type: Index
    post: Index
    address: Index
    family: Index  # of posts named alike, by the letters that their names begin with
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Intervals:
    """States of connectors, each row ascending in time: `rows[i]` is (starts, ends, states)."""

    rows: tuple[tuple[Floats, Floats, Index], ...]
    from_s: float
    to_s: float
    report: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """What stations gave hour by hour: columns (hours, stations); `at_s` is when an hour began.

    Prices are as the file writes them, in its own unit.
    """

    at_s: Floats
    used_h: Floats  # pile-hours in use within the hour
    energy_kwh: Floats
    energy_price: Floats
    service_price: Floats
    station_ids: tuple[str, ...]
    places: Floats  # (stations, 2) degrees of latitude and longitude
    pile_count: Index
    power_kw: Floats  # mean of a pile
    report: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.at_s)
