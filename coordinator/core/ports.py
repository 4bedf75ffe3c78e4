"""What the core needs from models: Protocols of one method, arrays in, arrays out.

Every implementation answers within its time or raises `ModelUnavailable`; the pipeline then goes on
with the rules and marks the answer degraded.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


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


class PortraitEncoder(Protocol):
    """Feature vectors of users (patent: the feature extraction model).

    Source: US 12,393,974 B2, step 510.
    """

    def portraits(self, statistics: Float32) -> Float32:
        """Vectors, shape (u, any), near for users alike; `statistics` has the columns of
        `recommend/portrait.py`."""
        ...
