"""How well a district did over a window: the five indexes, waits by level, use by the hour.

Pure: sessions and promises in, figures out; what sessions come to is reckoned in
`window_figures.py`, for `GetIndexes` as well. What the coordinator does not know is None, never 0:
it sees no loads of roads, so the paper's fifth index is told as cars on their way by station.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.core import indexes, indexes_field
from coordinator.core.sessions import ChargeSession
from coordinator.core.vehicle import WarningLevel
from coordinator.usecases.window_figures import Charged, totals, waits_by_level

BUCKETS = 24
Floats = NDArray[np.float64]
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Told:
    """What one car was promised: when, how urgent, how far, and how long it was to wait."""

    promised_at_s: float
    level: WarningLevel
    distance_km: float
    wait_s: float


@dataclass(frozen=True, slots=True)
class Place:
    """A station for the strip of use: its EVSEs by their rows."""

    station_id: str
    name: str
    evses: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """What is judged: from when to when, what happened, and at which of how many EVSEs."""

    from_s: float
    to_s: float
    sessions: Sequence[ChargeSession]
    told: Sequence[Told]
    row: dict[str, int]
    places: Sequence[Place]

    @property
    def step_s(self) -> float:
        """Length of one of the parts into which the window is cut."""
        return (self.to_s - self.from_s) / BUCKETS


def evaluate(window: Window, level_of: Mapping[str, WarningLevel]) -> dict[str, Any]:
    """All figures of the window; `level_of` gives the level behind a recommendation."""
    charged = Charged.of(window.sessions, window.row, level_of)
    known = charged.evse >= 0
    ends_s = charged.until(window.to_s)
    use = _use(window, charged.evse[known], charged.begin_s[known], ends_s[known])
    told, served = totals(charged, len(window.row), window.to_s), charged.served(len(window.row))
    gaps = told.gaps
    return {
        "from_s": window.from_s,
        "to_s": window.to_s,
        "step_s": window.step_s,
        "five": {
            "point_demand_km": indexes.point_demand_km(_column(window.told, "distance_km")),
            "flow_demand": told.count,
            "cost": told.cost,
            "cost_known": told.priced,
            "gini": told.gini if served.sum() else None,
            "variation": told.variation if served.sum() else None,
            "short_gaps": gaps.short_share if gaps.count else None,
        },
        "over_time": _over_time(window, charged, use),
        "by_level": _by_level(charged, window.told),
        "use": _strips(window, use),
        "served": _most_and_least(served),
    }


def _use(window: Window, evse: NDArray[np.intp], begin: Floats, end: Floats) -> Floats:
    """Share of each part of the window in which a car stood at an EVSE, (EVSEs, parts)."""
    table = np.zeros((len(window.row), BUCKETS))
    for part in range(BUCKETS):
        from_s = window.from_s + part * window.step_s
        inside = np.clip(
            np.minimum(end, from_s + window.step_s) - np.maximum(begin, from_s), 0, None
        )
        np.add.at(table[:, part], evse, inside / window.step_s)
    return np.minimum(table, 1.0)


def _over_time(window: Window, charged: Charged, use: Floats) -> list[dict[str, Any]]:
    part = _part(window, charged.begin_s)
    told_at = _part(window, _column(window.told, "promised_at_s"))
    ways = _column(window.told, "distance_km")
    rows = []
    for number in range(BUCKETS):
        mine, asked = part == number, told_at == number
        rows.append(
            {
                "from_s": window.from_s + number * window.step_s,
                "promised": int(asked.sum()),
                "point_demand_km": float(np.nansum(ways[asked])),
                "flow_demand": int(mine.sum()),
                "cost": _cost(charged.price[mine]),
                "wait_s": _known(indexes_field.mean(charged.wait_s[mine])),
                "use": float(use[:, number].mean()) if len(use) else None,
                "gini": indexes.gini(use[:, number]) if use[:, number].sum() else None,
            }
        )
    return rows


def _cost(prices: Floats) -> float | None:
    """What these charges cost together; None while no price of them is known."""
    unknown = len(prices) > 0 and bool(np.isnan(prices).all())
    return None if unknown else indexes.total_cost(prices)


def _by_level(charged: Charged, told: Sequence[Told]) -> dict[str, dict[str, Any]]:
    """Measured waits of guided cars, and what they were told, by warning level."""
    promised, promised_level = _column(told, "wait_s"), np.array([int(t.level) for t in told])
    answer = {}
    for level, measured in waits_by_level(charged).items():
        asked = promised[promised_level == int(level)] if len(told) else promised
        answer[level.name.lower()] = {
            "cars": len(asked),
            "measured": measured.count,
            "mean_wait_s": _known(measured.mean_s),
            "p95_wait_s": _known(measured.p95_s),
            "told_wait_s": _known(indexes_field.mean(asked)),
        }
    return answer


def _strips(window: Window, use: Floats) -> list[dict[str, Any]]:
    """Use of each station by part of the window, the busiest first."""
    strips = [
        {
            "id": place.station_id,
            "name": place.name,
            "evses": len(place.evses),
            "shares": use[list(place.evses)].mean(axis=0).round(4).tolist(),
        }
        for place in window.places
        if place.evses
    ]
    return sorted(strips, key=lambda strip: -sum(strip["shares"]))


def _most_and_least(served: Floats) -> list[int]:
    """How many cars each EVSE served, in descending order: what the Gini coefficient is of."""
    ordered: list[int] = np.sort(served)[::-1].astype(int).tolist()
    return ordered


def _part(window: Window, at_s: Floats) -> NDArray[np.intp]:
    """The part of the window in which an instant lies; -1 outside."""
    number = np.floor((at_s - window.from_s) / window.step_s)
    inside = (number >= 0) & (number < BUCKETS)
    return np.where(inside, number, -1).astype(np.intp)


def _column(told: Sequence[Told], name: str) -> Floats:
    return np.array([getattr(one, name) for one in told], dtype=np.float64)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
