"""One ONNX model in memory, on one thread, run inline: a thread hop costs more than it does.

A run that is too slow is ended, and the model rests: whoever asks meanwhile is told so at once. All
models together get so much memory and no more.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime
import structlog
from numpy.typing import NDArray

from coordinator.core.ports import ModelUnavailable
from coordinator.models.deadline import Deadline
from coordinator.models.manifest import Tensor

Array = NDArray[Any]
# Hears of a run: inputs, outputs, seconds. Called where the run was made: it must only note.
Tap = Callable[[Mapping[str, Array], list[Array], float], None]

log = structlog.get_logger()

BUDGET_S = 1.0
MEMORY_MIB = 256
# How long a model rests after a run that was too slow; twice as long each time it is so again.
REST_S = 30.0
MOST_REST_S = 600.0

_DTYPES = {"tensor(float)": "float32", "tensor(bool)": "bool", "tensor(int64)": "int64"}


class OnnxModel:
    """A session over bytes already checked; `run` gives the outputs in their order."""

    def __init__(
        self,
        name: str,
        content: bytes,
        metrics: Mapping[str, float] | None = None,
        budget_s: float = BUDGET_S,
    ) -> None:
        self.name = name
        self.metrics = dict(metrics or {})  # what the manifest says of it
        self.failures = 0
        self.slow_runs = 0
        self.tap: Tap | None = None
        self._session = _session(content)
        self._outputs = [output.name for output in self._session.get_outputs()]
        # The binding below the Python wrapper: the wrapper's checks cost a tenth of a small run.
        self._run = self._session._sess.run
        self._deadline = Deadline(budget_s)
        self._rests = 0
        self._rests_until_s = float("-inf")

    def take_time(self) -> None:
        """From now on no run is too slow: for simulations, which must not vary with the machine."""
        self._deadline = Deadline(float("inf"))

    def apart(self) -> OnnxModel:
        """The same model for another thread: with its own budget, and seen by no one else."""
        made = copy.copy(self)
        made._deadline = Deadline(self._deadline.budget_s)
        made.tap = None
        return made

    @property
    def inputs(self) -> list[Tensor]:
        """Inputs as the file declares them; a dynamic axis is the word the file uses."""
        return [_tensor(node) for node in self._session.get_inputs()]

    @property
    def outputs(self) -> list[Tensor]:
        """Outputs as the file declares them."""
        return [_tensor(node) for node in self._session.get_outputs()]

    @property
    def resting(self) -> bool:
        """Whether it is not asked for now, because it was too slow."""
        return perf_counter() < self._rests_until_s

    def run(self, feed: Mapping[str, Array]) -> list[Array]:
        """The outputs for these inputs.

        Raises `ModelUnavailable` when the runtime refuses, when the run is ended at its budget,
        and without a run while the model rests.
        """
        started_s = perf_counter()
        if started_s < self._rests_until_s:
            raise ModelUnavailable(self.name, "it was too slow, and rests")
        deadline = self._deadline
        deadline.begin(started_s)
        try:
            outputs: list[Array] = self._run(self._outputs, feed, deadline.options)
        # The runtime's own classes have no common base.
        except Exception as error:
            self.failures += 1
            slow = self._judge(started_s)
            why = f"no answer within {deadline.budget_s:g} s"
            why = why if slow else str(error).splitlines()[0][:200]
            raise ModelUnavailable(self.name, why) from error
        finally:
            deadline.running = False
        took_s = perf_counter() - started_s
        if took_s > deadline.budget_s or self._rests:
            self._judge(started_s)
        if self.tap is not None:
            self.tap(feed, outputs, took_s)
        return outputs

    def finite(self, feed: Mapping[str, Array]) -> NDArray[np.float32]:
        """The first output; raises `ModelUnavailable` when any value of it is not finite."""
        output: NDArray[np.float32] = self.run(feed)[0]
        # The sum is finite only if every term is, and costs a third of isfinite().all().
        if not np.isfinite(output.sum()) and not np.isfinite(output).all():
            self.failures += 1
            raise ModelUnavailable(self.name, "it gave a value that is not finite")
        return output

    def _judge(self, started_s: float) -> bool:
        """Whether it was slow; then it rests. Earlier rests of one quick again are forgotten."""
        self._deadline.again()
        now_s = perf_counter()
        if not self._deadline.over(now_s):
            self._rests = 0
            return False
        rest_s = min(REST_S * 2**self._rests, MOST_REST_S)
        self._rests += 1
        self.slow_runs += 1
        self._rests_until_s = perf_counter() + rest_s
        log.warning(
            "model too slow",
            model=self.name,
            took_s=round(now_s - started_s, 3),
            budget_s=self._deadline.budget_s,
            rest_s=rest_s,
        )
        return True


def _session(content: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if _limit_memory():
        options.add_session_config_entry("session.use_env_allocators", "1")
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


_limiting = threading.Lock()
_limited: bool | None = None


def _limit_memory() -> bool:
    """Whether all sessions of this process share one allocator that has an end."""
    global _limited
    with _limiting:
        if _limited is None:
            kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
            memory = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
            settings = {"max_mem": MEMORY_MIB * 2**20, "arena_extend_strategy": 1}
            try:
                onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg(settings))
                _limited = True
            # Somebody else in this process registered one; its limits hold then.
            except Exception:  # noqa: BLE001 - the runtime's own classes have no common base
                _limited = False
    return _limited


def _tensor(node: Any) -> Tensor:
    shape = [axis if isinstance(axis, int) else str(axis) for axis in node.shape]
    return Tensor(node.name, _DTYPES.get(node.type, node.type), shape)
