"""What the core needs from models: Protocols of one method, arrays in, arrays out.

Every implementation answers within its time or raises `ModelUnavailable`; the pipeline then goes on
with the rules and marks the answer degraded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


class ModelUnavailable(Exception):
    """A model is missing, too slow, or gave a value that is not finite; says which and why.

    Source: US 12,393,974 B2, step 520.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"model {name} is unavailable: {why}")
        self.name = name
        self.why = why


class Ranker(Protocol):
    """Orders candidates (patent: the sorting model). Source: US 12,393,974 B2, step 520."""

    def scores(self, features: Float32) -> Float32:
        """Utilities, shape (n,), larger is better; `features` is (n, len(FEATURES)), n >= 1."""
        ...


@runtime_checkable
class BatchRanker(Protocol):
    """A ranker that judges several requests in one call. Source: US 12,393,974 B2, step 520."""

    def scores_of_each(self, features: Float32, valid: NDArray[np.bool_]) -> Float32:
        """Utilities (r, n) of `features` (r, n, len(FEATURES)); entries not `valid` mean nothing.

        In each row the valid entries come first, and there is at least one.
        """
        ...


class FailureModel(Protocol):
    """Prior failure rate of piles from what they are and how they were used.

    Source: US 12,393,974 B2, step 340.
    """

    def rates(self, vectors: Float32) -> Float32:
        """P(an unplanned outage starts within 24 h), shape (n,); `vectors` is (n, n_columns)."""
        ...


@runtime_checkable
class FrailtyModel(Protocol):
    """A failure model that also knows how much piles of one kind differ.

    Source: US 12,393,974 B2, step 340.
    """

    @property
    def frailty_shape(self) -> float:
        """Shape of the Gamma of mean 1 by which a pile's rate exceeds that of its kind."""
        ...


@dataclass(frozen=True, slots=True)
class Approach:
    """What is known of EVSEs to which a car drives, columns of shape (r, n).

    Source: US 12,393,974 B2, steps 330, 340.
    """

    status: NDArray[np.int8]
    rapid: NDArray[np.bool_]  # direct current, or so much power that a stay is short
    lasted_s: Float64  # how long the status had lasted when it was last confirmed
    unseen_s: Float64  # how long ago that was
    drive_s: Float64
    hour: Float64  # of the day, local, now; (r, 1)
    free_share: Float64  # free EVSEs of the station / its EVSEs
    failure_rate: NDArray[np.floating]  # P(an unplanned outage starts within 24 h)


class ArrivalModel(Protocol):
    """What an EVSE will be like on arrival. Source: US 12,393,974 B2, steps 330, 340, 420."""

    def chances(self, seen: Approach) -> tuple[Float64, Float64]:
        """P(works on arrival), and P(no other car stands there, if it works), (r, n) each."""
        ...


@runtime_checkable
class PreparedModel(Protocol):
    """An arrival model that can be made ready for an hour. Source: US 12,393,974 B2, step 420."""

    def prepare(self, hour: float) -> None:
        """Does beforehand, on any thread, what answers at this local hour need."""
        ...


class TravelModel(Protocol):
    """First scores of piles (patent: the recommendation model).

    Source: US 12,393,974 B2, step 610.
    """

    def scores(self, travel: Float32, location: Float32, environment: Float32) -> Float32:
        """Scores 0-100, shape (m,), never rising in any column of `location`; each input has m
        rows and the columns of its group in `recommend/travel_columns.py`."""
        ...


class PortraitEncoder(Protocol):
    """Feature vectors of users (patent: the feature extraction model).

    Source: US 12,393,974 B2, step 510.
    """

    def portraits(self, statistics: Float32) -> Float32:
        """Vectors, shape (u, any), near for users alike; `statistics` has the columns of
        `recommend/portrait.py`."""
        ...
