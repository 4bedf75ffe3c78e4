"""The travel-demand model of the core's port, over an ONNX network of three input layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.ports import ModelUnavailable
from coordinator.core.recommend.travel_columns import (
    ENVIRONMENT,
    LOCATION,
    TRAVEL,
    schema_sha256,
)
from coordinator.models.manifest import Tensor
from coordinator.models.onnx import OnnxModel

PART = "travel"
SCHEMA_SHA256 = schema_sha256()
INPUTS = [
    Tensor("travel", "float32", ["batch", len(TRAVEL)]),
    Tensor("location", "float32", ["batch", len(LOCATION)]),
    Tensor("environment", "float32", ["batch", len(ENVIRONMENT)]),
]
OUTPUTS = [Tensor("scores", "float32", ["batch"])]


class OnnxTravelModel:
    """First scores that never rise with distance, detour or lateness."""

    def __init__(self, model: OnnxModel) -> None:
        self._model = model

    def apart(self) -> OnnxTravelModel:
        """The same model for another thread."""
        return OnnxTravelModel(self._model.apart())

    def scores(
        self,
        travel: NDArray[np.float32],
        location: NDArray[np.float32],
        environment: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Scores 0-100, shape (m,), of m candidates.

        Raises `ModelUnavailable` for a shape that the model does not take and for values that are
        no scores.
        """
        if len(travel) == len(location) == len(environment) == 0:
            # Some versions of the runtime refuse to compute nothing.
            return np.empty(0, np.float32)
        scores = self._model.finite(
            {"travel": travel, "location": location, "environment": environment}
        )
        if scores.size and (scores.min() < 0.0 or scores.max() > 100.0):
            raise ModelUnavailable(PART, "it gave a score outside 0 to 100")
        return scores
