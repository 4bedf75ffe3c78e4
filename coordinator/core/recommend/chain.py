"""The chain: which factors count, and which filters apply, at which warning level (paper 2.3.2).

High: level one. Medium: level two as well. Low: all three. What a filter looks at is computed in
`gather.py`; reach, plugs and payment are judged in `candidates.py` and never relaxed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.rules import DEFAULT_RULES, Rules
from coordinator.core.vehicle import WarningLevel

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Columns of the ranker by the factor they stand for, and the level at which the factor enters.
# Preference orders and removes nothing: a habit is no reason to hide a pile.
# Departs: "waiting" enters at level two in the paper; how occupied a pile will be on arrival is
# expressed as the expected wait, so that column counts from level one. What neighbours are about to
# do is "not applicable for users with urgent needs" (paper 1), so it enters at level two.
FACTORS: Mapping[WarningLevel, Mapping[str, tuple[str, ...]]] = {
    WarningLevel.HIGH: {
        "location": (
            "drive_min", "distance_km", "detour_km", "destination_km", "has_destination",
            "charges_there", "distance_rank",
        ),
        "vehicle": ("soc_pct", "arrival_soc_pct", "dc"),
        "occupancy": (
            "wait_min", "p_unusable", "status_free", "status_age_min", "queue_length",
            "station_free_share", "station_evse_count",
        ),
        "parking": (),
    },
    WarningLevel.MEDIUM: {
        "charge rate": ("charge_min", "expected_power_kw"),
        "preference": ("preference", "visit_share"),
        "price": ("price_per_session",),
        "neighbours": ("expected_arrivals",),
    },
    WarningLevel.LOW: {"traffic load": ("traffic_grade",), "equilibrium": ("equilibrium",)},
}  # fmt: skip

# Filters in the order in which they apply, with the first level that they apply to.
FILTERS: tuple[tuple[str, WarningLevel], ...] = (
    ("HEARD", WarningLevel.HIGH),
    ("WORKING", WarningLevel.HIGH),
    ("OCCUPANCY", WarningLevel.HIGH),
    ("PARKING", WarningLevel.HIGH),
    ("DISTANCE_BAND", WarningLevel.MEDIUM),
    ("CHARGE_RATE", WarningLevel.MEDIUM),
    ("WAITING", WarningLevel.MEDIUM),
    ("PRICE", WarningLevel.MEDIUM),
    ("TRAFFIC", WarningLevel.LOW),
    ("EQUILIBRIUM", WarningLevel.LOW),
)


def heard(silent: Mask, sooner_s: Floats, valid: Mask, rules: Rules = DEFAULT_RULES) -> Mask:
    """Not silent, unless all that is heard of costs more than a second try.

    Of a silent pile nobody knows whether it works, nothing can be held there, and who is promised
    it is moved elsewhere. `sooner_s` is drive and wait. Source: paper 2.3.2.1 (occupancy). Departs:
    the paper knows every pile.

    >>> one = np.full((1, 3), True)
    >>> heard(np.array([[True, False, True]]), np.array([[100.0, 900.0, 0.0]]), one).tolist()
    [[False, True, False]]
    >>> heard(np.array([[True, False, True]]), np.array([[100.0, 950.0, 0.0]]), one).tolist()
    [[False, True, True]]
    """
    if not silent.any():
        return valid
    known_s = np.where(valid & ~silent, sooner_s, np.inf).min(axis=-1, keepdims=True)
    passes: Mask = ~silent | (sooner_s + rules.retry_s < known_s)
    return passes


def working(p_working: Floats, rules: Rules = DEFAULT_RULES) -> Mask:
    """Not "more likely to fail": P(unusable on arrival) below 30 %. Source: paper 2.3.2.1.

    >>> working(np.array([0.69, 0.71])).tolist()
    [False, True]
    """
    return p_working > 1.0 - rules.likely_to_fail


def occupancy(ahead: NDArray[np.int64], rules: Rules = DEFAULT_RULES) -> Mask:
    """At most three cars are served before this one. Source: paper 2.3.2.1.

    >>> occupancy(np.array([3, 4])).tolist()
    [True, False]
    """
    return ahead <= rules.queue_places


def distance_band(distance_km: Floats, range_km: Floats, rules: Rules = DEFAULT_RULES) -> Mask:
    """Neither too near nor too far: 0.2 km to 60 % of the remaining range. Source: paper 2.3.2.2.

    >>> distance_band(np.array([0.19, 0.2, 6.0, 6.1]), np.array([10.0])).tolist()
    [False, True, True, False]
    """
    return (distance_km >= rules.nearest_band_km) & (
        distance_km <= rules.farthest_band_share * range_km
    )


def charge_rate(power_kw: Floats, valid: Mask, missing: Mask, rules: Rules = DEFAULT_RULES) -> Mask:
    """At least a fifth of the best average power over the session. Source: paper 2.3.2.2.

    A charge of nothing has no rate: where nothing is `missing` every power suits, and none is best.

    >>> one = np.full((1, 3), True)
    >>> charge_rate(np.array([[100.0, 20.0, 19.9]]), one, one).tolist()
    [[True, True, False]]
    >>> charge_rate(np.array([[100.0, 20.0, 19.9]]), one, np.array([[False, True, True]])).tolist()
    [[True, True, True]]
    """
    best_kw = np.where(valid & missing, power_kw, 0.0).max(axis=-1, keepdims=True, initial=0.0)
    suits: Mask = ~missing | (power_kw >= rules.charge_rate_share * best_kw)
    return suits


def waiting(wait_s: Floats, rules: Rules = DEFAULT_RULES) -> Mask:
    """A wait of at most an hour. Source: paper 2.3.2.2.

    >>> waiting(np.array([3600.0, 3601.0])).tolist()
    [True, False]
    """
    short: Mask = wait_s <= rules.longest_wait_s
    return short


def price(paid: Floats, valid: Mask, rules: Rules = DEFAULT_RULES) -> Mask:
    """At most twice the mean price of this session; unknown passes. Source: paper 2.3.2.2.

    >>> price(np.array([[5.0, 5.0, 20.0, 20.1, np.nan]]), np.full((1, 5), True)).tolist()
    [[True, True, True, True, True]]
    >>> price(np.array([[1.0, 1.0, 10.0, np.nan]]), np.full((1, 4), True)).tolist()
    [[True, True, False, True]]
    """
    known = valid & (paid == paid)
    total = np.where(known, paid, 0.0).sum(axis=-1, keepdims=True)
    mean = total / np.maximum(known.sum(axis=-1, keepdims=True), 1)
    dear: Mask = paid > rules.dearest_times * mean
    return ~dear


def traffic(grade: Floats | float, rules: Rules = DEFAULT_RULES) -> Mask:
    """The way is no jam: mean grade at most 4. Source: paper 2.3.2.3.

    >>> traffic(np.array([4.0, 4.1])).tolist()
    [True, False]
    """
    return np.asarray(grade) <= rules.worst_grade


def equilibrium(used: Floats, served: Floats, rules: Rules = DEFAULT_RULES) -> Mask:
    """Used less than three times as much as others of its class; three cars are no trend.

    Source: paper 2.3.2.3.

    >>> equilibrium(np.array([1.9, 2.0, 2.0]), np.array([9.0, 9.0, 3.0])).tolist()
    [True, False, True]
    """
    return (used < rules.overused) | (served <= rules.queue_places)


@dataclass(frozen=True, slots=True)
class Filtered:
    """Which candidates (r, n) the filters left, and why the others went. Source: paper 2.3.2."""

    before: Mask
    masks: tuple[Mask, ...]  # of each of `FILTERS`, passed where the level does not know it
    keep: Mask
    relaxed: list[tuple[str, ...]]  # filters that would have left nothing, of each request

    def reason(self, number: int, candidate: int) -> str:
        """The first filter that a candidate of one request did not pass; empty if it did."""
        if self.keep[number, candidate] or not self.before[number, candidate]:
            return ""
        for (name, _), mask in zip(FILTERS, self.masks, strict=True):
            passed = np.broadcast_to(mask, self.before.shape)[number, candidate]
            if not passed and name not in self.relaxed[number]:
                return name
        return ""


def apply(level: NDArray[np.int64], valid: Mask, passing: Sequence[Mask]) -> Filtered:
    """What passes the filters of each request's level.

    `passing` holds a mask (r, n) for each of `FILTERS`; `level` is (r, 1). One that would leave
    nothing of what passed those before it is relaxed, so that the last give way first. Source:
    paper 2.3, 2.3.2, 2.3.2.2; paper 2, Fig. 1, 2.

    >>> one, ok = np.full((1, 3), True), [np.full((1, 3), True)] * len(FILTERS)
    >>> ok[4], ok[5] = np.array([[False, True, False]]), np.array([[True, False, True]])
    >>> left = apply(np.array([[2]]), one, ok)
    >>> left.keep.tolist(), left.relaxed, left.reason(0, 2)
    ([[False, True, False]], [('CHARGE_RATE',)], 'DISTANCE_BAND')
    >>> apply(np.array([[1]]), one, ok).keep.tolist()  # a high level knows neither
    [[True, True, True]]
    """
    masks = []
    keep = valid
    for (_, first), passes in zip(FILTERS, passing, strict=True):
        mask = passes if first is WarningLevel.HIGH else passes | (level < int(first))
        masks.append(mask)
        keep = keep & mask
    relaxed: list[tuple[str, ...]] = [()] * len(valid)
    for number in np.flatnonzero(~keep.any(axis=1) & valid.any(axis=1)).tolist():
        kept, given_up = valid[number], []
        for (name, _), mask in zip(FILTERS, masks, strict=True):
            row = kept & np.broadcast_to(mask, valid.shape)[number]
            if row.any():
                kept = row
            else:
                given_up.append(name)
        keep[number], relaxed[number] = kept, tuple(given_up)
    return Filtered(valid, tuple(masks), keep, relaxed)


def neutral(values: Floats, valid: Mask, outside: Mask) -> Floats:
    """The values, with those of requests `outside` (r, 1) replaced by the request's mean.

    A factor that is the same for all candidates orders nothing.

    Source: paper 2.3.2.

    >>> both = np.array([[1.0, 3.0], [1.0, 3.0]])
    >>> neutral(both, both > 0, np.array([[True], [False]])).tolist()
    [[2.0, 2.0], [1.0, 3.0]]
    """
    count = np.maximum(valid.sum(axis=1, keepdims=True), 1)
    mean = np.where(valid, values, 0.0).sum(axis=1, keepdims=True) / count
    return np.where(outside, mean, values)
