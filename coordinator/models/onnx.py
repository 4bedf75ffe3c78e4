"""One ONNX model in memory, on one thread, run inline: a thread hop costs more than it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from coordinator.core.ports import ModelUnavailable
from coordinator.models.manifest import Tensor

Array = NDArray[Any]

_DTYPES = {"tensor(float)": "float32", "tensor(bool)": "bool"}


class OnnxModel:
    """A session over bytes already checked; `run` gives the outputs in their order."""

    def __init__(
        self, name: str, content: bytes, metrics: Mapping[str, float] | None = None
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.name = name
        self.metrics = dict(metrics or {})  # what the manifest says of it
        self._session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        self._outputs = [output.name for output in self._session.get_outputs()]
        # The binding below the Python wrapper: the wrapper's checks cost a tenth of a small run.
        self._run = self._session._sess.run

    @property
    def inputs(self) -> list[Tensor]:
        """Inputs as the file declares them; a dynamic axis is the word the file uses."""
        return [_tensor(node) for node in self._session.get_inputs()]

    @property
    def outputs(self) -> list[Tensor]:
        """Outputs as the file declares them."""
        return [_tensor(node) for node in self._session.get_outputs()]

    def run(self, feed: Mapping[str, Array]) -> list[Array]:
        """The outputs for these inputs; raises `ModelUnavailable` when the runtime refuses."""
        try:
            outputs: list[Array] = self._run(self._outputs, feed, None)
        # The runtime's own classes have no common base.
        except Exception as error:
            raise ModelUnavailable(self.name, str(error).splitlines()[0][:200]) from error
        return outputs

    def finite(self, feed: Mapping[str, Array]) -> NDArray[np.float32]:
        """The first output; raises `ModelUnavailable` when any value of it is not finite."""
        output: NDArray[np.float32] = self.run(feed)[0]
        # The sum is finite only if every term is, and costs a third of isfinite().all().
        if not np.isfinite(output.sum()) and not np.isfinite(output).all():
            raise ModelUnavailable(self.name, "it gave a value that is not finite")
        return output


def _tensor(node: Any) -> Tensor:
    shape = [axis if isinstance(axis, int) else str(axis) for axis in node.shape]
    return Tensor(node.name, _DTYPES.get(node.type, node.type), shape)
