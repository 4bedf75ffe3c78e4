"""The ranker of the core's port, over an ONNX set network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.ports import ModelUnavailable
from coordinator.core.recommend.features import FEATURES, schema_sha256
from coordinator.models.manifest import Tensor
from coordinator.models.onnx import OnnxModel

PART = "ranker"
SCHEMA_SHA256 = schema_sha256()
INPUTS = [
    Tensor("features", "float32", ["batch", "candidates", len(FEATURES)]),
    Tensor("mask", "float32", ["batch", "candidates"]),
]
OUTPUTS = [Tensor("scores", "float32", ["batch", "candidates"])]

_KEPT_MASKS = 256


class OnnxRanker:
    """Orders candidates by a learned utility that falls in wait, price and P(unusable)."""

    def __init__(self, model: OnnxModel) -> None:
        self._model = model
        self._masks: dict[int, NDArray[np.float32]] = {}

    def apart(self) -> OnnxRanker:
        """The same model for another thread."""
        return OnnxRanker(self._model.apart())

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Utilities, shape (n,), larger is better; `features` is (n, len(FEATURES)), n >= 1.

        Raises `ModelUnavailable` for a shape the model does not take and for values not finite.
        """
        if features.ndim != 2 or features.shape[1] != len(FEATURES) or not len(features):
            raise ModelUnavailable(PART, f"features of shape {features.shape}")
        n = len(features)
        mask = self._masks.get(n)
        if mask is None:
            mask = np.ones((1, n), dtype=np.float32)
            if len(self._masks) < _KEPT_MASKS:
                self._masks[n] = mask
        scores: NDArray[np.float32] = self._model.finite(
            {"features": features[None], "mask": mask}
        )[0]
        return scores

    def scores_of_each(
        self, features: NDArray[np.float32], valid: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Utilities (r, n) of several requests in one run; those not `valid` mean nothing.

        Padding is ignored whatever stands in it. Raises `ModelUnavailable` as `scores` does.
        """
        if features.ndim != 3 or features.shape[2] != len(FEATURES) or not features.size:
            raise ModelUnavailable(PART, f"features of shape {features.shape}")
        if not valid.all():
            # What pads may be NaN, and NaN times a mask of 0 is NaN.
            features = np.where(valid[:, :, None], features, np.float32(0.0))
        return self._model.finite({"features": features, "mask": valid.astype(np.float32)})
