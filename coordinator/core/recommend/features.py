"""The columns that the ranker sees, by name, with a hash; one code for training and serving.

The first three columns are those in which the score is monotone by construction: more of them is
never better. How each is computed stands in `assemble`.
"""

from __future__ import annotations

import hashlib

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
)

FEATURES: tuple[str, ...] = MONOTONE + FREE

COLUMN: dict[str, int] = {name: index for index, name in enumerate(FEATURES)}


def schema_sha256(columns: tuple[str, ...] = FEATURES) -> str:
    """The hash by which a model proves that it was trained on these columns in this order."""
    return hashlib.sha256("\n".join(columns).encode()).hexdigest()
