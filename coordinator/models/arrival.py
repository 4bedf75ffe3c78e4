"""The arrival model of the core's port, over an ONNX model: what an EVSE will be like on arrival.

How it is made cheap enough for every candidate of every request is in `arrival_table.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.ports import Approach, ModelUnavailable
from coordinator.core.recommend.features import schema_sha256
from coordinator.models.arrival_table import COLUMNS, ArrivalTable
from coordinator.models.manifest import Tensor
from coordinator.models.onnx import OnnxModel

Float32 = NDArray[np.float32]
Floats = NDArray[np.float64]

PART = "arrival"
INPUTS = [Tensor("states", "float32", ["batch", len(COLUMNS)])]
# P(works on arrival), and P(free on arrival, if it works): two heads that share no weight.
OUTPUTS = [Tensor("chances", "float32", ["batch", 2])]
SCHEMA_SHA256 = schema_sha256(COLUMNS)


class OnnxArrivalModel:
    """Chances on arrival from the present status, how long it has lasted, and the drive."""

    def __init__(self, model: OnnxModel) -> None:
        self._model = model
        self._table = ArrivalTable(self.exactly)

    def exactly(self, states: Float32) -> Float32:
        """Chances (n, 2) of rows of `COLUMNS`, by the model itself.

        Raises `ModelUnavailable` for values that are not probabilities.
        """
        chances = self._model.finite({"states": states})
        if chances.size and (chances.min() < 0.0 or chances.max() > 1.0):
            raise ModelUnavailable(PART, "it gave a chance outside 0 to 1")
        return chances

    def chances(self, seen: Approach) -> tuple[Floats, Floats]:
        """P(works) and P(free if it works) on arrival, by the table of this half-hour.

        Raises `ModelUnavailable` when the model cannot fill the table.
        """
        return self._table.look_up(seen)

    def prepare(self, hour: float) -> None:
        """Fills the table of this half-hour, if it is not, on any thread.

        Raises `ModelUnavailable` when the model cannot fill it.
        """
        self._table.prepare(hour)
