"""The models that serve now: the configured bundle, the bundled one, or none and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coordinator.core.ports import FailureModel, Ranker
from coordinator.errors import BundleRefused
from coordinator.models.bundle import Bundle, PartInfo, load
from coordinator.models.pins import BUNDLED_SHA256

BUNDLED = Path(__file__).parent / "bundled"


@dataclass(frozen=True, slots=True)
class Serving:
    """What answers: a part that is None is answered by the rules; `problems` says why."""

    ranker: Ranker | None = None
    failure: FailureModel | None = None
    parts: tuple[PartInfo, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def degraded(self) -> bool:
        """Whether anything is answered by rules for want of a model."""
        return self.ranker is None or self.failure is None


def open_models(folder: str = "") -> Serving:
    """The models of a folder; empty means those this version came with, which are pinned.

    Never raises for a bad bundle: the coordinator starts with its rules, and the answer says
    `problems` in words for the log: file, what is wrong, what to do.
    """
    try:
        bundle = load(Path(folder)) if folder else load(BUNDLED, BUNDLED_SHA256)
    except BundleRefused as error:
        return Serving(problems=(f"error[{error.code}]: {error}; hint: {error.hint}",))
    return serving(bundle)


def serving(bundle: Bundle) -> Serving:
    """A loaded bundle as it serves, with a problem for each part that it lacks."""
    missing = [name for name in ("ranker", "failure") if getattr(bundle, name) is None]
    return Serving(
        ranker=bundle.ranker,
        failure=bundle.failure,
        parts=bundle.parts,
        problems=tuple(f"{bundle.path} has no part {name}: rules answer" for name in missing),
    )
