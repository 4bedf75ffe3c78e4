"""The failure model of the core's port, over an ONNX hazard model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.ports import ModelUnavailable
from coordinator.core.reliability.frailty import usable_shape
from coordinator.core.reliability.pile_vector import COLUMNS, SCHEMA_SHA256
from coordinator.models.manifest import Tensor
from coordinator.models.onnx import OnnxModel

PART = "failure"
FRAILTY = "frailty_shape"  # among the part's metrics
INPUTS = [Tensor("vectors", "float32", ["batch", len(COLUMNS)])]
OUTPUTS = [Tensor("rates", "float32", ["batch"])]
__all__ = ["FRAILTY", "INPUTS", "OUTPUTS", "PART", "SCHEMA_SHA256", "OnnxFailureModel"]


class OnnxFailureModel:
    """Rates of piles from what they are and how they were used."""

    def __init__(self, model: OnnxModel) -> None:
        self._model = model
        self._frailty_shape = usable_shape(model.metrics.get(FRAILTY))

    @property
    def frailty_shape(self) -> float:
        """Shape of the frailty of the piles that it learned from; 1 where its bundle is silent."""
        return self._frailty_shape

    def rates(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """P(an unplanned outage starts within 24 h), shape (n,); `vectors` as in `pile_vector`,
        on the scale `REFERENCE`.

        Raises `ModelUnavailable` for a wrong shape and for values that are not probabilities.
        """
        if vectors.ndim != 2 or vectors.shape[1] != len(COLUMNS):
            raise ModelUnavailable(PART, f"vectors of shape {vectors.shape}")
        rates = self._model.finite({"vectors": vectors})
        if rates.size and (rates.min() < 0.0 or rates.max() > 1.0):
            raise ModelUnavailable(PART, "it gave a rate outside 0 to 1")
        return rates
