"""The models that serve now: those of a bundle, or none and why. How it changes: `switch.py`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from coordinator.core.ports import ArrivalModel, FailureModel, PortraitEncoder, Ranker, TravelModel
from coordinator.errors import BundleRefused, CoordinatorError
from coordinator.models import arrival, failure, portrait, ranker, travel
from coordinator.models.bundle import Bundle, PartInfo, load
from coordinator.models.bundle_files import MANIFEST
from coordinator.models.manifest import Manifest
from coordinator.models.onnx import OnnxModel
from coordinator.models.pins import BUNDLED_SHA256
from coordinator.models.registry import NEEDED

BUNDLED = Path(__file__).parent / "bundled"


@dataclass(frozen=True, slots=True)
class Serving:
    """What answers: a part that is absent is answered by the rules; `problems` says why.

    `models` holds each part as its port, by the names of `registry.PARTS`.
    """

    models: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[PartInfo, ...] = ()
    problems: tuple[str, ...] = ()
    bundle: Bundle | None = None

    @property
    def ranker(self) -> Ranker | None:
        """The sorting model."""
        return self.models.get(ranker.PART)

    @property
    def failure(self) -> FailureModel | None:
        """The failure model."""
        return self.models.get(failure.PART)

    @property
    def portrait(self) -> PortraitEncoder | None:
        """The feature extraction model; without it the statistics are the portraits."""
        return self.models.get(portrait.PART)

    @property
    def arrival(self) -> ArrivalModel | None:
        """The arrival model."""
        return self.models.get(arrival.PART)

    @property
    def travel(self) -> TravelModel | None:
        """The travel-demand model."""
        return self.models.get(travel.PART)

    @property
    def degraded(self) -> bool:
        """Whether anything is answered by rules for want of a model that is needed."""
        return any(name not in self.models for name in NEEDED)


def open_models(folder: str = "") -> Serving:
    """The models of a folder, whoever made it; empty means those this version came with, pinned.

    Never raises for a bad bundle: the rules answer, and `problems` says in words for the log:
    file, what is wrong, what to do.
    """
    try:
        bundle = load(Path(folder)) if folder else load(BUNDLED, BUNDLED_SHA256)
    except BundleRefused as error:
        return Serving(problems=(in_words(error),))
    return serving(bundle)


def unhurried(models: Serving) -> Serving:
    """The same models, never too slow: for simulations, which must not vary with the machine."""
    for part in models.models.values():
        model = getattr(part, "_model", None)
        if isinstance(model, OnnxModel):
            model.take_time()
    return models


def serving(bundle: Bundle) -> Serving:
    """A loaded bundle as it serves, with a problem for each needed part that it lacks."""
    missing = [name for name in NEEDED if name not in bundle.models]
    return Serving(
        models=bundle.models,
        parts=bundle.parts,
        problems=tuple(f"{bundle.path} has no part {name}: rules answer" for name in missing),
        bundle=bundle,
    )


@functools.cache
def shipped_name() -> tuple[str, str]:
    """Name and version of the bundle that this version came with."""
    manifest = msgspec.json.decode((BUNDLED / MANIFEST).read_bytes(), type=Manifest)
    return manifest.name, manifest.version


def in_words(error: CoordinatorError) -> str:
    """A refusal as one line."""
    return f"error[{error.code}]: {error}; hint: {error.hint}"
