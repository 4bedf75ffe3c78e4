"""The columns that the ranker sees, by name, with a hash; one code for training and serving.

The first three columns are those in which the score is monotone by construction: more of them is
never better. How each is computed stands in `assemble`.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coordinator.core.pile import EvseStatus
from coordinator.core.vehicle import WarningLevel

MONOTONE: tuple[str, ...] = ("wait_min", "price_per_session", "p_unusable")

FREE: tuple[str, ...] = (
    "drive_min",
    "distance_km",
    "detour_km",
    "charge_min",
    "expected_power_kw",
    "dc",
    "status_free",
    "status_age_min",
    "queue_length",
    "station_free_share",
    "station_evse_count",
    "preference",
    "visit_share",
    "equilibrium",
    "traffic_grade",
    "destination_km",
    "has_destination",
    "soc_pct",
    "arrival_soc_pct",
    "level_high",
    "level_medium",
    "level_low",
    "hour_sin",
    "hour_cos",
    "distance_rank",
    "expected_arrivals",
    "charges_there",
)

FEATURES: tuple[str, ...] = MONOTONE + FREE

COLUMN: dict[str, int] = {name: index for index, name in enumerate(FEATURES)}

# Members of an enum are slow to look up, and this runs for every request.
_AVAILABLE = int(EvseStatus.AVAILABLE)
_HIGH, _MEDIUM, _LOW = int(WarningLevel.HIGH), int(WarningLevel.MEDIUM), int(WarningLevel.LOW)

GREATEST_AGE_MIN = 1440.0  # a status older than a day is as good as none
GREATEST_PREFERENCE = 100.0  # Eq. (3) has no bound: 20 visits at 50 m give 400 per km


@dataclass(frozen=True, slots=True)
class FeatureInputs:
    """Raw columns of the candidates, each of shape (..., n) or broadcastable to `wait_s`.

    `price` and `destination_km` are NaN where unknown. Serving passes one request (n,), training
    a batch (requests, n).

    Source: US 12,393,974 B2, steps 510, 520. Departs: maker and model act through the failure rate
    only.
    """

    wait_s: ArrayLike  # expected wait on arrival
    price: ArrayLike  # of this session, currency units
    p_unusable: ArrayLike  # 1 - P(working at ETA)
    drive_s: ArrayLike
    distance_km: ArrayLike  # along the road
    detour_km: ArrayLike  # 0 without a destination
    charge_s: ArrayLike
    power_kw: ArrayLike  # average over the session
    dc: ArrayLike
    status: ArrayLike  # EvseStatus numbers, stale ones UNKNOWN
    status_age_s: ArrayLike
    queue_length: ArrayLike
    station_free_share: ArrayLike  # free EVSEs of the station / its EVSEs, now
    station_evse_count: ArrayLike
    preference: ArrayLike  # Eq. (3)
    visit_share: ArrayLike  # visits of this user to the station / all visits
    equilibrium: ArrayLike  # rules: (served - class mean) / class mean, clipped to [-1, 2]
    traffic_grade: ArrayLike  # 1-5
    destination_km: ArrayLike  # pile to destination, NaN without one
    soc_pct: ArrayLike
    arrival_soc_pct: ArrayLike
    level: ArrayLike  # WarningLevel numbers
    hour: ArrayLike  # local hour of the day, 0-24, fractions allowed
    charges_there: ArrayLike  # whether the charge happens at the destination
    expected_arrivals: ArrayLike  # neighbours' summed P(S1), cars within half an hour


def assemble(inputs: FeatureInputs, valid: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """The feature rows, shape (..., n, len(FEATURES)) float32, finite for finite inputs.

    `valid` (..., n) marks entries that are candidates and not padding; None means all.

    An unknown price becomes the mean of the known ones of its request, else 0; an unknown
    destination becomes 0 km with `has_destination` 0.

    Source: US 12,393,974 B2, steps 510, 520.
    """
    wait_s = np.asarray(inputs.wait_s)
    distance_km = np.asarray(inputs.distance_km)
    to_km = np.asarray(inputs.destination_km)
    angle = np.asarray(inputs.hour) * (math.tau / 24.0)
    level = np.asarray(inputs.level)
    columns: tuple[ArrayLike, ...] = (
        wait_s / 60.0,
        fill_unknown(np.asarray(inputs.price), valid),
        inputs.p_unusable,
        np.asarray(inputs.drive_s) / 60.0,
        distance_km,
        inputs.detour_km,
        np.asarray(inputs.charge_s) / 60.0,
        inputs.power_kw,
        inputs.dc,
        np.asarray(inputs.status) == _AVAILABLE,
        np.minimum(np.asarray(inputs.status_age_s) / 60.0, GREATEST_AGE_MIN),
        inputs.queue_length,
        inputs.station_free_share,
        inputs.station_evse_count,
        np.minimum(inputs.preference, GREATEST_PREFERENCE),
        inputs.visit_share,
        inputs.equilibrium,
        inputs.traffic_grade,
        np.nan_to_num(to_km, nan=0.0),
        to_km == to_km,
        inputs.soc_pct,
        inputs.arrival_soc_pct,
        level == _HIGH,
        level == _MEDIUM,
        level == _LOW,
        np.sin(angle),
        np.cos(angle),
        distance_rank(distance_km, valid),
        inputs.expected_arrivals,
        inputs.charges_there,
    )
    return _stacked(columns, wait_s.shape)


def _stacked(columns: tuple[ArrayLike, ...], shape: tuple[int, ...]) -> NDArray[np.float32]:
    rows = np.empty((*shape, len(columns)), dtype=np.float32)
    for index, column in enumerate(columns):
        rows[..., index] = column
    return rows


def fill_unknown(
    values: NDArray[np.float64], valid: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """The values with NaN replaced by the mean of the others of the last axis, else by 0.

    Source: US 12,393,974 B2, step 520.

    >>> fill_unknown(np.array([10.0, np.nan, 20.0])).tolist(), fill_unknown(np.array([np.nan]))
    ([10.0, 15.0, 20.0], array([0.]))
    """
    unknown = values != values
    if not unknown.any():
        return values
    counted = ~unknown if valid is None else ~unknown & valid
    known = counted.sum(axis=-1, keepdims=True)
    total = np.where(counted, values, 0.0).sum(axis=-1, keepdims=True)
    filled: NDArray[np.float64] = np.where(unknown, total / np.maximum(known, 1), values)
    return filled


def distance_rank(
    distance_km: NDArray[np.float64], valid: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Place in the order of distance, 0 nearest to 1 farthest, over the last axis.

    Source: US 12,393,974 B2, step 520.

    >>> distance_rank(np.array([3.0, 1.0, 2.0])).tolist()
    [1.0, 0.0, 0.5]
    """
    count: int | NDArray[np.intp] = distance_km.shape[-1]
    if valid is not None:
        distance_km = np.where(valid, distance_km, np.inf)
        count = valid.sum(axis=-1, keepdims=True)
    place = distance_km.argsort(axis=-1, kind="stable").argsort(axis=-1)
    rank: NDArray[np.float64] = np.minimum(place / np.maximum(count - 1, 1), 1.0)
    return rank


def schema_sha256(columns: tuple[str, ...] = FEATURES) -> str:
    """The hash by which a model proves that it was trained on these columns in this order.

    Source: US 12,393,974 B2, step 520.
    """
    return hashlib.sha256("\n".join(columns).encode()).hexdigest()
