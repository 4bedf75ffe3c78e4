"""What became of each decision by the status that really followed, and how sure a gain is.

How decisions are made is in `deciding.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from city_sim.replay.deciding import NEAREST, NEAREST_FREE, OURS, Decision
from city_sim.replay.drivers import Driver
from city_sim.replay.feed import Feed
from city_sim.replay.network import Network
from city_sim.replay.timeline import (
    FREE,
    NOBODY_KNOWS,
    OCCUPIED,
    OUT_OF_CONTACT,
    OUT_OF_SERVICE,
    Floats,
    Index,
)

RESAMPLES = 4_000
DAY_S = 86_400.0
BINS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 1.0)


@dataclass(frozen=True, slots=True)
class Scored:
    """Requests that could be judged, columns (n,) for each policy: the state on arrival and so on.

    `site` and `day` are where and when the driver really charged.
    """

    states: Mapping[str, Index]
    km: Mapping[str, Floats]
    own: Mapping[str, NDArray[np.bool_]]
    told: Mapping[str, NDArray[np.bool_]]
    p_success: Floats
    site: Index
    day: Index
    unjudged: int

    def __len__(self) -> int:
        return len(self.site)

    def success(self, policy: str) -> NDArray[np.bool_]:
        """Where the plug worked and was free when the car got there."""
        return np.isin(self.states[policy], FREE)


def state_met(feed: Feed, driver: Driver, decision: Decision) -> int:
    """The state of the plug on arrival, as if this driver had charged nowhere else."""
    line = feed.lines[decision.plug]
    if decision.plug in driver.own:
        return line.state_without(decision.arrives_s, driver.came_s)
    return line.state(decision.arrives_s)


def scored(
    feed: Feed,
    net: Network,
    made: Sequence[tuple[Driver, Mapping[str, Decision]]],
) -> Scored:
    """All decisions with what became of them; drivers are left out of whom it is not known."""
    names = tuple(made[0][1]) if made else ()
    states = np.array(
        [[state_met(feed, driver, one[name]) for name in names] for driver, one in made]
    ).reshape(len(made), len(names))
    known = (states != NOBODY_KNOWS).all(axis=1)
    kept = [pair for pair, good in zip(made, known.tolist(), strict=True) if good]
    states = states[known]

    def column(name: str, field: str) -> list[float]:
        return [getattr(one[name], field) for _, one in kept]

    return Scored(
        {name: states[:, number] for number, name in enumerate(names)},
        {name: np.array(column(name, "km")) for name in names},
        {
            name: np.array([one[name].plug in driver.own for driver, one in kept], dtype=bool)
            for name in names
        },
        {name: np.array(column(name, "told"), dtype=bool) for name in names},
        np.array(column(OURS, "p_success"), dtype=np.float64),
        np.array([net.site[driver.plug] for driver, _ in kept], dtype=np.intp),
        np.array([driver.came_s // DAY_S for driver, _ in kept], dtype=np.intp),
        int((~known).sum()),
    )


def table(rows: Scored) -> dict[str, dict[str, float]]:
    """Figures of each policy: shares of all requests, km."""
    made = {}
    for name, states in rows.states.items():
        made[name] = {
            "first_try_success": _mean(rows.success(name)),
            "occupied_share": _mean(states == OCCUPIED),
            "out_of_service_share": _mean(states == OUT_OF_SERVICE),
            "out_of_contact_share": _mean(states == OUT_OF_CONTACT),
            "mean_km": _mean(rows.km[name]),
            "mean_extra_km": _mean(rows.km[name] - rows.km[NEAREST]),
            "own_plug_share": _mean(rows.own[name]),
            "silent_share": _mean(~rows.told[name]),
        }
    return made


def gain(rows: Scored, other: str = NEAREST_FREE) -> Floats:
    """By request what ours has before the other: 1, 0 or -1."""
    return rows.success(OURS).astype(np.float64) - rows.success(other)


def interval(values: Floats, cluster: Index, seed: int) -> tuple[float, float]:
    """The 95 % interval of a mean, by resampling whole clusters; (nan, nan) with fewer than two.

    >>> interval(np.ones(6), np.array([0, 0, 1, 1, 2, 2]), 7)
    (1.0, 1.0)
    """
    _, number = np.unique(cluster, return_inverse=True)
    count = np.bincount(number).astype(np.float64)
    if len(count) < 2:
        return float("nan"), float("nan")
    total = np.bincount(number, values)
    drawn = np.random.default_rng([seed, 3]).integers(0, len(count), (RESAMPLES, len(count)))
    means = total[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return round(float(low), 5), round(float(high), 5)


def calibration(rows: Scored) -> dict[str, object]:
    """How good the chances were that ours told, on plugs that the driver did not take in truth.

    The driver's own plug was free by construction. `brier_constant` is what telling everybody the
    mean would have scored.
    """
    asked = rows.told[OURS] & ~rows.own[OURS] & np.isfinite(rows.p_success)
    said, happened = rows.p_success[asked], rows.success(OURS)[asked].astype(np.float64)
    if not len(said):
        return {"rows": 0}
    at = np.clip(np.searchsorted(BINS, said, side="right") - 1, 0, len(BINS) - 2)
    return {
        "rows": len(said),
        "brier": _mean((said - happened) ** 2),
        "brier_constant": _mean((happened.mean() - happened) ** 2),
        "mean_p_success": _mean(said),
        "success": _mean(happened),
        "bins": [
            {
                "from": BINS[number], "to": BINS[number + 1], "rows": int((at == number).sum()),
                "mean_p_success": _mean(said[at == number]),
                "success": _mean(happened[at == number]),
            }
            for number in np.unique(at).tolist()
        ],
    }  # fmt: skip


def _mean(values: NDArray[np.floating] | NDArray[np.bool_]) -> float:
    return round(float(np.mean(values)), 5) if len(values) else float("nan")
