"""The portrait encoder of the core's port, over an ONNX feature extraction model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.ports import ModelUnavailable
from coordinator.core.recommend.portrait import (
    COLUMNS,
    HABIT_COLUMNS,
    MODEL_COLUMNS,
    schema_sha256,
)
from coordinator.models.manifest import Tensor
from coordinator.models.onnx import OnnxModel

PART = "portrait"
SCHEMA_SHA256 = schema_sha256()
# Of a vector, the part extracted from the statistics; models and habits keep their columns.
EXTRACTED = 16
WIDTH = EXTRACTED + MODEL_COLUMNS + HABIT_COLUMNS
INPUTS = [Tensor("rows", "float32", ["batch", len(COLUMNS)])]
OUTPUTS = [Tensor("vectors", "float32", ["batch", WIDTH])]

ROWS_AT_ONCE = 4096


class OnnxPortraitEncoder:
    """Vectors of users from statistics and second basic information.

    Source: US 12,393,974 B2, claims 9-10, step 510 (the feature extraction model).
    """

    def __init__(self, model: OnnxModel) -> None:
        self._model = model

    def portraits(self, statistics: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors, shape (u, WIDTH), near for users alike.

        Raises `ModelUnavailable` for rows of another width and for values not finite.
        """
        if statistics.ndim != 2 or statistics.shape[1] != len(COLUMNS):
            raise ModelUnavailable(PART, f"rows of shape {statistics.shape}")
        vectors = np.empty((len(statistics), WIDTH), dtype=np.float32)
        for start in range(0, len(statistics), ROWS_AT_ONCE):
            rows = statistics[start : start + ROWS_AT_ONCE]
            vectors[start : start + len(rows)] = self._model.finite({"rows": rows})
        return vectors
