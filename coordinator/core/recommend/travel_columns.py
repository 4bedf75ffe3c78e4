"""What the travel-demand model sees of a candidate, by name; one code for training and serving.

Three groups, one for each input layer: what the driver wants, where the pile is, what is around it.
How a score comes of them is in `travel.py`. Source: US 12,393,974 B2, step 610.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.asked import Asked, charges_there
from coordinator.core.recommend.eta import Drive
from coordinator.core.vehicle import ChargingRequest, Purpose

Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]
Index = NDArray[np.intp]

_PURPOSES = tuple(Purpose)
_NO_PURPOSE = (0.0,) * len(_PURPOSES)
_ONE_HOT = {
    int(purpose): tuple(float(purpose is other) for other in _PURPOSES) for purpose in _PURPOSES
}
TRAVEL: tuple[str, ...] = (
    *(f"purpose_{purpose.name.lower()}" for purpose in _PURPOSES),
    "charges_there",
    "has_wish",  # to be there by some time
    "allowed_h",
)
# More of any of these is never better: the model is monotone in them by construction.
LOCATION: tuple[str, ...] = ("walk_km", "detour_min", "late_min")
ENVIRONMENT: tuple[str, ...] = (
    "ln_people",
    "people_known",
    "traffic_grade",
    "facilities",
    "facilities_known",
)

# People passing in an hour by the hour of the day, where nobody has told: a choice of ours.
USUAL_PEOPLE_PER_H = np.array(
    (60, 40, 30, 30, 40, 80, 150, 300, 450, 400, 400, 500,
     600, 550, 500, 500, 550, 650, 700, 650, 500, 350, 200, 100),
    dtype=np.float64,
)  # fmt: skip
USUAL_FACILITIES = 50.0
PEOPLE_UNIT_PER_H = 100.0
MOST_ALLOWED_H = 12.0
MOST_LATE_MIN = 240.0
MOST_KM = 100.0
MOST_DETOUR_MIN = 240.0


@dataclass(frozen=True, slots=True)
class Measures:
    """How far a pile is out of the way, (r, n); each is 0 where it does not apply.

    Source: US 12,393,974 B2, step 610.
    """

    walk_km: Floats  # pile to destination, of who charges there
    detour_min: Floats  # of who charges on the way
    late_min: Floats | float


@dataclass(frozen=True, slots=True)
class TravelInputs:
    """Inputs of the model for m candidates, each (m, columns of its group).

    Source: US 12,393,974 B2, step 610.
    """

    travel: Float32
    location: Float32
    environment: Float32


def measures(asked: Asked, drive: Drive, wait_s: Floats, charge_s: Floats) -> Measures:
    """Distance, detour and lateness of each candidate; NaN for requests without a destination.

    Source: US 12,393,974 B2, step 610 (within half an hour, before nine o'clock).
    """
    there = charges_there(asked)
    late_min: Floats | float = 0.0
    allowed = np.array([allowed_s(request, asked.now_s) for request in asked.requests])
    if (allowed < np.inf).any():
        walk_s = drive.destination_km * (3600.0 / asked.rules.walk_kmh)
        onward_s = np.where(there, walk_s, drive.onward_s)
        total_s = drive.drive_s + wait_s + charge_s + onward_s
        late_min = np.maximum(total_s - allowed[:, None], 0.0) / 60.0
    return Measures(
        np.where(there, drive.destination_km, 0.0),
        np.where(there, 0.0, drive.detour_s / 60.0),
        late_min,
    )


def allowed_s(request: ChargingRequest, now_s: float) -> float:
    """Seconds until the driver wants to be there; inf without a wish.

    Source: US 12,393,974 B2, step 610.
    """
    by_s = np.inf if request.arrive_by_s is None else request.arrive_by_s - now_s
    travel_s = np.inf if request.expected_travel_s is None else request.expected_travel_s
    return min(by_s, travel_s)


def inputs(
    asked: Asked,
    measured: Measures,
    people_per_h: Floats | float,
    traffic_grade: Floats | float,
    facilities: Floats | float,
    flat: Index,
) -> TravelInputs:
    """The rows of some candidates; `flat` indexes the raveled table (r, n) of all of them.

    People and facilities are NaN where nobody has told: the usual stands in, marked as not known.
    Source: US 12,393,974 B2, step 610 (flow of people, traffic complexity, road facilities).
    """
    shape = measured.walk_km.shape
    row = flat // shape[1]
    travel = np.array([wants(request, asked.now_s) for request in asked.requests], dtype="f4")
    location = np.empty((len(flat), len(LOCATION)), dtype=np.float32)
    for column, (values, most) in enumerate(
        (
            (measured.walk_km, MOST_KM),
            (measured.detour_min, MOST_DETOUR_MIN),
            (measured.late_min, MOST_LATE_MIN),
        )
    ):
        location[:, column] = np.minimum(_of(values, flat), most)
    environment = np.empty((len(flat), len(ENVIRONMENT)), dtype=np.float32)
    people, score = _of(people_per_h, flat), _of(facilities, flat)
    knows_people, knows_score = people == people, score == score
    usual = USUAL_PEOPLE_PER_H[asked.hour[:, 0].astype(np.intp) % 24][row]
    environment[:, 0] = ln_people(np.where(knows_people, people, usual))
    environment[:, 1] = knows_people
    environment[:, 2] = _of(traffic_grade, flat)
    environment[:, 3] = np.where(knows_score, score, USUAL_FACILITIES) / 100.0
    environment[:, 4] = knows_score
    return TravelInputs(travel[row], location, environment)


def wants(request: ChargingRequest, now_s: float) -> tuple[float, ...]:
    """The numbers of one request's travel demand, in the order of `TRAVEL`.

    Source: US 12,393,974 B2, step 610.
    """
    allowed_h = allowed_s(request, now_s) / 3600.0
    has_wish = allowed_h < np.inf
    return (
        *_ONE_HOT.get(request.purpose, _NO_PURPOSE),
        float(request.charge_place == 2),  # a member of an enum is slow to look up
        float(has_wish),
        min(max(allowed_h, 0.0), MOST_ALLOWED_H) if has_wish else 0.0,
    )


def ln_people(per_h: Floats) -> Floats:
    """The flow of people as it is felt: each doubling of a crowd is as much again.

    Source: US 12,393,974 B2, step 610 (flow of people).

    >>> ln_people(np.array([0.0, 100.0, 1e4])).round(2).tolist()
    [0.0, 0.69, 4.62]
    """
    felt: Floats = np.log1p(per_h / PEOPLE_UNIT_PER_H)
    return felt


def schema_sha256() -> str:
    """The hash by which a model proves that it was trained on these columns in this order.

    Source: US 12,393,974 B2, step 610.
    """
    return hashlib.sha256("\n".join((*TRAVEL, *LOCATION, *ENVIRONMENT)).encode()).hexdigest()


def _of(values: Floats | float, flat: Index) -> Floats:
    if isinstance(values, float):
        return np.full(len(flat), values)
    return values.take(flat)
