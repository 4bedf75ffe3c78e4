"""How well a district did over a window: the five indexes, waits by level, use by the hour.

Pure: sessions and promises in, figures out; the figures themselves are defined in
`core/indexes.py` and `core/indexes_field.py`. What the coordinator does not know is None, never 0:
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
    evse = np.array([window.row.get(s.evse_id, -1) for s in window.sessions], dtype=np.intp)
    begin = np.array([s.started_at_s for s in window.sessions], dtype=np.float64)
    end = np.array(
        [window.to_s if s.ended_at_s is None else s.ended_at_s for s in window.sessions],
        dtype=np.float64,
    )
    known = evse >= 0
    served = np.bincount(evse[known], minlength=len(window.row)).astype(np.float64)
    waits = np.array([s.wait_s for s in window.sessions], dtype=np.float64)
    levels = np.array(
        [int(level_of.get(s.recommendation_id, 0)) for s in window.sessions], dtype=np.intp
    )
    use = _use(window, evse[known], begin[known], end[known])
    gaps = indexes.idle_gaps(evse[known], begin[known], end[known])
    prices = np.array([s.price for s in window.sessions], dtype=np.float64)
    return {
        "from_s": window.from_s,
        "to_s": window.to_s,
        "step_s": window.step_s,
        "five": {
            "point_demand_km": indexes.point_demand_km(_column(window.told, "distance_km")),
            "flow_demand": len(window.sessions),
            "cost": indexes.total_cost(prices),
            "cost_known": int(np.count_nonzero(~np.isnan(prices))),
            "gini": indexes.gini(served) if served.sum() else None,
            "variation": indexes.variation(served) if served.sum() else None,
            "short_gaps": gaps.short_share if gaps.count else None,
        },
        "over_time": _over_time(window, begin, waits, prices, use),
        "by_level": _by_level(waits, levels, window.told),
        "use": _strips(window, use),
        "served": _most_and_least(window, served),
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


def _over_time(
    window: Window, begin: Floats, waits: Floats, prices: Floats, use: Floats
) -> list[dict[str, Any]]:
    part = _part(window, begin)
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
                "cost": float(np.nansum(prices[mine])),
                "wait_s": _known(indexes_field.mean(waits[mine])),
                "use": float(use[:, number].mean()) if len(use) else None,
                "gini": indexes.gini(use[:, number]) if use[:, number].sum() else None,
            }
        )
    return rows


def _by_level(
    waits: Floats, levels: NDArray[np.intp], told: Sequence[Told]
) -> dict[str, dict[str, Any]]:
    """Measured waits of guided cars, and what they were told, by warning level."""
    promised, promised_level = _column(told, "wait_s"), np.array([int(t.level) for t in told])
    measured = indexes_field.by_level(waits, levels)
    answer = {}
    for level, mean_s in measured.items():
        mine = waits[(levels == int(level)) & ~np.isnan(waits)]
        asked = promised[promised_level == int(level)] if len(told) else promised
        answer[level.name.lower()] = {
            "cars": len(asked),
            "measured": len(mine),
            "mean_wait_s": _known(mean_s),
            "p95_wait_s": _known(indexes_field.quantile(mine)),
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


def _most_and_least(window: Window, served: Floats) -> list[int]:
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
