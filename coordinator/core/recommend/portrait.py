"""Portraits of users: what they chose so far and what is known of them, as rows of numbers.

Who is like whom, and what follows for a pile, is in `collaborative.py`. A model that makes other
rows of these has its port in `coordinator/core/ports.py`; without one, these are the portraits.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coordinator.core.pile import User
from coordinator.core.ports import ModelUnavailable, PortraitEncoder

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# Statistics of the charging history, then second basic information in shared columns.
STATISTICS = ("seen", "activity", "favourite", "dc_share", "power", "north", "east")
MODEL_COLUMNS, HABIT_COLUMNS = 16, 16
COLUMNS: tuple[str, ...] = (
    *STATISTICS,
    *(f"model#{number}" for number in range(MODEL_COLUMNS)),
    *(f"habit#{number}" for number in range(HABIT_COLUMNS)),
)
# 1 in the portrait: visits (log scale), a power in doublings over 7 kW, km from the middle.
MANY_VISITS = 200.0
LEAST_POWER_KW, DOUBLINGS = 7.0, 6.0
FAR_KM = 10.0
KM_PER_DEG = 111.2


def statistics(
    counts: sparse.csr_matrix,
    dc_share: Float64,
    power_kw: Float64,
    lat_deg: Float64,
    lon_deg: Float64,
) -> Float32:
    """The statistics portrait of users from their visits `counts` (users, stations).

    Shape (users, len(STATISTICS)): whether there is a history, how long it is, the share of the
    station visited most, and the means over all visits of direct current, power and place.

    Source: US 12,393,974 B2, step 510, "determine the statistical data as a user's charging
    portrait".

    >>> visits = sparse.csr_matrix(np.array([[3.0, 1.0], [0.0, 0.0]]))
    >>> facts = [np.array(column) for column in ([1.0, 0.0], [112.0, 7.0], [0.0, 0.1], [0.0, 0.0])]
    >>> statistics(visits, *facts)[:, [0, 2, 3]].tolist()
    [[1.0, 0.75, 0.75], [0.0, 0.0, 0.0]]
    """
    total = np.asarray(counts.sum(axis=1)).ravel()
    each = np.where(total > 0, total, 1.0)
    middle = (float(np.mean(lat_deg)), float(np.mean(lon_deg))) if lat_deg.size else (0.0, 0.0)
    east_km = KM_PER_DEG * np.cos(np.radians(middle[0]))
    doublings = np.log2(np.maximum(power_kw, LEAST_POWER_KW) / LEAST_POWER_KW) / DOUBLINGS
    seen = (total > 0).astype(np.float64)
    columns = [
        seen,
        np.minimum(np.log1p(total) / np.log1p(MANY_VISITS), 1.0),
        np.asarray(counts.max(axis=1).todense()).ravel() / each if counts.shape[1] else seen,
        (counts @ dc_share) / each,
        np.minimum((counts @ doublings) / each, 1.0),
        (counts @ (lat_deg - middle[0])) / each * KM_PER_DEG / FAR_KM,
        (counts @ (lon_deg - middle[1])) / each * east_km / FAR_KM,
    ]
    return np.column_stack(columns).astype(np.float32)


def second_basic(users: Iterable[User | None]) -> Float32:
    """What is known of users beside their history, shape (n, MODEL_COLUMNS + HABIT_COLUMNS).

    The model of the vehicle has one column, each habit one; names share columns by their hash.
    None and unknown models are rows of 0.

    Source: US 12,393,974 B2, step 510, second basic information ("the model of user's new energy
    vehicle, and the habit of choosing a charging pile").
    """
    known = list(users)
    out = np.zeros((len(known), MODEL_COLUMNS + HABIT_COLUMNS), dtype=np.float32)
    for row, user in enumerate(known):
        if user is None:
            continue
        if user.vehicle_model:
            out[row, _column(user.vehicle_model, MODEL_COLUMNS)] = 1.0
        for name, value in user.habits.items():
            out[row, MODEL_COLUMNS + _column(f"{name}={value}", HABIT_COLUMNS)] = 1.0
    return out


def schema_sha256() -> str:
    """The hash by which an encoder proves that it was trained on these columns on these scales.

    Source: US 12,393,974 B2, step 510.
    """
    scales = (MANY_VISITS, LEAST_POWER_KW, DOUBLINGS, FAR_KM)
    return hashlib.sha256("\n".join((*COLUMNS, *map(str, scales))).encode()).hexdigest()


class StatisticsEncoder:
    """The portrait encoder that needs no training: the statistics themselves.

    Source: US 12,393,974 B2, step 510.
    """

    def portraits(self, statistics: Float32) -> Float32:
        """The rows as they are. Source: US 12,393,974 B2, step 510."""
        return statistics


def portraits_or_statistics(encoder: PortraitEncoder, rows: Float32) -> tuple[Float32, str]:
    """Vectors (u, any) of users, and why they are the statistics themselves; else empty.

    Source: US 12,393,974 B2, step 510 (both are portraits: statistical data, feature vectors).
    """
    try:
        vectors = encoder.portraits(rows)
    except ModelUnavailable as error:
        return rows, str(error)
    if vectors.ndim != 2 or len(vectors) != len(rows) or not np.isfinite(vectors).all():
        return rows, f"vectors of shape {vectors.shape} for {len(rows)} users, or not finite"
    return vectors, ""


def _column(name: str, count: int) -> int:
    return zlib.crc32(name.strip().lower().encode()) % count
