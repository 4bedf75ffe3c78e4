"""Which plugs fail when, and for how long: older ones more often, most for minutes, some for days.

How many is taken from a real network, who of them from the law of ageing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from city_sim.demand import Disturbance, DisturbanceKind

Float64 = NDArray[np.float64]

# Source: status feed of 654 Irish connectors, November 2018: 8.9 % out of service, and 0.26 % of
# the others within an hour.
OUT_SHARE = 0.089
ONSETS_PER_H = 0.0026
WEIBULL_K, WEIBULL_A = 1.4, 3.0  # hazard grows with age in years as (age / a) ** (k - 1)
FRAILTY = 0.6  # spread of ln(hazard) among plugs of an age
OLDEST_YEARS = 8.0
# Repairs in hours, lognormal: (share, median, spread). Together median 0.4 h and mean 2.4 h, as the
# episodes of the same feed.
REPAIRS = ((0.85, 0.35, 1.0), (0.15, 8.0, 1.0))


def hazard(age_years: Float64) -> Float64:
    """How much more often a plug of this age fails than one in its first years.

    >>> hazard(np.array([3.0, 6.0])).round(3).tolist()
    [1.4, 1.847]
    """
    return np.asarray(WEIBULL_K * (age_years / WEIBULL_A) ** (WEIBULL_K - 1.0))


def repair_s(count: int, rng: np.random.Generator) -> Float64:
    """How long so many repairs take."""
    shares = np.array([share for share, _, _ in REPAIRS])
    kind = rng.choice(len(REPAIRS), count, p=shares)
    median_h = np.array([median for _, median, _ in REPAIRS])[kind]
    spread = np.array([spread for _, _, spread in REPAIRS])[kind]
    return np.asarray(median_h * np.exp(spread * rng.standard_normal(count)) * 3600.0)


def faults(
    evse_ids: Sequence[str], begins_s: float, ends_s: float, rng: np.random.Generator
) -> tuple[Disturbance, ...]:
    """Plugs that are out all the time, and those that fail within it, each by its hazard."""
    count, length_h = len(evse_ids), (ends_s - begins_s) / 3600.0
    rate = hazard(rng.uniform(0.0, OLDEST_YEARS, count)) * rng.lognormal(0.0, FRAILTY, count)
    rate /= rate.mean()
    out = rng.random(count) < np.minimum(OUT_SHARE * rate, 1.0)
    onsets = rng.poisson(np.where(out, 0.0, ONSETS_PER_H * length_h * rate))
    at_s = rng.uniform(begins_s, ends_s, int(onsets.sum()))
    failing = np.repeat(np.arange(count), onsets)
    lasting = at_s + repair_s(at_s.size, rng)
    gone = [
        Disturbance(evse_ids[row], DisturbanceKind.FAULT, begins_s)
        for row in np.flatnonzero(out).tolist()
    ]
    fails = [
        Disturbance(evse_ids[row], DisturbanceKind.FAULT, from_s, to_s)
        for row, from_s, to_s in zip(failing.tolist(), at_s.tolist(), lasting.tolist(), strict=True)
    ]
    return (*gone, *fails)


def stops(
    of_station: Sequence[Sequence[str]],
    share: float,
    begins_s: float,
    ends_s: float,
    rng: np.random.Generator,
) -> tuple[Disturbance, ...]:
    """All plugs of a share of the stations, each station stopping for good at its own instant."""
    failing = rng.permutation(len(of_station))[: round(len(of_station) * share)]
    at_s = begins_s + rng.uniform(0.2, 0.8, failing.size) * (ends_s - begins_s)
    return tuple(
        Disturbance(evse_id, DisturbanceKind.FAULT, stop_s)
        for station, stop_s in zip(failing.tolist(), at_s.tolist(), strict=True)
        for evse_id in of_station[station]
    )
