"""Which parts a bundle may have: one entry each; a new model is one line here and one small file.

The file of a part declares its tensors and columns and wraps the model for the port of the core.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coordinator.models import arrival, failure, portrait, ranker, travel
from coordinator.models.manifest import Tensor
from coordinator.models.onnx import BUDGET_S, OnnxModel


@dataclass(frozen=True, slots=True)
class PartKind:
    """What a port asks of its part, and the class that answers the port over it.

    `needed`: without it answers are degraded; any other part may be absent, the rules answer.
    `budget_s`: a run that takes longer is ended, and the rules answer for a while. Little for what
    runs while a car waits.
    """

    inputs: list[Tensor]
    outputs: list[Tensor]
    schema_sha256: str
    wrapper: Callable[[OnnxModel], Any]
    needed: bool = False
    budget_s: float = BUDGET_S


INLINE_S = 0.1  # while this runs, every car waits
IN_THREAD_S = 10.0  # a whole fleet, or all users, in one run

PARTS: dict[str, PartKind] = {
    ranker.PART: PartKind(
        ranker.INPUTS,
        ranker.OUTPUTS,
        ranker.SCHEMA_SHA256,
        ranker.OnnxRanker,
        needed=True,
        budget_s=INLINE_S,
    ),
    failure.PART: PartKind(
        failure.INPUTS,
        failure.OUTPUTS,
        failure.SCHEMA_SHA256,
        failure.OnnxFailureModel,
        needed=True,
        budget_s=IN_THREAD_S,
    ),
    portrait.PART: PartKind(
        portrait.INPUTS,
        portrait.OUTPUTS,
        portrait.SCHEMA_SHA256,
        portrait.OnnxPortraitEncoder,
        budget_s=IN_THREAD_S,
    ),
    arrival.PART: PartKind(
        arrival.INPUTS, arrival.OUTPUTS, arrival.SCHEMA_SHA256, arrival.OnnxArrivalModel
    ),
    travel.PART: PartKind(
        travel.INPUTS,
        travel.OUTPUTS,
        travel.SCHEMA_SHA256,
        travel.OnnxTravelModel,
        budget_s=INLINE_S,
    ),
}

NEEDED = tuple(name for name, kind in PARTS.items() if kind.needed)
